// What can be undone is undone before a job ends as failed or cancelled. Only its program knows how, when it has come to a step again; so a
// job whose last attempt has not come to all of them (it was cancelled, killed or failed on the way) is run once more, to undo. Such an
// attempt begins no step any more; it is stopped, and undoes, when it has come to all. What it has not come to is told in an UndoError.
//
// The attempt is told so in one way, by the record `step/!undoing` with the error. Where the wish to cancel is the store's, that record is
// made here of `signal/cancel`: stores encode no errors. And of a deadline that has passed nothing need be stored.
import { CancelledError, TimeoutError, UndoError } from "../core/errors.ts";
import type { Outcome } from "../store/job.ts";
import type { JournalRecord } from "../task/durable/host.ts";
import { cancelSignal, stepOf, stepPrefix, undoingRecord, undoPrefix, unheard } from "../task/job-records.ts";
import { encodeThrown } from "../task/thrown.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { Journal } from "./journal.ts";
import type { Running } from "./running.ts";

/** The records of a job as its attempt is to see them. */
export async function recordsFor(running: Running, journal: Journal, prefix: string): Promise<readonly JournalRecord[]> {
  const { job } = running;
  if (prefix !== stepPrefix) return journal.read(job, prefix);
  // Nobody ran the job before its first claim: nothing can be recorded.
  if (job.fence === 1) return [];
  const [steps, cancels] = await Promise.all([journal.read(job, stepPrefix), journal.read(job, cancelSignal)]);
  const why = whyUndone(running, [...steps, ...cancels]);
  return why === undefined ? steps : [...steps, { name: undoingRecord, text: why }];
}

/** The error, encoded, for which a job with these records is to be undone; undefined for one that goes forward. */
function whyUndone({ job, deadline }: Running, records: readonly JournalRecord[]): string | undefined {
  const textOf = (record: string): string | undefined => records.find(({ name }) => name === record)?.text;
  const undoing = textOf(undoingRecord);
  if (undoing !== undefined) return undoing;
  if (deadline?.undoes) return encodeThrown(new TimeoutError("Its deadline has passed.", deadline.ms));
  const cancel = textOf(cancelSignal);
  if (cancel === undefined) return undefined;
  const reason = JSON.parse(cancel) as string | null;
  return encodeThrown(new CancelledError(`Job ${job.id} of task "${job.task}" was cancelled.`, reason ?? undefined));
}

/** True when the outcome would end the job and steps may be recorded that have not been undone. */
export function mayLeaveSteps({ job, hasRecords }: Running, { kind }: Outcome): boolean {
  return (kind === "failed" || kind === "cancelled") && (hasRecords || job.fence > 1);
}

/** The outcome, or another one in its place while there are steps to undo. */
export async function orUndoing(
  journal: Journal,
  running: Running,
  ended: AttemptEnd,
  outcome: Outcome,
  now: number,
): Promise<Outcome> {
  const { id, fence } = running.job;
  try {
    const left = await journal.read(running.job, undoPrefix);
    if (left.length === 0) return outcome;
    const why = "error" in ended ? ended.error : undefined;
    if (!running.isWished || running.hasFailed) {
      const told = await Promise.all([journal.read(running.job, undoingRecord), journal.read(running.job, cancelSignal)]);
      if (whyUndone(running, told.flat()) !== undefined) {
        await journal.write(running.job, [[undoingRecord, null]]);
        return { id, fence, kind: "failed", error: encodeThrown(notMet(left, why)) };
      }
      const text = outcome.kind === "failed" && why === undefined ? outcome.error : encodeThrown(why);
      await journal.write(running.job, [[undoingRecord, text]]);
    }
    // Not as one given back, which might expire.
    return { id, fence, kind: "waiting", dueAt: now, seen: unheard, waits: "[]" };
  } catch {
    // The store could not be asked, and has told its worker so: another attempt will see to it.
    return { id, fence, kind: "released" };
  }
}

function notMet(left: readonly JournalRecord[], why: unknown): UndoError {
  const error = new Error("the task ended before it came to this step again");
  return new UndoError(
    left.map(({ name }) => ({ step: stepOf(name, undoPrefix), error })),
    why,
  );
}
