// The end of an attempt otherwise than done: the job is read, put through the state machine and written back. Here is also what
// is done to all that a worker holds.
import type { FinalState } from "../../task/state.ts";
import { isFinal } from "../../task/state.ts";
import type { Claim, Ended } from "../job.ts";
import type { AfterAttempt, AttemptEnd, RunningJob } from "../machine.ts";
import { afterAttempt, asksForUndo, cancelSignal, isToUndo, keepsPlaces, undoPrefix } from "../machine.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import type { Fallen } from "./ends.ts";
import { failAbove } from "./ends.ts";
import { giveBackAll } from "./places.ts";
import { countRecords, recordAttempt, setRecord } from "./record.ts";
import { gatesIn, rest, standing } from "./rest.ts";

/**
 * True for a job in the hands of this worker by this claim. An ended job has a worker too, hence the last condition. The seq may be that of
 * another job by now, hence the id as well.
 */
export const isHeldBy = "seq = ? AND id = ? AND worker = ? AND fence = ? AND prune_at IS NULL";

/** A job that its worker holds. */
export interface Held extends Omit<RunningJob, "hasUndo"> {
  readonly seq: number;
  readonly id: string;
  readonly task: string;
  readonly worker: string;
  readonly fence: number;
  readonly readyAt: number | null;
  readonly startedAt: number | null;
  readonly cancelReason: string | null;
  readonly keepMs: number;
  readonly uniqueHeld: number;
  readonly gates: string | null;
  readonly ahead: number | null;
}

const heldColumns = `seq, id, task, worker, fence, attempt, crashes, crash_limit AS crashLimit, cancel_at AS cancelAt, error, due_at AS dueAt,
  expires_at AS expiresAt, ready_at AS readyAt, started_at AS startedAt, cancel_reason AS cancelReason, keep_ms AS keepMs,
  unique_held AS uniqueHeld, gates, ahead`;
const findHeld = `SELECT ${heldColumns} FROM job WHERE ${isHeldBy}`;
const findAllHeld = `SELECT ${heldColumns} FROM job WHERE worker = ? AND prune_at IS NULL ORDER BY seq`;

/** The job, if this worker holds it by this claim. */
export function held(db: Connection, seq: number, worker: string, { id, fence }: Claim): Held | undefined {
  return db.get<Held>(findHeld, seq, id, worker, fence);
}

const writeBack = `
  UPDATE job SET state = ?, attempt = ?, crashes = ?, due_at = ?, expires_at = ?, waits = ?, result = ?, error = ?, worker = ?,
    ready_at = ?, ended_at = ?, prune_at = ?, unique_held = ?, gate = ?, ahead = ?, age = iif(?14 IS NULL, age, NULL),
    cancel_at = ?, cancel_reason = ? WHERE seq = ?`;

/** Ends the attempt of a job that has been read; returns what the job is now. */
export function stop(db: Connection, effects: Effects, job: Held, end: AttemptEnd, now: number): AfterAttempt {
  const hasUndo = asksForUndo(job, end) && countRecords(db, job.seq, undoPrefix) > 0;
  const after = afterAttempt({ ...job, hasUndo }, end, now);
  const { state, attempt, crashes, dueAt, expiresAt, waits, result, error } = after;
  const changed = [attempt, crashes, dueAt, expiresAt, waits, result, error] as const;
  const gates = gatesIn(job.gates);
  // Who comes back has passed its gates already.
  const back = !isFinal(state) && keepsPlaces(end.kind);
  if (!back) giveBackAll(effects, gates, job.ahead);
  if (isFinal(state)) {
    const wish = [job.cancelAt, job.cancelReason] as const;
    db.run(writeBack, state, ...changed, job.worker, job.readyAt, now, now + job.keepMs, 0, null, null, ...wish, job.seq);
    effects.ended.push(job.seq);
    return after;
  }
  recordAttempt(db, job, end, now);
  // Else there was no wish.
  if (isToUndo(job, after)) setRecord(db, job.seq, cancelSignal, JSON.stringify(job.cancelReason));
  const { gate, ahead, ...at } = back ? { state, gate: null, ahead: job.ahead } : standing(gates, state);
  const readyAt = at.state === "ready" ? now : job.readyAt;
  db.run(writeBack, at.state, ...changed, null, readyAt, null, null, job.uniqueHeld, gate, ahead, null, null, job.seq);
  rest(effects, { seq: job.seq, gates: back ? [] : gates, dueAt }, state, now);
  return after;
}

/** The job as those who wait for it learn of its end. */
export function toEnded({ id, task, cancelReason, worker }: Held, after: AfterAttempt, state: FinalState): Ended {
  const { result, error, crashes } = after;
  return { id, task, state, result, error, cause: null, cancelReason, crashes, worker };
}

function isNotIn(claims: readonly Claim[]): (claim: Claim) => boolean {
  const known = new Set(claims.map(({ id, fence }) => `${fence} ${id}`));
  return ({ id, fence }) => !known.has(`${fence} ${id}`);
}

/** Gives back what a worker holds, as lost or released, but for these claims. */
export function takeBack(
  db: Connection,
  effects: Effects,
  worker: string,
  kind: "lost" | "released",
  now: number,
  kept: readonly Claim[] = [],
): { readonly count: number; readonly ended: readonly Ended[] } {
  const rows = db.all<Held>(findAllHeld, worker).filter(isNotIn(kept));
  const ended: Ended[] = [];
  const fallen: Fallen[] = [];
  for (const job of rows) {
    const after = stop(db, effects, job, { kind }, now);
    if (!isFinal(after.state)) continue;
    ended.push(toEnded(job, after, after.state));
    fallen.push({ seq: job.seq, id: job.id, cause: null });
  }
  for (const each of failAbove(db, effects, fallen, now)) ended.push(each);
  return { count: rows.length, ended };
}

const suspendOne = "UPDATE job SET state = ?, waits = ? WHERE id = ? AND worker = ? AND fence = ? AND prune_at IS NULL";

/** See `Store.suspend`. */
export function suspend(
  db: Connection,
  worker: string,
  jobs: readonly (readonly [id: string, fence: number, waits: string | null])[],
): void {
  for (const [id, fence, waits] of jobs) db.run(suspendOne, waits === null ? "running" : "waiting", waits, id, worker, fence);
}
