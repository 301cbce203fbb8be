// Group commit. Verbs called on one turn of the event loop run in one transaction on the next, in the order they were called,
// and their promises settle after its COMMIT: so a hundred submits in flight cost one flush of the disk, not a hundred.
//
// If anything in a group fails, all of it is rolled back and its verbs run again one by one, so that only the culprit is
// rejected; a verb may therefore run twice, and what it keeps outside the file must be forgotten with a rollback. Reads keep
// their place in the order; one with no write before it runs at once. A group is capped, to bound both how long it
// blocks this event loop and how long it keeps other processes from writing. A verb that finds in advance that it has nothing
// to write (an idle worker's claim) never asks for the lock.
import { ClosedError, StoreError } from "../../core/errors.ts";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { Connection } from "./connection.ts";
import { lockWaitMs, patiently } from "./connection.ts";
import type { Walker } from "./places.ts";
import { checkVersion } from "./migrate.ts";
import { asStoreError, isBusy } from "./trouble.ts";

/** What a transaction did that others want to know. */
export interface Effects {
  /** A job became ready. */
  ready: boolean;
  /** A job is due soon. */
  scheduled: boolean;
  /** A record of a job was written of which listeners are to be told. */
  written: boolean;
  /** One of the store's own was. */
  own: boolean;
  /** Jobs that have come to stand before a gate, for the rounds at the end of the verb. */
  readonly walkers: Walker[];
  /** Gates that are to be opened in those rounds, with how many places were given back. */
  readonly returned: Map<string, number>;
  /** It is known that the next job's seq is later than all ages. */
  seqsAreLater: boolean;
  /** The jobs that ended and are not recorded yet, by seq. */
  readonly ended: number[];
  /** Some were recorded. */
  anyEnded: boolean;
  /** For how long the transaction waited for the lock. */
  readonly waitedMs: number;
}

/** A verb that writes. */
export interface Verb<T> {
  /** About how many rows it writes. */
  readonly weight: number;
  run(effects: Effects): T;
  /** The result, when reading shows that there is nothing to write. Undefined to run it. */
  idle?(): T | undefined;
  /**
   * When what it wrote must have reached the disk: before anyone sees it (default), before the verb is acknowledged, or
   * never, since it need not survive the loss of power.
   */
  readonly flush?: "acknowledged" | "never";
}

interface Item {
  readonly verb: Verb<unknown>;
  readonly isRead: boolean;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  alone: boolean;
}

type Answer = { readonly result: unknown } | { readonly error: Error };

/** Those of a transaction that has done nothing yet. */
export function noEffects(waitedMs: number = 0): Effects {
  return {
    ready: false,
    scheduled: false,
    written: false,
    own: false,
    walkers: [],
    returned: new Map(),
    seqsAreLater: false,
    ended: [],
    anyEnded: false,
    waitedMs,
  };
}

/** The result without a transaction. What cannot be found out by reading is found out in one, where a failure is its own. */
function idleResult(verb: Verb<unknown>): unknown {
  try {
    return verb.idle?.();
  } catch {
    return undefined;
  }
}

const groupRows = 1000;
const triesPerTurn = 8;

/** How a queue of commits is made. */
export interface CommitsOptions {
  readonly db: Connection;
  readonly runtime: Runtime;
  /** The layout this program was made for. */
  readonly version: number;
  readonly durability: "full" | "normal";
  /** Called before each group; throws when nothing may be written any more. */
  readonly checkPresence: () => void;
  /** Brings the log to the disk; throws when that fails. */
  readonly flushLog: () => void;
  /** Called in each transaction when it has begun. */
  readonly begun: () => void;
  /** Called in each transaction before its commit, and before a read in it. */
  readonly record: (effects: Effects) => void;
  /** Called after each commit, before the promises settle. */
  readonly afterCommit: (effects: Effects) => void;
  /** Called after each rollback: whatever verbs remembered may be wrong. */
  readonly afterRollback: () => void;
}

/** Runs verbs in groups. */
export class Commits {
  readonly #options: CommitsOptions;
  readonly #db: Connection;
  readonly #runtime: Runtime;
  #queue: Item[] = [];
  #scheduled = false;
  #lockedSince: number | undefined;
  #retry: Timer | undefined;
  #closing: (() => void) | undefined;
  #closed = false;
  #reading = 0;
  #isFull = true;

  constructor(options: CommitsOptions) {
    this.#options = options;
    this.#db = options.db;
    this.#runtime = options.runtime;
  }

  /** Runs a verb in a transaction; resolves when it is committed. */
  write<T>(verb: Verb<T>): Promise<T> {
    return this.#enqueue(verb, false);
  }

  /** Runs a read: at once, or after the writes called before it. */
  async read<T>(run: () => T): Promise<T> {
    if (this.#closed) throw this.#closedError();
    if (this.#queue.length === 0) return this.#patientRead(run);
    return this.#enqueue({ weight: 0, run, flush: "never" }, true);
  }

  /** Resolves when everything asked for is done; later calls reject. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#isQuiet()) return;
    await new Promise<void>((resolve) => {
      this.#closing = resolve;
    });
  }

  #closedError(): ClosedError {
    return new ClosedError(`The store ${this.#db.path} is closed. Open it again to use it.`);
  }

  #isQuiet(): boolean {
    return this.#queue.length === 0 && this.#reading === 0;
  }

  #enqueue<T>(verb: Verb<T>, isRead: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(this.#closedError());
      this.#queue.push({ verb, isRead, resolve: resolve as (result: unknown) => void, reject, alone: false });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#runtime.defer(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  async #patientRead<T>(run: () => T): Promise<T> {
    this.#reading += 1;
    try {
      // What a deleted file says would be read for ever, and nothing would ever change in it.
      this.#options.checkPresence();
      return await patiently(this.#runtime, run);
    } catch (error) {
      throw asStoreError(error, this.#db.path);
    } finally {
      this.#reading -= 1;
      this.#settleClose();
    }
  }

  #settleClose(): void {
    if (this.#isQuiet()) this.#closing?.();
  }

  #flush(): void {
    if (this.#retry) return;
    try {
      this.#options.checkPresence();
      this.#answerIdle();
      // Nobody waits for the lock any more.
      if (this.#queue.length === 0) this.#lockedSince = undefined;
      const waitedMs = this.#queue.length > 0 ? this.#lock() : undefined;
      if (waitedMs !== undefined) this.#runGroup(this.#takeGroup(), waitedMs);
    } catch (error) {
      // Not even a transaction can be started: nobody waiting can be served.
      for (const item of this.#queue.splice(0)) item.reject(asStoreError(error, this.#db.path));
    }
    if (this.#queue.length > 0 && !this.#retry) this.#schedule();
    this.#settleClose();
  }

  /** Answers what stands at the head and needs no transaction. */
  #answerIdle(): void {
    let answered = 0;
    for (const { verb, isRead, resolve, reject } of this.#queue) {
      if (isRead) this.#patientRead(() => verb.run(noEffects())).then(resolve, reject);
      else {
        const result = idleResult(verb);
        if (result === undefined) break;
        resolve(result);
      }
      answered += 1;
    }
    this.#queue.splice(0, answered);
  }

  /** Starts a transaction. When the lock is taken, tries again on a later turn; else gives for how long it was waited for, in ms. */
  #lock(): number | undefined {
    const isOurs = this.#begin();
    if (!isOurs) this.#lockedSince ??= this.#runtime.elapsed();
    const waitedMs = this.#runtime.elapsed() - (this.#lockedSince ?? this.#runtime.elapsed());
    if (isOurs) {
      this.#lockedSince = undefined;
      return waitedMs;
    }
    if (waitedMs > lockWaitMs) {
      this.#lockedSince = undefined;
      throw new StoreError(
        `The store ${this.#db.path} could not be written: another program has held its lock for ${Math.round(waitedMs / 1000)} s. ` +
          "Look for one that keeps a transaction open, or is stopped.",
      );
    }
    this.#retry = this.#runtime.after(1, () => {
      this.#retry = undefined;
      this.#flush();
    });
    return undefined;
  }

  #begin(): boolean {
    try {
      this.#useDurability();
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
    return this.#db.begin(() => this.#runtime.random(), triesPerTurn);
  }

  /**
   * SQLite's own flush comes before others see the commit. Where it may come after, or not at all, SQLite is told not to, so
   * that a worker that is woken starts while the disk still writes.
   */
  #useDurability(): void {
    if (this.#options.durability === "normal") return;
    const full = this.#queue.some(({ verb }) => verb.flush === undefined);
    if (full === this.#isFull) return;
    this.#db.exec(`PRAGMA synchronous = ${full ? "FULL" : "NORMAL"}`);
    this.#isFull = full;
  }

  /** After the commit of a group that SQLite did not flush: the log is flushed before anything in it is acknowledged. */
  #flushLog(group: readonly Item[]): void {
    if (this.#options.durability === "normal" || this.#isFull) return;
    if (group.some(({ verb }) => verb.flush === "acknowledged")) this.#options.flushLog();
  }

  #takeGroup(): Item[] {
    let rows = 0;
    let count = 0;
    for (const { verb, alone } of this.#queue) {
      if (count > 0 && (alone || rows + verb.weight > groupRows)) break;
      rows += verb.weight;
      count += 1;
      if (alone) break;
    }
    return this.#queue.splice(0, count);
  }

  #runGroup(group: readonly Item[], waitedMs: number): void {
    const effects = noEffects(waitedMs);
    let answers: readonly Answer[];
    try {
      checkVersion(this.#db, this.#options.version);
      this.#options.begun();
      answers = group.map((item) => this.#run(item, effects));
      this.#options.record(effects);
      this.#db.commit();
    } catch (error) {
      this.#giveUp(group, error);
      return;
    }
    this.#options.afterCommit(effects);
    try {
      this.#flushLog(group);
    } catch (error) {
      for (const item of group) item.reject(this.#unflushed(error));
      return;
    }
    for (const [index, answer] of answers.entries()) {
      if ("error" in answer) group[index]?.reject(answer.error);
      else group[index]?.resolve(answer.result);
    }
  }

  #unflushed(error: unknown): StoreError {
    return new StoreError(
      `The store ${this.#db.path} could not be flushed to the disk: ${(error as Error).message}. ` +
        "What was written is there now, but may be gone after a loss of power: check the disk.",
      { cause: error },
    );
  }

  /** A read that fails has changed nothing, so it fails alone. */
  #run({ verb, isRead }: Item, effects: Effects): Answer {
    if (!isRead) return { result: verb.run(effects) };
    this.#options.record(effects);
    try {
      return { result: verb.run(effects) };
    } catch (error) {
      return { error: asStoreError(error, this.#db.path) };
    }
  }

  /** False when even that fails; SQLite then undoes the transaction when the file is opened next. */
  #rollback(): boolean {
    this.#options.afterRollback();
    try {
      this.#db.rollback();
      return true;
    } catch {
      return false;
    }
  }

  #giveUp(group: readonly Item[], error: unknown): void {
    const isUndone = this.#rollback();
    const again = isUndone && (group.length > 1 || (isBusy(error) && !group.some(({ alone }) => alone)));
    if (again) this.#queue = [...group, ...this.#queue];
    for (const item of group) {
      item.alone = true;
      if (!again) item.reject(asStoreError(error, this.#db.path));
    }
  }
}
