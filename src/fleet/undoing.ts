// What can be undone is undone before a job ends as failed or cancelled. Only its program knows how, when it has come to a step again; so a
// job whose last attempt has not come to all of them (it was cancelled, killed or failed on the way) is run once more, to undo. It is
// told so by a record: the store's `signal/cancel` where the wish to cancel is the store's, else the error under `step/!undoing`. Such an
// attempt begins no step any more; it is stopped, and undoes, when it has come to all. What it has not come to is told in an UndoError.
import { TimeoutError, UndoError } from "../core/errors.ts";
import type { Outcome } from "../store/job.ts";
import type { JournalRecord } from "../task/durable/host.ts";
import { cancelSignal, stepOf, stepPrefix, undoingRecord, undoPrefix, unheard } from "../task/job-records.ts";
import { encodeThrown } from "../task/thrown.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { Journal } from "./journal.ts";
import type { Running } from "./running.ts";

/** The records of a job as its attempt is to see them: one that runs because its deadline has passed is there to undo. */
export async function stepsOf(journal: Journal, { job, deadline }: Running, prefix: string): Promise<readonly JournalRecord[]> {
  // Nobody ran the job before its first claim: no step can be recorded.
  if (job.fence === 1 && prefix === stepPrefix) return [];
  const records = await journal.read(job, prefix);
  if (prefix !== stepPrefix || !deadline?.undoes || records.some(({ name }) => name === undoingRecord)) return records;
  return [...records, { name: undoingRecord, text: encodeThrown(new TimeoutError("Its deadline has passed.", deadline.ms)) }];
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
    if (!running.isWished && (await isToldToUndo(journal, running))) {
      await journal.write(running.job, [[undoingRecord, null]]);
      return { id, fence, kind: "failed", error: encodeThrown(notMet(left, why)) };
    }
    if (!running.isWished) {
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

async function isToldToUndo(journal: Journal, { job, deadline }: Running): Promise<boolean> {
  if (deadline?.undoes) return true;
  const found = await Promise.all([journal.read(job, undoingRecord), journal.read(job, cancelSignal)]);
  return found.flat().some(({ name }) => name === undoingRecord || name === cancelSignal);
}

function notMet(left: readonly JournalRecord[], why: unknown): UndoError {
  const error = new Error("the task ended before it came to this step again");
  return new UndoError(
    left.map(({ name }) => ({ step: stepOf(name, undoPrefix), error })),
    why,
  );
}
