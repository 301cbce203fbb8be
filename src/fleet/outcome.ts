// What becomes of a job when an attempt has ended: the retry policy, as one pure function.
import { SnoozeError, UndoError } from "../core/errors.ts";
import type { ClaimedJob, Outcome } from "../store/job.ts";
import { encode } from "../task/codec.ts";
import { backoffMs } from "../task/options.ts";
import { wantsRetry } from "../task/retry.ts";
import { encodeThrown } from "../task/thrown.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { AttemptPolicy } from "./policy.ts";

/** More signals than any job has: none wakes a job that snoozes. */
const unheard = 2 ** 31 - 1;

/** What the decision depends on besides the end of the attempt. */
export interface OutcomeFacts {
  readonly policy: AttemptPolicy;
  readonly retryIf: ((error: unknown) => boolean) | undefined;
  /** Someone asked for the job to be cancelled. */
  readonly isCancelled: boolean;
  readonly now: number;
  readonly random: number;
}

/** True when no attempt follows one that fails so. */
export function isLastAttempt(
  job: Pick<ClaimedJob, "attempt" | "crashes">,
  error: unknown,
  { policy, retryIf, isCancelled }: Pick<OutcomeFacts, "policy" | "retryIf" | "isCancelled">,
): boolean {
  // One that snoozes has not failed.
  if (error instanceof SnoozeError && !isCancelled) return false;
  return isCancelled || job.attempt - job.crashes > policy.retries || !wantsRetry(retryIf, error);
}

/** The outcome to record. A job that was cancelled but finished all the same is done. */
export function outcomeOf(job: ClaimedJob, end: AttemptEnd, facts: OutcomeFacts): Outcome {
  const { id, fence } = job;
  if (end.kind === "encoded") return { id, fence, kind: "done", result: end.result };
  if (end.kind === "done") {
    try {
      return { id, fence, kind: "done", result: encode(end.value, "result") };
    } catch (error) {
      // A result that cannot be stored will not be storable next time either.
      return { id, fence, kind: "failed", error: encodeThrown(error) };
    }
  }
  if (end.kind === "retracted") return { id, fence, kind: "released" };
  if (end.kind === "suspended") return { id, fence, kind: "waiting", ...end.suspension };
  // That a cancelled job could not be undone must be seen.
  if (facts.isCancelled && !(end.error instanceof UndoError)) return { id, fence, kind: "cancelled" };
  if (end.kind === "crashed") return { id, fence, kind: "crashed", error: encodeThrown(end.error) };
  if (end.error instanceof SnoozeError && end.isLast !== true) {
    return { id, fence, kind: "waiting", dueAt: facts.now + end.error.afterMs, seen: unheard, waits: "snooze" };
  }
  if (end.isLast !== true && !isLastAttempt(job, end.error, facts)) {
    const failed = job.attempt - job.crashes;
    const dueAt = facts.now + backoffMs(facts.policy.backoff, failed, facts.random);
    return { id, fence, kind: "retry", error: encodeThrown(end.error), dueAt };
  }
  return { id, fence, kind: "failed", error: encodeThrown(end.error) };
}
