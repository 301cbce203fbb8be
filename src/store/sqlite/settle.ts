// Recording how attempts ended. A `done` outcome is one update, guarded by worker and fence: nothing is read first. The others
// are rare; they are read, put through the state machine and written back.
import type { FinalState } from "../../task/state.ts";
import { isFinal } from "../../task/state.ts";
import type { Claim, ClaimedJob, Ended, Outcome } from "../job.ts";
import type { AfterAttempt, AttemptEnd, RunningJob } from "../machine.ts";
import { afterAttempt, asReported } from "../machine.ts";
import type { Settled, Want } from "../store.ts";
import type { GivenOut } from "./claim.ts";
import { claim } from "./claim.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import type { Fallen } from "./ends.ts";
import { failAbove, releaseAbove } from "./ends.ts";

// The seq may be that of another job by now, hence the id as well.
const guard = "seq = ? AND id = ? AND state = 'running' AND worker = ? AND fence = ?";
const finish = `UPDATE job SET state = 'done', result = ?, ended_at = ?, prune_at = ? + keep_ms, unique_held = 0 WHERE ${guard}`;

interface Running extends RunningJob {
  readonly seq: number;
  readonly id: string;
  readonly task: string;
  readonly worker: string;
  readonly fence: number;
  readonly readyAt: number | null;
  readonly cancelReason: string | null;
  readonly keepMs: number;
  readonly held: number;
}

const runningColumns = `seq, id, task, worker, fence, attempt, crashes, crash_limit AS crashLimit, cancel_at AS cancelAt, error, due_at AS dueAt,
  ready_at AS readyAt, cancel_reason AS cancelReason, keep_ms AS keepMs, unique_held AS held`;
const findRunning = `SELECT ${runningColumns} FROM job WHERE ${guard}`;
const findAllRunning = `SELECT ${runningColumns} FROM job WHERE state = 'running' AND worker = ? ORDER BY seq`;

const writeBack = `
  UPDATE job SET state = ?, attempt = ?, crashes = ?, due_at = ?, result = ?, error = ?, worker = ?, ready_at = ?, ended_at = ?,
    prune_at = ?, unique_held = ? WHERE seq = ?`;

/** Ends the attempt of a job that has been read; returns the state it is now in. */
function stop(db: Connection, effects: Effects, job: Running, end: AttemptEnd, now: number): AfterAttempt {
  const after = afterAttempt(job, end, now);
  const { state, attempt, crashes, dueAt, result, error } = after;
  const ended = isFinal(state);
  const readyAt = state === "ready" ? now : job.readyAt;
  const endedAt = ended ? now : null;
  const pruneAt = ended ? now + job.keepMs : null;
  const held = ended ? 0 : job.held;
  const worker = ended ? job.worker : null;
  db.run(writeBack, state, attempt, crashes, dueAt, result, error, worker, readyAt, endedAt, pruneAt, held, job.seq);
  if (ended) effects.ended.push(job.seq);
  else if (state === "ready") effects.ready = true;
  return after;
}

function toEnded({ id, task, cancelReason, worker }: Running, after: AfterAttempt, state: FinalState): Ended {
  const { result, error, crashes } = after;
  return { id, task, state, result, error, cause: null, cancelReason, crashes, worker };
}

interface Batch {
  readonly refused: number[];
  readonly ended: Ended[];
  readonly done: number[];
  readonly fallen: Fallen[];
}

/** Records one outcome; false when it does not count. */
function record(
  db: Connection,
  effects: Effects,
  batch: Batch,
  worker: string,
  outcome: Outcome,
  seq: number,
  now: number,
): boolean {
  const { id, fence } = outcome;
  if (outcome.kind === "done") {
    if (db.run(finish, outcome.result, now, now, seq, id, worker, fence) === 0) return false;
    effects.ended.push(seq);
    batch.done.push(seq);
    return true;
  }
  const job = db.get<Running>(findRunning, seq, id, worker, fence);
  if (!job) return false;
  const after = stop(db, effects, job, outcome, now);
  if (!isFinal(after.state)) return true;
  batch.fallen.push({ seq, id, cause: null });
  if (!asReported(outcome.kind, after.state)) batch.ended.push(toEnded(job, after, after.state));
  return true;
}

/** Records outcomes; see `Store.settle`. */
export function settle(
  { db, effects, given }: { readonly db: Connection; readonly effects: Effects; readonly given: GivenOut },
  worker: string,
  outcomes: readonly Outcome[],
  wants: readonly Want[],
  now: number,
): Settled {
  const batch: Batch = { refused: [], ended: [], done: [], fallen: [] };
  for (const [index, outcome] of outcomes.entries()) {
    if (!record(db, effects, batch, worker, outcome, given.find(outcome.id), now)) batch.refused.push(index);
    given.forget(outcome.id);
  }
  releaseAbove(db, effects, batch.done, now);
  for (const each of failAbove(db, effects, batch.fallen, now)) batch.ended.push(each);
  const claimed: readonly ClaimedJob[] = claim(db, given, worker, wants, now);
  return { refused: batch.refused, ended: batch.ended, claimed };
}

function isNotIn(claims: readonly Claim[]): (claim: Claim) => boolean {
  const known = new Set(claims.map(({ id, fence }) => `${fence} ${id}`));
  return ({ id, fence }) => !known.has(`${fence} ${id}`);
}

/** Gives back what a worker runs, as lost or released, but for the claims in `held`. */
export function takeBack(
  db: Connection,
  effects: Effects,
  worker: string,
  kind: "lost" | "released",
  now: number,
  held: readonly Claim[] = [],
): { readonly count: number; readonly ended: readonly Ended[] } {
  const rows = db.all<Running>(findAllRunning, worker).filter(isNotIn(held));
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
