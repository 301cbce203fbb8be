// The rows that cross the store contract. Values are encoded texts (task/codec.ts); times are ms since 1970 and come
// from the caller. A store keeps these facts and moves jobs between states; it never looks inside a text.
import type { FinalState, JobState } from "../task/state.ts";

/**
 * A limit that a job has to pass before it is ready. Jobs pass its gates one after another. A gate exists while a job stands before it or holds a place; the newest job that names it says how wide it is.
 */
export interface Gate {
  /** Jobs that name the same gate share it. */
  readonly name: string;
  /** How many places it has: an integer above 0. */
  readonly room: number;
  /** Null for places alone. Else it is a token bucket of `room` tokens, full at first, that gets one back in so many ms; to pass takes one. */
  readonly everyMs: number | null;
  /** Whoever has passed has a place until it starts, or until its attempt stops otherwise than ready again. */
  readonly until: "started" | "stopped";
}

/** A named text that belongs to a job and goes with it, or to the store itself. */
export interface StoredRecord {
  /** ASCII; records are listed in the order of their names' bytes. */
  readonly name: string;
  readonly text: string;
}

/** A record to write. */
export interface NewRecord {
  /** The job it belongs to; "" for the store. */
  readonly job: string;
  readonly name: string;
  /** What is to stand there, in place of what does; null deletes it. */
  readonly text: string | null;
  /** Written by an attempt: only while the job runs by this claim. Null: by anyone, but not to a job that has ended. */
  readonly claim: { readonly worker: string; readonly fence: number } | null;
  /** Listeners are told of it. */
  readonly tell: boolean;
}

/** A job as submitted. */
export interface NewJob {
  readonly id: string;
  /** Its line: the task's name and, after a line break, what it requires of a worker, if anything. */
  readonly task: string;
  readonly queue: string;
  readonly priority: number;
  /** Encoded arguments. */
  readonly args: string;
  /** Encoded attempt policy (retries, backoff, timeout); null when it is the default one. */
  readonly policy: string | null;
  /** How many deaths of its worker it may survive before it is set aside. */
  readonly crashLimit: number;
  /** Not before this time; null for at once. */
  readonly dueAt: number | null;
  /** Expires when not started by this time. */
  readonly expiresAt: number | null;
  /** How long after its end the row is kept. */
  readonly keepMs: number;
  /** The outermost call of the graph this job belongs to; its own id when it is that call. */
  readonly root: string;
  /** The job that submitted it. */
  readonly parent: string | null;
  /** W3C traceparent given by the submitter. */
  readonly trace: string | null;
  /** Ids of jobs whose results its arguments need, in the order of their holes; in the same batch before it, or stored. */
  readonly dependsOn: readonly string[];
  /** Those of `dependsOn` that need not end as done: however they end, they are done to this job. */
  readonly tolerates: readonly string[];
  /** Passed in this order each time the job would become ready, but for the time after a crash, a loss or a release. */
  readonly gates: readonly Gate[];
  readonly unique: { readonly key: string; readonly until: "started" | "ended" } | null;
  readonly submittedAt: number;
}

/** A job as stored. */
export interface Job extends Omit<NewJob, "unique" | "dependsOn" | "tolerates"> {
  readonly state: JobState;
  readonly uniqueKey: string | null;
  /** How many dependencies it had when submitted. */
  readonly dependencies: number;
  /** Dependencies not yet done. */
  readonly pending: number;
  /** Attempts started and not given back. */
  readonly attempt: number;
  /** Attempts that ended with the death of the worker. */
  readonly crashes: number;
  /** Counts every claim; an outcome is accepted only with the fence of the claim it belongs to. */
  readonly fence: number;
  /** The worker that runs it, or that ran it when it ended; else null. */
  readonly worker: string | null;
  /** When it last became ready. */
  readonly readyAt: number | null;
  /** When its last attempt started. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Encoded result; only in state `done`. */
  readonly result: string | null;
  /** Encoded error of the last attempt that failed or crashed; null when no attempt did, or when that one's worker was lost. */
  readonly error: string | null;
  /** When a dependency made it fail: the id of the job at the bottom of the chain, the one that failed by itself. */
  readonly cause: string | null;
  /** When someone asked for it to be cancelled while it ran. */
  readonly cancelAt: number | null;
  readonly cancelReason: string | null;
  /** Encoded `[fraction, note]` as last reported. */
  readonly progress: string | null;
  /** In state `waiting`: what it waits for, as its worker said. */
  readonly waits: string | null;
  /** The gate it stands before; then its state is `blocked`, with nothing pending. */
  readonly gate: string | null;
}

/** A job as stored, with what else it takes to store it again elsewhere. */
export interface StoredJob extends Job {
  /** Ids of its dependencies, in the order of their holes; null where that job is no longer stored. */
  readonly dependsOn: readonly (string | null)[];
  /** Those of `dependsOn` that need not end as done. */
  readonly tolerates: readonly string[];
  readonly uniqueUntil: "started" | "ended" | null;
  /** In the order of their names. */
  readonly records: readonly StoredRecord[];
}

/** What a worker gets with a job. */
export type ClaimedJob = Pick<
  Job,
  | "id"
  | "task"
  | "queue"
  | "args"
  | "policy"
  | "attempt"
  | "crashes"
  | "fence"
  | "root"
  | "parent"
  | "trace"
  | "dependencies"
  | "submittedAt"
> & {
  /** What it gets of its dependencies, where the store had that at hand; else `inputs` of the store says it. */
  readonly inputs?: readonly Input[];
};

/** One claim of a job. */
export type Claim = Pick<ClaimedJob, "id" | "fence">;

/** How an attempt ended. `fence` is that of the claim. */
export type Outcome =
  | { readonly id: string; readonly fence: number; readonly kind: "done"; readonly result: string }
  | { readonly id: string; readonly fence: number; readonly kind: "failed"; readonly error: string }
  | { readonly id: string; readonly fence: number; readonly kind: "retry"; readonly error: string; readonly dueAt: number }
  /** The thread or process that ran it died: counts against `crashLimit`. */
  | { readonly id: string; readonly fence: number; readonly kind: "crashed"; readonly error: string }
  /**
   * The attempt goes on later, as another that counts as the same one: at `dueAt`, or once the job has more than `seen` signals, or
   * at once where it has. The job is `waiting`, and what its expiry asked for is met.
   */
  | {
      readonly id: string;
      readonly fence: number;
      readonly kind: "waiting";
      readonly dueAt: number | null;
      readonly seen: number;
      readonly waits: string;
    }
  /** Given back untouched at a shutdown: the attempt is not counted. */
  | { readonly id: string; readonly fence: number; readonly kind: "released" }
  | { readonly id: string; readonly fence: number; readonly kind: "cancelled" };

/** What a job gets of one of its dependencies: the encoded result, or how a tolerated one ended otherwise. */
export type Input = string | Ended;

/** A job that has ended, as those who wait for it need it. */
export type Ended = Pick<Job, "id" | "task" | "result" | "error" | "cause" | "cancelReason" | "crashes" | "worker"> & {
  readonly state: FinalState;
};
