// What middleware is: a plain object with a name and whichever of these functions it needs. What it does not have costs nothing: which
// middleware has which function is looked up once, when the program connects (`hooks.ts`).
import type { Place } from "../../task/options.ts";

/** A call that becomes a job. */
export interface CallFacts {
  readonly id: string;
  readonly task: string;
  readonly queue: string;
  readonly priority: number;
  /** The arguments, decoded when asked for: a copy. Results of other calls, not known yet, show as null. */
  readonly args: readonly unknown[];
  /** The outermost call of the graph; its own id when it is that call. */
  readonly root: string;
  /** The job that submits it. */
  readonly parent: string | null;
  /** W3C traceparent. */
  readonly trace: string | null;
}

/** A call that is submitted. */
export interface SubmitFacts extends CallFacts {
  /** Every call in it, those that others need first, and what is to be done when it has ended. Each becomes a job. */
  readonly calls: readonly CallFacts[];
}

/** What middleware may change of a call before it is stored. */
export interface CallChanges {
  readonly queue?: string;
  readonly priority?: number;
  /** W3C traceparent: `"00-<32 hex digits>-<16 hex digits>-01"`. */
  readonly trace?: string;
}

/**
 * Goes on with the submit, with changes to all its calls, or to each as the function says. Resolves, when the job is durable, with its id.
 * May be called once.
 */
export type SubmitNext = (changes?: CallChanges | ((call: CallFacts) => CallChanges)) => Promise<string>;

/** A job of which an attempt is made. */
export interface JobFacts {
  readonly id: string;
  readonly task: string;
  readonly queue: string;
  /** Counts from 1. */
  readonly attempt: number;
  readonly args: CallFacts["args"];
  readonly root: string;
  readonly parent: string | null;
  readonly trace: string | null;
  /** By the store's clock, in ms since 1970. */
  readonly submittedAt: number;
  /** Where the task runs; this hook runs in the worker's own program in any case. */
  readonly on: Place;
}

/** What an attempt that did not fail has come to: `waiting` (it sleeps, or waits for a signal, and goes on as another) or `released` (given back unbegun). */
export type Came = "done" | "waiting" | "released";

/** Goes on with the attempt. Resolves with what it came to; rejects with its error. May be called once. */
export type RunNext = () => Promise<Came>;

/** How an attempt ended here. The store may still refuse it, when it had given the job to another worker. */
export interface EndFacts {
  readonly outcome: "done" | "failed" | "retry" | "waiting" | "crashed" | "released" | "cancelled";
  /** What the attempt threw, decoded when asked for; undefined when it did not fail. */
  readonly error: unknown;
}

/** What a stored text is. */
export interface About {
  /** `record`: a step, a signal, or something the store keeps for itself. */
  readonly kind: "args" | "result" | "error" | "progress" | "record";
  /** The id of the job; "" for the store's own records; undefined for a result opened for a job that depends on another. */
  readonly job: string | undefined;
  /** The name of a record. */
  readonly name?: string;
  /** The id of the store, which it was given when middleware first sealed a text in it. */
  readonly store: string;
}

/** The fleet, for middleware that keeps something of its own for jobs. */
export interface FleetFacts {
  /** The id of the store, as in {@link About}. */
  readonly store: string;
  /** Those of these jobs that are stored, whether they have ended or not. */
  readonly stored: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Aborted when the worker stops. */
  readonly signal: AbortSignal;
}

/**
 * Stands between a program and its fleet: around each submit, around each attempt, before and behind the store. Given as a list to
 * `connect(url, { use: [...] })`; applied in its order, and in reverse on the way back.
 */
export interface Middleware {
  /** Letters, digits, `_`, `-` and `.`. It stands in what is stored, so it must stay what it is. */
  readonly name: string;
  /**
   * Around each submit of this program (of a map: of each input), also by its jobs. Calls `next()`, once, or throws to refuse: then
   * nothing is stored, and the future rejects with that. What it throws after `next()` fails the submit too, but the job stays.
   * Not called for ticks of schedules and for jobs retried by hand.
   */
  readonly submit?: (call: SubmitFacts, next: SubmitNext) => unknown;
  /**
   * Around each attempt, in the worker's program, wherever the task runs; the time-out of the task counts from `next()`. What it
   * throws fails the attempt, in place of the task's error if there is one; an attempt that failed cannot be made a success. When it
   * throws after the task is done, the steps of the task stay done.
   */
  readonly run?: (job: JobFacts, next: RunNext) => unknown;
  /** A submit is durable, as the job `id`: another than `call.id` where the unique key was taken. */
  readonly submitted?: (call: SubmitFacts, id: string) => unknown;
  /** An attempt begins here. */
  readonly started?: (job: JobFacts) => unknown;
  /** An attempt ended here. */
  readonly ended?: (job: JobFacts, end: EndFacts) => unknown;
  /** An attempt failed, and another follows at `dueAt` (ms since 1970, by the store's clock). Told before `ended`. */
  readonly retry?: (job: JobFacts, end: EndFacts & { readonly dueAt: number }) => unknown;
  /** A worker was lost: its jobs have been given to others. Told by the worker that noticed. */
  readonly lost?: (worker: string) => unknown;
  /** What is to be stored in place of a text: anything, or the very same text to leave it. */
  readonly seal?: (text: string, about: About) => string | PromiseLike<string>;
  /**
   * What {@link seal} was given; only called with what it made, or what somebody put in its place. A StoreError means that it may work later:
   * the worker gives the job back. Any other error fails the job.
   */
  readonly open?: (sealed: string, about: About) => string | PromiseLike<string>;
  /** Texts that this middleware has not sealed are refused. Default false: they pass. */
  readonly sealsAll?: boolean;
  /** What is stored in place of a unique key: always the same for the same key. Default, with middleware that seals: its SHA-256. */
  readonly conceal?: (key: string) => string;
  /** Upkeep: called about once an hour, by one worker of the fleet. */
  readonly tend?: (fleet: FleetFacts) => unknown;
}
