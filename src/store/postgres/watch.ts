// Listening for what other programs changed. Notifications come on a connection of their own, which is there only while
// someone listens; when it is cut, what is missed meanwhile is made up for by telling of everything once it is back.
import type { Runtime } from "../../core/runtime.ts";
import type { StoreEvent, StoreListener } from "../store.ts";
import { endedBit, everyBit, ownBit, readyBit, scheduledBit, writtenBit } from "./functions/codes.ts";
import { Link } from "./link.ts";
import { quoted } from "./text.ts";
import type { Place } from "./url.ts";

/** How a watch is made. */
export interface WatchOptions {
  readonly place: Place;
  readonly runtime: Runtime;
  readonly channel: string;
  /** What a notification tells of; 0 for one of our own. */
  readonly heard: (payload: string) => number;
}

/** Tells listeners of changes made here and elsewhere. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #listeners = new Set<StoreListener>();
  #toTell = new Map<StoreEvent, boolean>();
  #link: Link | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** See `Store.watch`. */
  add(listener: StoreListener): () => void {
    const own: StoreListener = (event, elsewhere) => listener(event, elsewhere);
    this.#listeners.add(own);
    this.#link ??= this.#listen();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stop();
    };
  }

  /** Tells listeners, on a later turn and once for all that happened on this one. */
  tell(bits: number, elsewhere: boolean): void {
    if (this.#listeners.size === 0 || bits === 0) return;
    if (this.#toTell.size === 0) {
      this.#options.runtime.defer(() => {
        const told = this.#toTell;
        this.#toTell = new Map();
        for (const listener of this.#listeners) for (const [event, isElsewhere] of told) listener(event, isElsewhere);
      });
    }
    const add = (event: StoreEvent): unknown => this.#toTell.set(event, elsewhere || this.#toTell.get(event) === true);
    if ((bits & readyBit) !== 0) add("ready");
    if ((bits & endedBit) !== 0) add("ended");
    if ((bits & scheduledBit) !== 0) add("scheduled");
    if ((bits & writtenBit) !== 0) add("written");
    if ((bits & ownBit) !== 0) add("own");
  }

  /** Listens on a new connection. */
  reconnect(): void {
    this.#link?.drop();
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#stop();
    await this.#closing;
  }

  #listen(): Link {
    const { place, runtime, channel, heard } = this.#options;
    const link = new Link({
      place,
      runtime,
      unavailableAfterMs: 0,
      prepare: async (connection) => {
        await connection.query(`LISTEN ${quoted(channel)}`);
        // Nobody told us of what happened before.
        this.tell(everyBit, true);
      },
      hearing: { onNotification: (payload) => this.tell(heard(payload), true) },
    });
    link.start();
    return link;
  }

  #stop(): void {
    const link = this.#link;
    this.#link = undefined;
    if (link) this.#closing = Promise.all([this.#closing, link.close()]).then(() => undefined);
  }
}
