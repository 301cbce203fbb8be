// The SQLite store: jobs in one file that any number of processes of one machine share. This file only says which verb is done
// where, which of them write, and how many rows a write is counted for; the rules are in `store.ts` and `machine.ts` above,
// the layout in `schema.ts`, the transactions in `commits.ts`. All of SQLite runs on the caller's thread.
import { resolve } from "node:path";
import { ClosedError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { Claim, Ended, Input, Job, NewJob, NewRecord, Outcome, StoredJob, StoredRecord } from "../job.ts";
import type { Renewal } from "../lease.ts";
import type {
  Added,
  Cancelled,
  Changes,
  Dump,
  EventPage,
  JobFilter,
  NewWorker,
  Page,
  QueueStats,
  ReadyLine,
  Settled,
  Store,
  StoredGate,
  StoredWorker,
  StoreListener,
  StoreInfo,
  Tended,
  Want,
} from "../store.ts";
import { add, addIf } from "./add.ts";
import { suspend, takeBack } from "./attempt.ts";
import { cancel, change, remove, retry } from "./change.ts";
import { GivenOut, lines, mayClaim, next, pause } from "./claim.ts";
import type { Effects } from "./commits.ts";
import { Commits } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { Endings, recordEndings } from "./endings.ts";
import { keepEvents, readEvents, stampEvents } from "./events.ts";
import { gates } from "./gate-upkeep.ts";
import { openGates } from "./gates.ts";
import { info } from "./info.ts";
import { leaseUrlOf } from "./lease.ts";
import { Log } from "./log.ts";
import type { Durability, OpenFileOptions } from "./open.ts";
import { openFile, presenceCheck } from "./open.ts";
import { awaited, count, get, inputs, list, queues } from "./read.ts";
import { steps } from "./schema.ts";
import { records, write } from "./record.ts";
import { settle } from "./settle.ts";
import { idleTend, tend } from "./tend.ts";
import { asStoreError } from "./trouble.ts";
import { Watch } from "./watch.ts";
import { dump, load } from "./whole.ts";
import { addWithin } from "./within.ts";
import { drain, join, leave, note, renew, workers } from "./workers.ts";

/** How a SQLite store is opened. */
export interface SqliteOptions {
  /**
   * What an acknowledged job survives. `"full"` (default): the loss of power; each commit waits for the disk, typically 0.2 to
   * 4 ms. `"normal"`: the death of every process, but the last commits may be lost with the power; commits do not wait.
   */
  readonly durability?: Durability;
  /** Timers and randomness. Default: the real ones. */
  readonly runtime?: Runtime;
}

/** Rows a claim may write. */
function roomIn(wants: readonly Want[]): number {
  return wants.reduce((sum, { limit }) => sum + limit, 0);
}

const nothingSettled: Settled = { refused: [], ended: [], claimed: [] };

class SqliteStore implements Store {
  readonly leaseUrl: string;
  readonly tendMs: number = 500;
  readonly settlesAtOnce: number = 1;
  readonly #db: Connection;
  readonly #runtime: Runtime;
  readonly #version: number;
  readonly #awaited = new Set<string>();
  readonly #commits: Commits;
  readonly #watch: Watch;
  readonly #durability: Durability;
  readonly #log: Log;
  readonly #given: GivenOut;
  readonly #endings: Endings;
  #closing: Promise<void> | undefined;

  constructor(db: Connection, { runtime, durability, steps: { length: version } }: OpenFileOptions) {
    this.#db = db;
    this.#runtime = runtime;
    this.#version = version;
    this.leaseUrl = leaseUrlOf(db.path);
    this.#watch = new Watch(db, runtime);
    this.#durability = durability;
    this.#log = new Log(db.path);
    this.#given = new GivenOut(db);
    this.#endings = new Endings(db);
    this.#commits = new Commits({
      db,
      runtime,
      version,
      durability,
      checkPresence: presenceCheck(db.path),
      flushLog: () => this.#log.flush(),
      begun: () => stampEvents(db, runtime.now()),
      record: (effects) => recordEndings(db, effects),
      afterCommit: (effects) => this.#watch.ring(effects),
      afterRollback: () => {
        this.#given.forgetAll();
        this.#endings.forgetAll();
      },
    });
  }

  #write<T>(weight: number, run: (effects: Effects) => T): Promise<T> {
    return this.#commits.write({ weight, run });
  }

  /** A verb that may move jobs up to gates, or away from them. */
  #move<T>(now: number, run: (effects: Effects) => T): Promise<T> {
    return this.#write(1, (effects) => {
      const result = run(effects);
      openGates(this.#db, effects, now);
      return result;
    });
  }

  now(): number {
    return this.#runtime.now();
  }

  add(jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    // A job may be seen, and even run, before the disk has it: whoever submits it has not been told yet.
    return this.#commits.write({
      weight: jobs.length,
      flush: "acknowledged",
      run: (effects) => add(this.#db, effects, jobs, now),
    });
  }

  addIf(record: Parameters<Store["addIf"]>[0], jobs: readonly NewJob[], now: number): Promise<readonly Added[] | null> {
    return this.#commits.write({
      weight: jobs.length + 1,
      flush: "acknowledged",
      run: (effects) => addIf(this.#db, effects, record, jobs, now),
    });
  }

  async addIn(tx: unknown, jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    if (this.#closing) throw new ClosedError(`The store ${this.#db.path} is closed. Open it again to use it.`);
    const within = {
      path: this.#db.path,
      version: this.#version,
      runtime: this.#runtime,
      awaited: this.#awaited,
      stored: (ids: readonly string[]) => get(this.#db, ids),
      committed: () => this.#watch.ring({ ready: true, scheduled: true, anyEnded: true, written: false, own: false }),
    };
    return addWithin(within, tx, jobs, now);
  }

  settle(worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled> {
    return this.#commits.write({
      weight: outcomes.length + roomIn(wants),
      // A claim alone need not outlive the power: no worker does, and the job is ready as before.
      ...(outcomes.length === 0 && { flush: "never" }),
      run: (effects) => settle({ db: this.#db, effects, given: this.#given }, worker, outcomes, wants, now),
      idle: () => (outcomes.length > 0 || mayClaim(this.#db, wants) ? undefined : nothingSettled),
    });
  }

  awaited(id: string, limit: number): Promise<readonly string[]> {
    return this.#commits.read(() => awaited(this.#db, id, limit));
  }

  inputs(ids: readonly string[]): Promise<readonly (readonly Input[])[]> {
    return this.#commits.read(() => inputs(this.#db, ids));
  }

  write(records: readonly NewRecord[], now: number): Promise<readonly boolean[]> {
    return this.#commits.write({
      weight: records.length,
      flush: "acknowledged",
      run: (effects) => {
        const written = write(this.#db, effects, records, now);
        openGates(this.#db, effects, now);
        return written;
      },
    });
  }

  records(job: string, prefix: string, limit: number, after?: string): Promise<readonly StoredRecord[]> {
    return this.#commits.read(() => records(this.#db, job, prefix, limit, after));
  }

  suspend(worker: string, jobs: readonly (readonly [id: string, fence: number, waits: string | null])[]): Promise<void> {
    return this.#commits.write({ weight: jobs.length, flush: "never", run: () => suspend(this.#db, worker, jobs) });
  }

  next(queues: readonly string[], tasks: readonly string[]): Promise<string | null> {
    return this.#commits.read(() => next(this.#db, queues, tasks));
  }

  get(ids: readonly string[]): Promise<readonly Job[]> {
    return this.#commits.read(() => get(this.#db, ids));
  }

  endings(ids: readonly string[]): Promise<readonly Ended[]> {
    return this.#commits.read(() => this.#endings.find(ids));
  }

  list(filter: JobFilter, page: Page): Promise<readonly Job[]> {
    return this.#commits.read(() => list(this.#db, filter, page));
  }

  count(filter: JobFilter): Promise<number> {
    return this.#commits.read(() => count(this.#db, filter));
  }

  cancel(filter: JobFilter, reason: string | null, now: number): Promise<Cancelled> {
    return this.#move(now, (effects) => cancel(this.#db, effects, filter, reason, now));
  }

  retry(filter: JobFilter, now: number): Promise<readonly string[]> {
    return this.#move(now, (effects) => retry(this.#db, effects, filter, now));
  }

  change(filter: JobFilter, changes: Changes, now: number): Promise<readonly string[]> {
    return this.#move(now, (effects) => change(this.#db, effects, filter, changes, now));
  }

  remove(filter: JobFilter): Promise<number> {
    return this.#write(1, (effects) => remove(this.#db, effects, filter));
  }

  tend(now: number, limit: number): Promise<Tended> {
    return this.#commits.write({
      weight: limit,
      run: (effects) => tend(this.#db, effects, now, limit),
      idle: () => idleTend(this.#db, now),
    });
  }

  join(worker: NewWorker, leaseUntil: number): Promise<void> {
    return this.#write(1, () => join(this.#db, worker, leaseUntil));
  }

  renew(worker: string, leaseUntil: number): Promise<Renewal> {
    return this.#commits.write({ weight: 1, flush: "never", run: () => renew(this.#db, worker, leaseUntil) });
  }

  drain(worker: string): Promise<boolean> {
    return this.#write(1, () => drain(this.#db, worker));
  }

  pause(queue: string, paused: boolean): Promise<void> {
    return this.#write(1, (effects) => pause(this.#db, effects, queue, paused));
  }

  leave(worker: string, now: number): Promise<void> {
    return this.#move(now, (effects) => leave(this.#db, effects, worker, now));
  }

  releaseOthers(worker: string, held: readonly Claim[], now: number): Promise<number> {
    return this.#move(now, (effects) => takeBack(this.#db, effects, worker, "released", now, held).count);
  }

  note(worker: string, progress: readonly (readonly [id: string, fence: number, text: string])[]): Promise<void> {
    return this.#commits.write({ weight: progress.length, flush: "never", run: () => note(this.#db, worker, progress) });
  }

  workers(): Promise<readonly StoredWorker[]> {
    return this.#commits.read(() => workers(this.#db));
  }

  queues(): Promise<readonly QueueStats[]> {
    return this.#commits.read(() => queues(this.#db));
  }

  lines(limit: number): Promise<readonly ReadyLine[]> {
    return this.#commits.read(() => lines(this.#db, limit));
  }

  gates(names: readonly string[]): Promise<readonly StoredGate[]> {
    return this.#commits.read(() => gates(this.#db, names));
  }

  keepEvents(keepMs: number | null, ifNone: number = 0): Promise<number> {
    return this.#write(1, () => keepEvents(this.#db, keepMs, ifNone, this.now()));
  }

  events(after: string | null, limit: number): Promise<EventPage> {
    return this.#commits.read(() => readEvents(this.#db, after, limit));
  }

  dump(after: string | null, limit: number): Promise<Dump> {
    return this.#commits.read(() => dump(this.#db, after, limit));
  }

  load(jobs: readonly StoredJob[], now: number): Promise<number> {
    return this.#write(jobs.length, (effects) => load(this.#db, effects, jobs, now));
  }

  info(): Promise<StoreInfo> {
    return this.#commits.read(() => info(this.#db, this.#durability, this.#watch.problem));
  }

  reconnect(): void {
    // There is nobody else at the other end.
  }

  watch(listener: StoreListener): () => void {
    if (this.#closing) throw new ClosedError(`The store ${this.#db.path} is closed. Open it again to use it.`);
    return this.#watch.add(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    this.#watch.close();
    this.#log.close();
    this.#db.close();
  }
}

/** Opens a store with other layouts than the shipped ones; for tests of the upgrade. */
export async function openSqlite(path: string, options: OpenFileOptions): Promise<Store> {
  const db = await openFile(resolve(path), options);
  try {
    return new SqliteStore(db, options);
  } catch (error) {
    db.close();
    throw asStoreError(error, db.path);
  }
}

/**
 * Opens the store in this file, and makes the file and its folder when there are none. Rejects with a StoreError when the path
 * cannot be written, is not a manyhands store, or one of a newer version; it says which.
 */
export function sqliteStore(path: string, options: SqliteOptions = {}): Promise<Store> {
  return openSqlite(path, { durability: options.durability ?? "full", runtime: options.runtime ?? systemRuntime, steps });
}
