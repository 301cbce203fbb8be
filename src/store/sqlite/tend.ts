// The upkeep: lost workers, late jobs, due jobs, jobs kept long enough; in this order, see `Store.tend`. Each is one range of a
// partial index, so that with nothing to do a tend costs a few probes and no write lock.
import type { Ended } from "../job.ts";
import { reprieveMs } from "../machine.ts";
import type { Tended } from "../store.ts";
import { erase, isNeeded } from "./change.ts";
import { endedWaiting } from "./columns.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { end, failAbove } from "./ends.ts";
import { hasOldEvents, pruneEvents } from "./events.ts";
import { takeBack } from "./attempt.ts";
import { dueGates, lookAtDue, nextLookAt, oldGates } from "./gate-upkeep.ts";
import { openGates } from "./gates.ts";
import { forgetRecords, wakeUp } from "./record.ts";
import { rowLimit } from "./where.ts";

const lostWorkers = "SELECT id FROM worker WHERE lease_until <= ? ORDER BY lease_until, id LIMIT ?";
const lateJobs = `
  SELECT seq, id, task, crashes, error FROM job
  WHERE expires_at IS NOT NULL AND attempt = 0 AND prune_at IS NULL AND state <> 'running' AND expires_at <= ?
  ORDER BY expires_at, seq LIMIT ?`;
// Those that a worker holds wait in its memory.
const timed = "state IN ('scheduled', 'waiting') AND worker IS NULL";
const dueJobs = `SELECT seq FROM job WHERE ${timed} AND due_at <= ? ORDER BY due_at, seq LIMIT ?`;
const overkept = `
  SELECT seq, dependencies, keep_ms AS keepMs FROM job WHERE prune_at IS NOT NULL AND prune_at <= ? ORDER BY prune_at, seq LIMIT ?`;
const nextDue = `SELECT due_at AS dueAt FROM job WHERE ${timed} AND due_at IS NOT NULL ORDER BY due_at LIMIT 1`;

/** When the next scheduled or suspended job is due, or a gate wants to be looked at. */
export function nextDueAt(db: Connection): number | null {
  const dueAt = db.get<{ dueAt: number }>(nextDue)?.dueAt ?? null;
  const lookAt = nextLookAt(db);
  return dueAt === null || lookAt === null ? (dueAt ?? lookAt) : Math.min(dueAt, lookAt);
}

function recover(db: Connection, effects: Effects, now: number, ended: Ended[]): Pick<Tended, "recovered" | "lost"> {
  // Who kept this tend from the lock kept workers from renewing their leases, too: what ran out since then does not count.
  const lost = db.all<{ id: string }>(lostWorkers, now - effects.waitedMs, -1).map(({ id }) => id);
  let recovered = 0;
  for (const id of lost) {
    const taken = takeBack(db, effects, id, "lost", now);
    recovered += taken.count;
    for (const each of taken.ended) ended.push(each);
    db.run("DELETE FROM worker WHERE id = ?", id);
  }
  return { recovered, lost };
}

interface Late extends Pick<Ended, "id" | "task" | "crashes" | "error"> {
  readonly seq: number;
}

function expire(db: Connection, effects: Effects, now: number, limit: number, ended: Ended[]): void {
  const rows = db.all<Late>(lateJobs, now, limit);
  for (const { seq, id, task, crashes, error } of rows) {
    end(db, effects, seq, { state: "expired" }, now);
    ended.push({ ...endedWaiting(id, task, "expired", null), crashes, error });
  }
  const fallen = rows.map(({ seq, id }) => ({ seq, id, cause: null }));
  for (const each of failAbove(db, effects, fallen, now)) ended.push(each);
}

function promote(db: Connection, effects: Effects, now: number, limit: number): number {
  const rows = db.all<{ seq: number }>(dueJobs, now, limit);
  for (const { seq } of rows) wakeUp(db, effects, seq, now);
  return rows.length;
}

function prune(db: Connection, effects: Effects, now: number, limit: number): number {
  const pruned: number[] = [];
  for (const { seq, dependencies, keepMs } of db.all<{ seq: number; dependencies: number; keepMs: number }>(
    overkept,
    now,
    limit,
  )) {
    if (isNeeded(db, seq)) {
      // Moved back, or rows that live jobs need would be looked at again each time.
      db.run("UPDATE job SET prune_at = ? WHERE seq = ?", now + reprieveMs(keepMs), seq);
      continue;
    }
    erase(db, effects, seq, dependencies);
    pruned.push(seq);
  }
  forgetRecords(db, pruned);
  return pruned.length;
}

/** See `Store.tend`. */
export function tend(db: Connection, effects: Effects, now: number, most: number): Tended {
  const limit = rowLimit(most);
  const ended: Ended[] = [];
  const { recovered, lost } = recover(db, effects, now, ended);
  expire(db, effects, now, limit, ended);
  const promoted = promote(db, effects, now, limit);
  lookAtDue(db, effects, now, limit);
  openGates(db, effects, now);
  const pruned = prune(db, effects, now, limit);
  pruneEvents(db, now, limit * 10);
  return { promoted, recovered, pruned, ended, lost, nextDueAt: nextDueAt(db) };
}

/** The result of a tend with nothing to do; undefined when there is something. */
export function idleTend(db: Connection, now: number): Tended | undefined {
  const isBusy = [lostWorkers, lateJobs, dueJobs, overkept, dueGates, oldGates].some((sql) => db.get(sql, now, 1) !== undefined);
  if (isBusy || hasOldEvents(db, now)) return undefined;
  return { promoted: 0, recovered: 0, pruned: 0, ended: [], lost: [], nextDueAt: nextDueAt(db) };
}
