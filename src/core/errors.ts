// Every error manyhands makes. A message says what failed, what was found, and what to do. `code` is
// stable and survives every executor and store; a subclass exists only where a caller would branch on it.

/** The base of all errors made by manyhands. `code` is stable across versions. */
export class ManyhandsError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** The program asked for something that cannot be: a wrong option, a task no worker can import, a bad name. */
export class UsageError extends ManyhandsError {
  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
  }
}

/** A value cannot be sent or read. `path` says where in it, such as `args[0].onDone`. */
export class CodecError extends ManyhandsError {
  readonly path: string;

  constructor(message: string, path: string, options?: ErrorOptions) {
    super("CODEC", message, options);
    this.path = path;
  }
}

/** The work was cancelled before it could finish. `reason` is what the canceller gave. */
export class CancelledError extends ManyhandsError {
  readonly reason: string | undefined;

  constructor(message: string, reason?: string) {
    super("CANCELLED", message);
    this.reason = reason;
  }
}

/** An attempt ran longer than its `timeout`, or a job than its `deadline`. `afterMs` is that limit. */
export class TimeoutError extends ManyhandsError {
  readonly afterMs: number;

  constructor(message: string, afterMs: number, options?: ErrorOptions) {
    super("TIMEOUT", message, options);
    this.afterMs = afterMs;
  }
}

/** A job failed or was cancelled (`cause`), and steps it had done could not be undone: they are still done, and recorded as such. */
export class UndoError extends ManyhandsError {
  readonly steps: readonly string[];

  constructor(failed: readonly { readonly step: string; readonly error: unknown }[], cause: unknown) {
    const each = failed.map(({ step, error }) => `"${step}": ${error instanceof Error ? error.message : String(error)}`);
    const why = cause instanceof Error ? cause.message : String(cause);
    super("UNDO", `Undoing failed for ${each.join("; ")}. Undo these by hand. Why they were to be undone: ${why}`, { cause });
    this.steps = failed.map(({ step }) => step);
  }
}

/** How an attempt that is suspended comes out of a thread or process. Internal: nobody gets to see it. */
export class SuspendedError extends ManyhandsError {
  readonly suspension: { readonly dueAt: number | null; readonly seen: number; readonly waits: string };

  constructor(suspension: SuspendedError["suspension"]) {
    super("SUSPENDED", "The attempt is suspended and goes on later.");
    this.suspension = suspension;
  }
}

/** The job was not started within its `expires`. */
export class ExpiredError extends ManyhandsError {
  constructor(message: string) {
    super("EXPIRED", message);
  }
}

/** Why a worker, thread or process ended: its heap was full, a signal, an exit call, an uncaught error, or its lease ran out. */
export type DeathReason = "out-of-memory" | "signal" | "exit" | "uncaught" | "lease-lost";

/** The thread, process or worker that ran the task died, more often than the task's `crashes` allows. */
export class WorkerDiedError extends ManyhandsError {
  readonly reason: DeathReason;
  /** The exit code or the signal's name, where there was one. */
  readonly detail: string | number | undefined;

  constructor(message: string, reason: DeathReason, detail?: string | number, options?: ErrorOptions) {
    super("WORKER_DIED", message, options);
    this.reason = reason;
    this.detail = detail;
  }
}

/** A call could not run because one it depends on, directly or not, did not succeed; `cause` is that one's error. */
export class DependencyFailedError extends ManyhandsError {
  /** The names of the tasks from this call down to the one that did not succeed: `["report", "total", "countWords"]`. */
  readonly path: readonly string[];
  /** The id of the one that did not succeed. */
  readonly jobId: string;

  constructor(message: string, path: readonly string[], jobId: string, options?: ErrorOptions) {
    super("DEPENDENCY_FAILED", message, options);
    this.path = path;
    this.jobId = jobId;
  }
}

/**
 * Parts of a call's output were read from an attempt that failed or was given back, and another has begun: what was read is void. Give
 * `stream({ restarted })` to be told of it and to read on, from the first part.
 */
export class RestartedError extends ManyhandsError {
  readonly id: string;

  constructor(id: string) {
    super(
      "RESTARTED",
      `The attempt of ${id} whose parts were being read is void, and another has begun. Read again, or pass { restarted } to stream().`,
    );
    this.id = id;
  }
}

/** A job with the same `unique` key exists, and the task says `onConflict: "reject"`, or `"replace"` and the job has started. */
export class DuplicateJobError extends ManyhandsError {
  readonly existingId: string;

  constructor(message: string, existingId: string) {
    super("DUPLICATE_JOB", message);
    this.existingId = existingId;
  }
}

/** Not a failure: thrown by a task to be run again later, as the same attempt. Made by `snooze()`. */
export class SnoozeError extends ManyhandsError {
  /** How long from now. */
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super("SNOOZE", message);
    this.afterMs = afterMs;
  }
}

/** The executor or store was closed; nothing was begun. */
export class ClosedError extends ManyhandsError {
  constructor(message: string) {
    super("CLOSED", message);
  }
}

/** The store refused or could not do what was asked (a full disk, a foreign or newer file, no permission). */
export class StoreError extends ManyhandsError {
  constructor(message: string, options?: ErrorOptions, code: string = "STORE") {
    super(code, message, options);
  }
}

/** The code of a {@link StoreError} for what the store will never take, as it is too large. */
export const tooLargeCode = "STORE_TOO_LARGE";

/** A store's server could not be reached, or did not answer, for as long as was to be waited for it. What was asked may have been done. */
export class StoreUnavailable extends StoreError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options, "STORE_UNAVAILABLE");
  }
}

/** Events that were to be read are not kept any more, or none are. */
export class EventsLostError extends StoreError {
  /** From where events can be read on; null when none are kept. */
  readonly from: string | null;

  constructor(message: string, from: string | null) {
    super(message, undefined, "EVENTS_LOST");
    this.from = from;
  }
}

/** The store that was opened cannot be used any more, and trying again is of no use: deleted, replaced, damaged, or of a newer layout. */
export class StoreLostError extends StoreError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options, "STORE_LOST");
  }
}

/**
 * A stored text could not be opened: it is sealed by middleware or with a key that this program was not given, it was changed, or what
 * it refers to is gone.
 */
export class SealError extends ManyhandsError {
  constructor(message: string, options?: ErrorOptions) {
    super("SEALED", message, options);
  }
}
