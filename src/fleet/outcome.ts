// What becomes of a job when an attempt has ended: the retry policy, as one pure function.
import { SnoozeError, TimeoutError, UndoError } from "../core/errors.ts";
import type { ClaimedJob, Outcome } from "../store/job.ts";
import { encode } from "../task/codec.ts";
import type { Suspension } from "../task/durable/host.ts";
import { unheard } from "../task/job-records.ts";
import { backoffMs } from "../task/options.ts";
import { wantsRetry } from "../task/retry.ts";
import { encodeThrown } from "../task/thrown.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { Deadline } from "./deadline.ts";
import { overdue } from "./deadline.ts";
import type { AttemptPolicy } from "./policy.ts";

/** What the decision depends on besides the end of the attempt. */
export interface OutcomeFacts {
  readonly policy: AttemptPolicy;
  readonly retryIf: ((error: unknown) => boolean) | undefined;
  /** Someone asked for the job to be cancelled. */
  readonly isCancelled: boolean;
  readonly deadline: Deadline | undefined;
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

/** True when a further attempt could begin too late, or this one ended too late. */
export function isOverdue(
  job: Pick<ClaimedJob, "attempt" | "crashes">,
  { policy, deadline, now }: Pick<OutcomeFacts, "policy" | "deadline" | "now">,
): boolean {
  return deadline !== undefined && now + backoffMs(policy.backoff, job.attempt - job.crashes, 0) >= deadline.at;
}

/** True of a time-out that is not the task's own: that of the attempt is cut to the deadline, which says all there is to say. */
function isCut({ id }: ClaimedJob, error: unknown, { policy }: OutcomeFacts): boolean {
  return error instanceof TimeoutError && error.afterMs !== policy.timeoutMs && error.message.includes(id);
}

/** The outcome to record. */
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
  if (end.kind === "suspended") return suspended(job, end.suspension, facts);
  // That a cancelled job could not be undone must be seen.
  if (facts.isCancelled && !(end.error instanceof UndoError)) return { id, fence, kind: "cancelled" };
  const failed = (error: unknown): Outcome => ({ id, fence, kind: "failed", error: encodeThrown(error) });
  if (facts.deadline && facts.now >= facts.deadline.at)
    return failed(overdue(job, facts.deadline, isCut(job, end.error, facts) ? undefined : end.error));
  if (end.kind === "crashed") return { id, fence, kind: "crashed", error: encodeThrown(end.error) };
  if (end.error instanceof SnoozeError && end.isLast !== true) {
    return suspended(job, { dueAt: facts.now + end.error.afterMs, seen: unheard, waits: "[]" }, facts);
  }
  if (isLastAttempt(job, end.error, facts)) return failed(end.error);
  if (facts.deadline && isOverdue(job, facts)) return failed(overdue(job, facts.deadline, end.error));
  if (end.isLast) return failed(end.error);
  const dueAt = facts.now + backoffMs(facts.policy.backoff, job.attempt - job.crashes, facts.random);
  return { id, fence, kind: "retry", error: encodeThrown(end.error), dueAt };
}

/** What sleeps or waits for a signal is woken by its deadline, to fail. */
function suspended(job: ClaimedJob, { dueAt, ...others }: Suspension, { deadline, now }: OutcomeFacts): Outcome {
  const { id, fence } = job;
  if (deadline && now >= deadline.at) return { id, fence, kind: "failed", error: encodeThrown(overdue(job, deadline)) };
  const at = deadline ? Math.min(deadline.at, dueAt ?? Infinity) : dueAt;
  return { id, fence, kind: "waiting", ...others, dueAt: at };
}
