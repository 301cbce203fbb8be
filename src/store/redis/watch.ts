// Telling listeners of changes. Scripts publish what happened; own changes are told at once and without the server, those of others
// by a connection that only listens, which there is while there is a listener. When it is cut, wake-ups are lost until it is back;
// whoever waits asks again now and then anyway.
import type { Runtime } from "../../core/runtime.ts";
import type { StoreEvent, StoreListener } from "../store.ts";
import type { Ear } from "./ear.ts";
import { separator } from "./field.ts";

function eventsOf(letters: string): StoreEvent[] {
  const events: StoreEvent[] = [];
  if (letters.includes("r")) events.push("ready");
  if (letters.includes("e")) events.push("ended");
  if (letters.includes("s")) events.push("scheduled");
  if (letters.includes("w")) events.push("written");
  if (letters.includes("o")) events.push("own");
  return events;
}

/** Tells listeners of changes made here and elsewhere. */
export class Watch {
  readonly #runtime: Runtime;
  readonly #origin: string;
  readonly #listen: (hear: (message: string) => void) => Ear;
  readonly #listeners = new Set<StoreListener>();
  #toTell = new Set<StoreEvent>();
  #ear: Ear | undefined;

  constructor(runtime: Runtime, origin: string, listen: (hear: (message: string) => void) => Ear) {
    this.#runtime = runtime;
    this.#origin = origin;
    this.#listen = listen;
  }

  /** See `Store.watch`. */
  add(listener: StoreListener): () => void {
    const own: StoreListener = (event, elsewhere) => listener(event, elsewhere);
    this.#listeners.add(own);
    this.#ear ??= this.#listen((message) => this.#hear(message));
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#deafen();
    };
  }

  /** Takes in what an own verb did, as its script says it. */
  own(letters: string): void {
    if (letters !== "") this.#tell(eventsOf(letters));
  }

  close(): void {
    this.#listeners.clear();
    this.#deafen();
  }

  #deafen(): void {
    this.#ear?.close();
    this.#ear = undefined;
  }

  #hear(message: string): void {
    const [letters = "", origin] = message.split(separator);
    if (origin === this.#origin) return;
    // A message comes on a turn of its own.
    for (const event of eventsOf(letters)) for (const listener of this.#listeners) listener(event, true);
  }

  /** Of what was done here listeners are told on a later turn, once for all that happened on this one. */
  #tell(events: readonly StoreEvent[]): void {
    if (this.#listeners.size === 0) return;
    if (this.#toTell.size === 0) {
      this.#runtime.defer(() => {
        const told = this.#toTell;
        this.#toTell = new Set();
        for (const listener of this.#listeners) for (const event of told) listener(event, false);
      });
    }
    for (const event of events) this.#toTell.add(event);
  }
}
