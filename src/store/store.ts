// The store contract. A store keeps jobs and moves them through the state machine of `machine.ts`; policy (retry, backoff,
// validation, codec) sits above it, once. Every verb takes and gives batches, is atomic as a whole, and takes the time
// from its caller, who asks `now()`. Verbs called on one store object take effect in the order of the calls. When the promise
// of a writing verb resolves, what it wrote survives whatever the store promises to survive (SQLite by default: loss of
// power). The memory store is the reference; all others must give the same trace.
//
// "Now" may jump in both directions. A time has come when it is not later than now: a job due, expiring or leased until `now`
// is due, late, lost. Where order shows, it is that in which jobs were added.
import type { JobState } from "../task/state.ts";
import type { Claim, ClaimedJob, Ended, Gate, Input, Job, NewJob, NewRecord, Outcome, StoredJob, StoredRecord } from "./job.ts";
import type { Renewal } from "./lease.ts";

/** Which jobs a verb applies to; every field given must hold. An empty filter selects every job. */
export interface JobFilter {
  readonly ids?: readonly string[];
  readonly states?: readonly JobState[];
  readonly queue?: string;
  /** By name, whatever they require. */
  readonly task?: string;
  readonly root?: string;
}

/** One kind of work a worker has room for. */
export interface Want {
  /** The room is divided evenly among them; what one cannot fill goes to the others. An odd one goes to the first. */
  readonly queues: readonly string[];
  /** Lines: `task` of jobs, with what they require. */
  readonly tasks: readonly string[];
  /** At most this many jobs in all. */
  readonly limit: number;
}

/** A worker as it announces itself. */
export interface NewWorker {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** For people and for who looks what waits in vain: names, and patterns in which * stands for any text. */
  readonly queues: readonly string[];
  /** Names; after a line break without a name, its labels as JSON. */
  readonly tasks: readonly string[];
  readonly startedAt: number;
}

/** A worker as stored. */
export interface StoredWorker extends NewWorker {
  readonly leaseUntil: number;
  readonly running: number;
}

/** What `add` did with one job. */
export interface Added {
  readonly id: string;
  /**
   * Set when nothing was added: a live job has the same unique key, and this is that job; or only such jobs of the batch
   * need this one, and this is the job that stands in for the first of them.
   */
  readonly existing: string | null;
}

/** What `cancel` did. */
export interface Cancelled {
  /** Jobs that had not started; they have ended as `cancelled`. */
  readonly cancelled: readonly string[];
  /** Running jobs; the wish is recorded, their workers see it when they renew, and it outlives a restart. The first wish counts. */
  readonly requested: readonly string[];
  /** Jobs that depended on a cancelled one and have therefore failed. */
  readonly failed: readonly string[];
}

/** What may be changed of jobs that wait. */
export interface Changes {
  readonly priority?: number;
  readonly queue?: string;
  /** Null for at once. */
  readonly dueAt?: number | null;
  /**
   * Another call in place of the one the job was added for; the job keeps its id, its unique key and, among jobs of its priority, its place. Only
   * for a job that was never given out, whose steps would be those of another call, and that was added without dependencies, for whose
   * results the old arguments have holes. With it the filter names one job.
   */
  readonly call?: OtherCall;
}

/** What a job has of the call it was added for, beside what may be changed without it. */
export type OtherCall = Pick<NewJob, "args" | "policy" | "gates" | "expiresAt" | "submittedAt">;

/** The ready jobs of a task in a queue. */
export interface ReadyLine {
  readonly queue: string;
  readonly task: string;
}

/** A gate as it is now. */
export interface StoredGate extends Omit<Gate, "until"> {
  /** Places taken. */
  readonly held: number;
  /** Jobs that stand before it. */
  readonly waiting: number;
  /** Some jobs that have a place, at most ten, those added first. */
  readonly holders: readonly string[];
  /** When the next job may pass by its tokens; null for places alone and when nobody waits. */
  readonly nextAt: number | null;
}

/** What `settle` did. */
export interface Settled {
  /** Outcomes refused because the job had been given to someone else, or had ended: indexes into the batch. */
  readonly refused: readonly number[];
  /**
   * Jobs other than those in the batch that ended in consequence, and those of the batch that ended otherwise than the
   * outcome says (a retry, crash or release that came to a cancellation, a crash too many).
   */
  readonly ended: readonly Ended[];
  /** Jobs claimed in the same step. */
  readonly claimed: readonly ClaimedJob[];
}

/** What `tend` did. */
export interface Tended {
  /** Scheduled and suspended jobs whose time had come. */
  readonly promoted: number;
  /** Jobs taken back from workers whose lease had run out. */
  readonly recovered: number;
  /** Ended rows deleted because their `keepMs` was over. */
  readonly pruned: number;
  /** Jobs that ended: expired, set aside as poison, or cancelled while their worker was lost, and those that failed in consequence. */
  readonly ended: readonly Ended[];
  /** Workers whose lease had run out. */
  readonly lost: readonly string[];
  /** When the next scheduled or suspended job is due, or a gate wants to be looked at; or null. */
  readonly nextDueAt: number | null;
}

/** Numbers of one queue. */
export interface QueueStats {
  readonly queue: string;
  /** Nothing is claimed from it. */
  readonly paused: boolean;
  readonly counts: Readonly<Record<JobState, number>>;
  /**
   * Since when the job waits that has been ready longest, or null when none is ready: the earliest `readyAt` of the jobs that are next,
   * those added first of each task and priority. One behind them may have been ready before a retried one that went ahead of it. Where
   * a server keeps more than a thousand tasks and priorities waiting it looks at a thousand.
   */
  readonly oldestReadyAt: number | null;
}

/** A page of a listing. */
export interface Page {
  readonly limit: number;
  /** Only jobs added before this one (newest first). Where it is no longer stored, jobs whose ids sort before it. */
  readonly before?: string;
}

/** A part of everything stored. */
export interface Dump {
  readonly jobs: readonly StoredJob[];
  /** Where the next part begins, or null when there is none. */
  readonly next: string | null;
}

/** That a job came to a state. */
export interface StoredEvent extends Pick<Job, "id" | "task" | "queue" | "state" | "attempt" | "worker"> {
  /** What comes after it is read with this. */
  readonly cursor: string;
  /** When it was written, by the store's clock. */
  readonly at: number;
  /** The state it was in; null when it was added. PostgreSQL: null as well for the first that is kept of a job. */
  readonly from: JobState | null;
}

/** Events, and where the next begin: where these began when there are no more as yet. */
export interface EventPage {
  readonly events: readonly StoredEvent[];
  readonly next: string;
}

/** What a store says of itself. */
export interface StoreInfo {
  readonly kind: string;
  readonly location: string;
  readonly engine: string;
  readonly schema: number;
  readonly jobs: number;
  /** What it takes up, on disk or in memory. Redis: all memory of the server, with what others keep there. */
  readonly bytes: number;
  /** Problems found, worst first; empty when all is well. */
  readonly problems: readonly string[];
  /** Settings that matter, for people. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/**
 * What changed: work became ready, jobs ended, a job or a gate is due sooner than anyone may tend, or a record was written of
 * which listeners are to be told: of a job (`written`), or one of the store's own (`own`).
 */
export type StoreEvent = "ready" | "ended" | "scheduled" | "written" | "own";

/** Told of changes. `elsewhere` is false when only verbs called on this very store object made the change. */
export type StoreListener = (event: StoreEvent, elsewhere: boolean) => void;

/** Keeps jobs. Made by `connect`, or by the factories beside this file. */
export interface Store {
  /**
   * The time by which this store's leases and due times go, in ms since 1970: the clock of this machine, or of the server where there
   * is one, so that programs whose own clocks are wrong agree.
   */
  now(): number;
  /** How many settles a busy worker should have under way: 2 where a server can work on one while the worker makes the next. */
  readonly settlesAtOnce: number;
  /** How often a worker should tend the store, in ms: where each time costs a round trip, less often. */
  readonly tendMs: number;
  /**
   * Adds jobs; with their dependencies they appear all at once or not at all. A job whose unique key is taken by a live
   * job is not added, and jobs of the batch that depend on it depend on the existing one; jobs of the batch that only it
   * needs are not added either. A job that depends on one that has already ended other than `done` fails at once. State on
   * arrival: `blocked` when a dependency is not done, else `scheduled` when due later than `now`, else `ready`. An id that is
   * already stored or named twice, or a dependency neither stored nor before it in the batch, rejects the whole batch.
   */
  add(jobs: readonly NewJob[], now: number): Promise<readonly Added[]>;
  /**
   * As `add`, within the caller's own open transaction on the store's database: the jobs exist exactly if it is committed. `tx` is his
   * connection (`DatabaseSync` of node:sqlite, a client of pg). Resolves when it is done there, which is before the commit. Rejects with
   * a UsageError where a store has no transactions, or `tx` is not one on this store's database.
   */
  addIn(tx: unknown, jobs: readonly NewJob[], now: number): Promise<readonly Added[]>;
  /**
   * As `add`, but only if the store's own record `name` has the text `from` (null: there is none), and then writes `to` there (null deletes
   * it) in the same step. Null when it was otherwise: nothing was added or written. Listeners are told of the record. Without jobs it compares and sets.
   */
  addIf(
    record: { readonly name: string; readonly from: string | null; readonly to: string | null },
    jobs: readonly NewJob[],
    now: number,
  ): Promise<readonly Added[] | null>;
  /**
   * Records outcomes and, in the same step, claims: takes ready jobs for the worker, in each queue higher priority first, then
   * oldest first; a job with gates is as old as its passing of the last. None when the worker has not joined or its lease has run out. A job whose `expiresAt` has come before its first
   * start is never given out. Of jobs whose next crash is one too many, a worker has at most one at a time: when it dies,
   * one of them at most is set aside for another's fault. From a paused queue nothing is claimed.
   *
   * An outcome counts only if the job is running with this worker
   * and this fence. Done jobs release those that wait for them; a job whose dependency ends otherwise fails at once, and so on up.
   * A `retry`, `waiting`, `crashed`, `released` or lost job with a recorded wish to cancel ends as `cancelled`, but one that has something to undo
   * (a record under `undoPrefix`) and has not crashed too often is made ready without the wish and with the signal `cancelSignal`; a `done` one is done. A job
   * failed by several dependencies names the first. An outcome counts even when the lease has run out, while nobody took the job back.
   * Of an attempt that ends in `retry` or `crashed` a record is kept, as of one that is lost: see `attemptRecord`.
   */
  settle(worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled>;
  /**
   * For each of these jobs what it gets of its dependencies, in the order of `dependsOn`. Rejects with a StoreError when
   * a job is not stored or a dependency has not ended as it must, which cannot be while the job runs.
   */
  inputs(ids: readonly string[]): Promise<readonly (readonly Input[])[]>;
  /** The jobs that a job waits for: those of its dependencies that have not ended, in their order, each once, at most `limit`. */
  awaited(id: string, limit: number): Promise<readonly string[]>;
  /**
   * Writes records, in order; false for each that was refused: its job is not stored, has ended or, where it names a claim, does not
   * run by it any more. A signal (a record whose name begins with `signalPrefix`) makes its job ready, if that is suspended.
   */
  write(records: readonly NewRecord[], now: number): Promise<readonly boolean[]>;
  /** Records of a job, or of the store (""), whose names begin with `prefix`, by name: at most `limit`, after the name `after` if it is given. */
  records(job: string, prefix: string, limit: number, after?: string): Promise<readonly StoredRecord[]>;
  /**
   * Says that attempts of this worker do not work but wait (for what says `waits`), or work again (null): their jobs are `waiting`, and
   * still this worker's. What does not fit worker and fence is passed over. Need not be durable.
   */
  suspend(worker: string, jobs: readonly (readonly [id: string, fence: number, waits: string | null])[]): Promise<void>;
  /**
   * The id of a job that stands first in its line for workers of these queues and tasks, or null. It only looks, and costs little: a
   * worker asks it what it may be missing. None is on its last chance, but it may be too late; and not all jobs need be looked at.
   */
  next(queues: readonly string[], tasks: readonly string[]): Promise<string | null>;
  /** Those of these jobs that exist, in any order. */
  get(ids: readonly string[]): Promise<readonly Job[]>;
  /** Those of these jobs that have ended, in the order asked; cheap enough to ask on every wake-up. */
  endings(ids: readonly string[]): Promise<readonly Ended[]>;
  /** Jobs, newest first. */
  list(filter: JobFilter, page: Page): Promise<readonly Job[]>;
  /** How many jobs there are. */
  count(filter: JobFilter): Promise<number>;
  /**
   * Cancels jobs and what lies below them: a dependency is cancelled too when every job that needs it is cancelled or has ended.
   * A job above, which needs a cancelled one, fails. A job that ran, that nobody holds and that has something to undo (a record under
   * `undoPrefix`) is not ended: it gets the signal `cancelSignal`, unless it has it, and is made ready if it is suspended or scheduled; it counts as requested. Ended jobs are left alone, and so are dependencies that were submitted by
   * themselves (their own `root`): someone else waits for them.
   */
  cancel(filter: JobFilter, reason: string | null, now: number): Promise<Cancelled>;
  /**
   * Makes failed, cancelled and expired jobs live again with a fresh budget of attempts, with those of their dependencies
   * that have ended other than `done`. Returns the ids made live, dependencies first. A job is left alone when its unique key
   * is meanwhile taken, a dependency is no longer stored, or a dependency is left alone. Tolerated dependencies are made live as others;
   * a job that tolerates one made live, and is blocked by others still, waits for that one again. An expiry counts anew from now, as long as at submit; the
   * wait for a retry is dropped, a due time given at submit is kept, the signal `cancelSignal` is deleted, and `retriedRecord` is written.
   */
  retry(filter: JobFilter, now: number): Promise<readonly string[]>;
  /**
   * Changes jobs that are `blocked`, `scheduled` or `ready`; others are passed over. They rest anew: in another line, at another place, or until
   * another time. Returns their ids, in the order they were added.
   */
  change(filter: JobFilter, changes: Changes, now: number): Promise<readonly string[]>;
  /** Deletes ended jobs; those a live job still needs are left. Returns how many. */
  remove(filter: JobFilter): Promise<number>;
  /**
   * The upkeep any worker may do, as often as it likes: makes due jobs ready, expires late ones, takes jobs back from workers
   * whose lease has run out (`ready` again, or `failed` as poison beyond `crashLimit`), and prunes. In this order: lost workers
   * with all their jobs, then at most `limit` late, due and over-kept rows and gates to look at each; the earliest first; at
   * last old events, ten times as many. A job taken back has no
   * `error`: nobody saw it end. An ended job is kept while a job that depends on it has not ended, and a while longer.
   */
  tend(now: number, limit: number): Promise<Tended>;
  /** Announces a worker with a lease until `leaseUntil`. Announcing a known one again replaces what is known of it. */
  join(worker: NewWorker, leaseUntil: number): Promise<void>;
  /**
   * Extends the lease. `alive` is false when the worker is not known any more (it was taken for lost): it must stop, and join
   * again under a new id. `cancels` names its running jobs that someone wants cancelled. A lease that has run out and that
   * nobody noticed is good again. Need not survive the loss of power, which no worker survives.
   */
  renew(worker: string, leaseUntil: number): Promise<Renewal>;
  /** Asks a worker to stop; it learns of it when it renews, and `join` with the same id takes the wish back. False when it is not known. */
  drain(worker: string): Promise<boolean>;
  /** Pauses a queue, whether it has jobs or not, or resumes it. Listeners are told of a resumed one as of work that became ready. */
  pause(queue: string, paused: boolean): Promise<void>;
  /** Ends a worker's lease. Jobs it still runs are given back as `released`. Nothing happens when it is not known. */
  leave(worker: string, now: number): Promise<void>;
  /**
   * Gives back, as `released`, the jobs running with this worker by other claims than these. A worker whose `settle` failed calls it: the
   * answer may have been lost with the connection, and with it the jobs it claimed. A settle asked for before it and not yet
   * done will claim nothing. Returns how many.
   */
  releaseOthers(worker: string, held: readonly Claim[], now: number): Promise<number>;
  /** Records progress of running jobs: `[id, fence, encoded]`; what does not fit worker and fence is passed over. Need not be durable. */
  note(worker: string, progress: readonly (readonly [id: string, fence: number, text: string])[]): Promise<void>;
  /** The workers that hold a lease or whose loss nobody has noticed, by id. */
  workers(): Promise<readonly StoredWorker[]>;
  /** The lines that have ready jobs, also in paused queues; at most `limit`, in any order. Cheap however many jobs they have. */
  lines(limit: number): Promise<readonly ReadyLine[]>;
  /** Those of these gates that someone stands before or has a place of, in any order. */
  gates(names: readonly string[]): Promise<readonly StoredGate[]>;
  /** Every queue that has a job or is paused, by name. */
  queues(): Promise<readonly QueueStats[]>;
  /**
   * Says for how long events are kept, in ms; 0 deletes them and keeps none, which is how a store begins; null leaves it as it is, but where none
   * are kept they are for `ifNone`. Gives how long that is now. While they are kept, every change of a job's state leaves one, written in the transaction of the change; while not, it costs nothing.
   * A job that comes before a gate is `blocked`, also when it passes at once. An event of a clock that was ahead is as old as the first behind it that is not.
   */
  keepEvents(keepMs: number | null, ifNone?: number): Promise<number>;
  /**
   * Events behind a cursor, at most `limit`, which may be fewer than there are: none is left out or comes twice, and those of one job come in the order in which they happened.
   * `after` null gives none, and in `next` where those from now on begin. Rejects with an EventsLostError when some behind it are not kept any more.
   */
  events(after: string | null, limit: number): Promise<EventPage>;
  /**
   * Every job, whole, in the order they were added: at most `limit` from where `after` says, which is the `next` of the part before,
   * or null to begin. A part of large jobs has fewer, and any may be small, even empty, and not be the last. Jobs that are deleted
   * between parts are left out, and those added between parts may be.
   */
  dump(after: string | null, limit: number): Promise<Dump>;
  /**
   * Writes jobs that another store has dumped, as they are, with their records, in any state but `running` and `waiting` in a worker's
   * memory; those that would be ready pass their gates anew. They count as added now, in this order. One whose id is
   * stored is passed over, so that a move that was interrupted can be repeated. A waiting job with dependencies arrives as
   * the dependencies stored here tell: `blocked` when one is not done, `failed` when one has ended otherwise. Returns how many were
   * written (when the store had to ask twice because an answer was lost, those written the first time may not count). A dependency
   * of a waiting job that is neither stored nor before it in the batch, or a unique key that another live job holds, rejects the
   * whole batch.
   */
  load(jobs: readonly StoredJob[], now: number): Promise<number>;
  /** What the store says of itself; may check the whole store and take seconds. */
  info(): Promise<StoreInfo>;
  /**
   * Calls `listener` soon after something changed, by this or any other process; calls may be merged, and may come
   * without a change. Returns the function that ends it. A listener keeps no process alive. Throws a ClosedError after `close`.
   */
  watch(listener: StoreListener): () => void;
  /** Makes its connections anew, where it has any: what is under way fares as when they are cut. */
  reconnect(): void;
  /** What `openLease` needs in another thread to renew a worker's lease, or null where only this object can. May hold a password. */
  readonly leaseUrl: string | null;
  /** Finishes what was asked and frees everything. Later calls reject with a ClosedError; a second close does nothing. */
  close(): Promise<void>;
}
