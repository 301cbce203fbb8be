// Waking up when another process changed something, without asking all the time. Whoever commits something that others
// may wait for writes one byte to a file beside the store, the bell, after the commit; whoever waits has the operating
// system watch that file. The store's own log would be the wrong thing to watch: it is written well before the commit in it
// can be seen. A ring is only a hint. SQLite's data_version says whether another connection really committed, and a slow
// check now and then finds what rang for nobody: a process killed between commit and ring, a file system that cannot notify.
import type { FSWatcher } from "node:fs";
import { closeSync, openSync, watch, writeSync } from "node:fs";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { StoreEvent, StoreListener } from "../store.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { lastEnding } from "./endings.ts";
import type { TimesTold } from "./record.ts";
import { timesTold } from "./record.ts";
import { nextDueAt } from "./tend.ts";
import { asStoreError, isBusy } from "./trouble.ts";

const slowCheckMs = 1000;
const checkMsWithoutNotice = 100;
const oneByte = new Uint8Array(1);

/** Tells listeners of changes made here and elsewhere. */
export class Watch {
  readonly #db: Connection;
  readonly #runtime: Runtime;
  readonly #bellPath: string;
  readonly #bell: number;
  readonly #listeners = new Set<StoreListener>();
  #toTell = new Map<StoreEvent, boolean>();
  #notices: FSWatcher | undefined;
  #timer: Timer | undefined;
  #seenVersion = 0;
  #seenEnding = 0;
  #seenDue: number | null = null;
  #seenTold: TimesTold = { written: 0, own: 0 };
  #checking = false;
  #ringProblem: string | undefined;
  #watchProblem: string | undefined;

  constructor(db: Connection, runtime: Runtime) {
    this.#db = db;
    this.#runtime = runtime;
    this.#bellPath = `${db.path}-bell`;
    this.#bell = openSync(this.#bellPath, "w", 0o600);
  }

  /** What keeps it from being told at once, for people. */
  get problem(): string | undefined {
    return this.#ringProblem ?? this.#watchProblem;
  }

  /** Wakes everyone: for changes committed here. */
  ring({
    ready,
    scheduled,
    anyEnded,
    written,
    own,
  }: Pick<Effects, "ready" | "scheduled" | "anyEnded" | "written" | "own">): void {
    const events: StoreEvent[] = [];
    if (ready) events.push("ready");
    if (scheduled) events.push("scheduled");
    if (anyEnded) events.push("ended");
    if (written) events.push("written");
    if (own) events.push("own");
    if (events.length === 0) return;
    try {
      writeSync(this.#bell, oneByte, 0, 1, 0);
      this.#ringProblem = undefined;
    } catch (error) {
      // The change is committed; others find it at their next slow check.
      this.#ringProblem = `Other processes learn of changes late: ${(error as Error).message}.`;
    }
    this.#tell(events, false);
  }

  /** See `Store.watch`. */
  add(listener: StoreListener): () => void {
    const own: StoreListener = (event, elsewhere) => listener(event, elsewhere);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stop();
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#stop();
    closeSync(this.#bell);
  }

  #start(): void {
    try {
      this.#notices = watch(this.#bellPath, { persistent: false }, () => this.#checkSoon());
      this.#notices.on("error", (error) => this.#stopNotices(error));
    } catch (error) {
      this.#stopNotices(error as Error);
    }
    // Only now, so that nothing can change between the two without being noticed.
    this.#learn();
    this.#checkLater();
  }

  /** Takes what is there as seen. If another connection is in the way, the first check reports too much, which is allowed. */
  #learn(): void {
    try {
      this.#seenVersion = this.#version();
      this.#seenEnding = lastEnding(this.#db);
      this.#seenDue = nextDueAt(this.#db);
      this.#seenTold = timesTold(this.#db);
    } catch (error) {
      if (!isBusy(error)) throw asStoreError(error, this.#db.path);
      this.#seenVersion = -1;
    }
  }

  #stopNotices(error: Error): void {
    this.#watchProblem = `The system does not say when the store changes, so it is asked every ${checkMsWithoutNotice} ms: ${error.message}.`;
    this.#notices?.close();
    this.#notices = undefined;
  }

  #stop(): void {
    this.#notices?.close();
    this.#notices = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #checkLater(): void {
    const ms = this.#notices ? slowCheckMs : checkMsWithoutNotice;
    const check = (): void => {
      this.#check();
      this.#checkLater();
    };
    this.#timer = this.#runtime.after(ms, check, { background: true });
  }

  /** Several notices of one turn are one check. */
  #checkSoon(): void {
    if (this.#checking) return;
    this.#checking = true;
    this.#runtime.defer(() => {
      this.#checking = false;
      if (this.#listeners.size > 0) this.#check();
    });
  }

  #version(): number {
    return this.#db.get<{ data_version: number }>("PRAGMA data_version")?.data_version ?? 0;
  }

  #check(): void {
    try {
      const version = this.#version();
      if (version === this.#seenVersion) return;
      const events = this.#whatHappened();
      this.#seenVersion = version;
      this.#tell(events, true);
    } catch (error) {
      // Another connection is in the way for a moment; the next check sees the change.
      if (!isBusy(error)) this.#watchProblem = `The store cannot be watched: ${(error as Error).message}.`;
    }
  }

  #whatHappened(): StoreEvent[] {
    const events: StoreEvent[] = [];
    if (this.#db.get("SELECT 1 FROM job WHERE state = 'ready' LIMIT 1") !== undefined) events.push("ready");
    const ending = lastEnding(this.#db);
    if (ending !== this.#seenEnding) events.push("ended");
    this.#seenEnding = ending;
    const due = nextDueAt(this.#db);
    if (due !== null && due < (this.#seenDue ?? Infinity)) events.push("scheduled");
    this.#seenDue = due;
    const told = timesTold(this.#db);
    if (told.written !== this.#seenTold.written) events.push("written");
    if (told.own !== this.#seenTold.own) events.push("own");
    this.#seenTold = told;
    return events;
  }

  /** Listeners are called on a later turn, once for all that happened on this one. */
  #tell(events: readonly StoreEvent[], elsewhere: boolean): void {
    if (this.#listeners.size === 0 || events.length === 0) return;
    if (this.#toTell.size === 0) {
      this.#runtime.defer(() => {
        const told = this.#toTell;
        this.#toTell = new Map();
        for (const listener of this.#listeners) for (const [event, isElsewhere] of told) listener(event, isElsewhere);
      });
    }
    for (const event of events) this.#toTell.set(event, elsewhere || this.#toTell.get(event) === true);
  }
}
