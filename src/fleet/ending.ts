// From the facts a store keeps about an ended job to the value or the error its caller gets.
import { CancelledError, ExpiredError, WorkerDiedError } from "../core/errors.ts";
import type { Ended } from "../store/job.ts";
import { dependencyFailed } from "../task/dependency.ts";
import { nameOf } from "../task/requires.ts";
import { decodeThrown } from "../task/thrown.ts";

/** Why a job failed that another one made fail. */
export interface Why {
  /** The names of the tasks from the job down to the other one. */
  readonly path: readonly string[];
  /** The other one's error. */
  readonly error: unknown;
}

/** The error of a job that did not end as `done`; `why` where another one made it fail. */
export function errorOf(ended: Ended, why: Why = { path: [ended.task, "unknown"], error: undefined }): unknown {
  const name = `Job ${ended.id} of task "${nameOf(ended.task)}"`;
  if (ended.state === "cancelled") {
    const reason = ended.cancelReason ?? undefined;
    return new CancelledError(`${name} was cancelled${reason ? `: ${reason}` : "."}`, reason);
  }
  if (ended.state === "expired") {
    return new ExpiredError(
      `${name} expired: it was not started in time. Add workers, or give it a longer "expires" or "deadline".`,
    );
  }
  if (ended.cause !== null) return dependencyFailed(name, { ...why, path: why.path.map(nameOf), jobId: ended.cause });
  if (ended.error !== null) return decodeThrown(ended.error);
  return new WorkerDiedError(
    `${name} was set aside: its worker was lost ${ended.crashes} times while running it, more often than the task's "crashes" allows.`,
    "lease-lost",
  );
}
