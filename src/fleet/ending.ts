// From the facts a store keeps about an ended job to the value or the error its caller gets.
import { CancelledError, DependencyFailedError, ExpiredError, WorkerDiedError } from "../core/errors.ts";
import type { Ended } from "../store/job.ts";
import { nameOf } from "../task/requires.ts";
import { decodeThrown } from "../task/thrown.ts";

/** The error of a job that did not end as `done`; `cause` is the error of the job that made it fail, where known. */
export function errorOf(ended: Ended, cause?: unknown): unknown {
  const name = `Job ${ended.id} of task "${nameOf(ended.task)}"`;
  if (ended.state === "cancelled") {
    const reason = ended.cancelReason ?? undefined;
    return new CancelledError(`${name} was cancelled${reason ? `: ${reason}` : "."}`, reason);
  }
  if (ended.state === "expired")
    return new ExpiredError(`${name} expired: it was not started in time. Add workers, or a longer "expires".`);
  if (ended.cause !== null) {
    const why = cause instanceof Error ? `: ${cause.message}` : ".";
    return new DependencyFailedError(
      `${name} could not run because job ${ended.cause}, which it depends on, did not succeed${why}`,
      { cause },
    );
  }
  if (ended.error !== null) return decodeThrown(ended.error);
  return new WorkerDiedError(
    `${name} was set aside: its worker was lost ${ended.crashes} times while running it, more often than the task's "crashes" allows.`,
    "lease-lost",
  );
}
