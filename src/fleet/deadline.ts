// When a job must have ended, where its task says so. It counts from the submit; after a retry by hand, of which the store keeps a
// record, it counts anew.
import { TimeoutError } from "../core/errors.ts";
import type { ClaimedJob } from "../store/job.ts";
import { retriedRecord, undoPrefix } from "../store/machine.ts";
import type { Store } from "../store/store.ts";
import { decodePolicy } from "./policy.ts";

/** When a job must have ended, by the store's clock, and how long it had for it. */
export interface Deadline {
  readonly at: number;
  readonly ms: number;
  /** It has passed, and the job has steps to undo: it is run once more, and stopped at once. */
  readonly undoes?: boolean;
}

type Looks = Pick<Store, "now" | "records">;

/** The deadlines of claimed jobs that have one. */
export async function deadlinesOf(store: Looks, claimed: readonly ClaimedJob[]): Promise<ReadonlyMap<string, Deadline>> {
  const deadlines = new Map<string, Deadline>();
  for (const { id, policy, submittedAt } of claimed) {
    if (policy === null) continue;
    const { deadlineMs } = decodePolicy(policy);
    if (deadlineMs !== undefined) deadlines.set(id, { at: submittedAt + deadlineMs, ms: deadlineMs });
  }
  const now = store.now();
  const passed = [...deadlines].filter(([, { at }]) => at <= now);
  const looked = await Promise.all(
    passed.map(async ([id, deadline]) => [id, await lookAgain(store, id, deadline, now)] as const),
  );
  for (const [id, deadline] of looked) deadlines.set(id, deadline);
  return deadlines;
}

async function lookAgain(store: Looks, id: string, { at, ms }: Deadline, now: number): Promise<Deadline> {
  const [retried] = await store.records(id, retriedRecord, 1);
  const moved = retried ? Number(retried.text) + ms : at;
  if (moved > now) return { at: moved, ms };
  return { at, ms, undoes: (await store.records(id, undoPrefix, 1)).length > 0 };
}

/** The error of a job that was not done in time; `cause` is that of its last attempt, if there was one. */
export function overdue(job: ClaimedJob, { ms }: Deadline, cause?: unknown): TimeoutError {
  const last = cause instanceof Error ? ` Attempt ${job.attempt} failed: ${cause.message}` : "";
  return new TimeoutError(
    `Job ${job.id} of task "${job.task}" was not done within its deadline of ${ms} ms.${last}`,
    ms,
    cause === undefined ? undefined : { cause },
  );
}
