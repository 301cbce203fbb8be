// What the end of jobs means for those that need them, in the transaction that records it: a join can neither be missed nor
// counted twice. Done jobs are taken off what their dependants wait for by one count for each dependant, so a fan-in of 100,000
// costs one update for each batch of outcomes; the others make their dependants fail, upwards with a list of its own, or are
// taken off like done ones by those that tolerate it.
import type { FinalState } from "../../task/state.ts";
import type { Ended } from "../job.ts";
import { endedWaiting } from "./columns.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { giveBackAll } from "./places.ts";
import type { RestingState } from "./rest.ts";
import { gatesIn, rest, walkUp } from "./rest.ts";

const endWaiting = `
  UPDATE job SET state = ?, cause = ?, cancel_reason = ?, ended_at = ?, prune_at = ? + keep_ms, unique_held = 0, waits = NULL,
    gate = NULL WHERE seq = ? RETURNING gates, ahead`;

/** Why a job that nobody holds ends. */
export interface WaitingEnd {
  readonly state: FinalState;
  readonly cause?: string | null;
  readonly reason?: string | null;
}

/** Ends a live job that nobody holds. */
export function end(db: Connection, effects: Effects, seq: number, { state, cause, reason }: WaitingEnd, now: number): void {
  const row = db.get<{ gates: string | null; ahead: number | null }>(
    endWaiting,
    state,
    cause ?? null,
    reason ?? null,
    now,
    now,
    seq,
  );
  effects.ended.push(seq);
  if (!row || row.gates === null) return;
  giveBackAll(effects, gatesIn(row.gates), row.ahead);
  const walks = effects.walkers.findIndex((walker) => walker.seq === seq);
  if (walks >= 0) effects.walkers.splice(walks, 1);
}

const dependantsOfAll = `
  SELECT edge.job AS seq, count(*) AS count FROM json_each(?) AS done CROSS JOIN edge ON edge.dep = done.value GROUP BY edge.job`;
const unblock = `
  UPDATE job SET pending = pending - ?1,
    state = CASE WHEN pending > ?1 THEN 'blocked' WHEN due_at > ?2 THEN 'scheduled' WHEN gates IS NOT NULL THEN 'blocked' ELSE 'ready' END,
    ready_at = CASE WHEN pending > ?1 OR due_at > ?2 OR gates IS NOT NULL THEN ready_at ELSE ?2 END
  WHERE seq = ?3 AND state = 'blocked' AND pending > 0 RETURNING state, pending, due_at AS dueAt, gates`;

interface Released {
  readonly state: RestingState;
  readonly pending: number;
  readonly dueAt: number | null;
  readonly gates: string | null;
}

function takeOff(db: Connection, effects: Effects, seq: number, count: number, now: number): void {
  const row = db.get<Released>(unblock, count, now, seq);
  if (!row) return;
  if (row.state === "blocked" && row.pending === 0) walkUp(db, effects, seq, gatesIn(row.gates), now);
  else rest(effects, { seq, gates: [], dueAt: row.dueAt }, row.state, now);
}

/** Takes done jobs off what their dependants wait for. */
export function releaseAbove(db: Connection, effects: Effects, done: readonly number[], now: number): void {
  if (done.length === 0) return;
  for (const { seq, count } of db.all<{ seq: number; count: number }>(dependantsOfAll, JSON.stringify(done))) {
    takeOff(db, effects, seq, count, now);
  }
}

/** An ended job, as what it makes fail names it. */
export interface Fallen {
  readonly seq: number;
  readonly id: string;
  readonly cause: string | null;
}

const blockedAbove = `
  SELECT job.seq, job.id, job.task, count(*) AS count, min(edge.tolerated) AS isTolerated FROM edge CROSS JOIN job ON job.seq = edge.job
  WHERE edge.dep = ? AND job.state = 'blocked' AND job.pending > 0 GROUP BY job.seq ORDER BY job.seq`;

interface Above {
  readonly seq: number;
  readonly id: string;
  readonly task: string;
  readonly count: number;
  readonly isTolerated: number;
}

/**
 * Fails what waits for these jobs, which ended otherwise than done, and so on up, and releases what tolerates it; returns those
 * failed, nearest first.
 */
export function failAbove(db: Connection, effects: Effects, fallen: readonly Fallen[], now: number): Ended[] {
  const failed: Ended[] = [];
  const queue = [...fallen];
  // The list grows while it is walked.
  for (const { seq, id, cause } of queue) {
    const bottom = cause ?? id;
    for (const above of db.all<Above>(blockedAbove, seq)) {
      if (above.isTolerated === 1) {
        takeOff(db, effects, above.seq, above.count, now);
        continue;
      }
      end(db, effects, above.seq, { state: "failed", cause: bottom }, now);
      failed.push({ ...endedWaiting(above.id, above.task, "failed", bottom), error: null, crashes: 0 });
      queue.push({ seq: above.seq, id: above.id, cause: bottom });
    }
  }
  return failed;
}
