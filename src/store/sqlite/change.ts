// What people do to jobs: cancel, retry, remove. What each reaches is decided in `cancellation.ts` and `revival.ts`.
import type { JobState } from "../../task/state.ts";
import { finalStates, liveStates } from "../../task/state.ts";
import type { LiveJob } from "../cancellation.ts";
import { cancelJobs } from "../cancellation.ts";
import type { Job } from "../job.ts";
import { cancelSignal, isHeld, restingState, retriedRecord, retryableStates, undoPrefix } from "../machine.ts";
import type { Ancestor } from "../revival.ts";
import { revivals } from "../revival.ts";
import type { Cancelled, Changes, JobFilter, OtherCall } from "../store.ts";
import { holderOf, isLong } from "./add.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { end, failAbove } from "./ends.ts";
import { giveBackAll } from "./places.ts";
import { countRecords, forgetRecords, setRecord, textOf, wakeUp } from "./record.ts";
import { gatesIn, gatesText, rest, standing } from "./rest.ts";
import { whereAlso } from "./where.ts";

interface LiveRow extends LiveJob, Pick<Job, "worker" | "fence"> {
  readonly seq: number;
}

const liveColumns = "job.seq, job.id, job.state, job.worker, job.fence";
const request = "UPDATE job SET cancel_at = ?, cancel_reason = ? WHERE seq = ? AND cancel_at IS NULL";
const liveBelow = `
  SELECT DISTINCT job.seq, job.id, job.state, job.worker, job.fence FROM edge CROSS JOIN job ON job.seq = edge.dep
  WHERE edge.job = ? AND job.prune_at IS NULL AND job.root IS NOT NULL ORDER BY edge.position`;
const liveAbove = "SELECT 1 FROM edge CROSS JOIN job ON job.seq = edge.job WHERE edge.dep = ? AND job.prune_at IS NULL LIMIT 1";

/** True when a job that depends on it has not ended. */
export function isNeeded(db: Connection, seq: number): boolean {
  return db.get(liveAbove, seq) !== undefined;
}

function below(db: Connection, rows: readonly LiveRow[]): LiveRow[] {
  const found = new Map<number, LiveRow>();
  for (const { seq } of rows) for (const row of db.all<LiveRow>(liveBelow, seq)) found.set(row.seq, row);
  return [...found.values()];
}

/** Cancels jobs; see `Store.cancel`. */
export function cancel(db: Connection, effects: Effects, filter: JobFilter, reason: string | null, now: number): Cancelled {
  const { from, sql, params } = whereAlso(filter, liveStates);
  const chosen = db.all<LiveRow>(`SELECT ${liveColumns} FROM ${from} WHERE ${sql} ORDER BY job.seq`, ...params);
  return cancelJobs(chosen, {
    end: ({ seq }) => end(db, effects, seq, { state: "cancelled", reason }, now),
    isAsked: (row) => isHeld(row) || (row.fence > 0 && countRecords(db, row.seq, undoPrefix) > 0),
    request: (row) => {
      if (isHeld(row)) return void db.run(request, now, reason, row.seq);
      if (textOf(db, row.seq, cancelSignal) === null) setRecord(db, row.seq, cancelSignal, JSON.stringify(reason));
      if (row.state === "waiting" || row.state === "scheduled") wakeUp(db, effects, row.seq, now);
    },
    failAbove: (ended) => {
      const fallen = ended.map(({ seq, id }) => ({ seq, id, cause: null }));
      return failAbove(db, effects, fallen, now).map(({ id }) => id);
    },
    below: (rows) => below(db, rows),
    isNeeded: ({ seq }) => isNeeded(db, seq),
  });
}

interface EndedRow {
  readonly seq: number;
  readonly id: string;
  readonly state: JobState;
  readonly uniqueKey: string | null;
  readonly dependencies: number;
  readonly attempt: number;
  readonly dueAt: number | null;
  readonly gates: string | null;
}

const findEnded = `
  SELECT seq, id, state, unique_key AS uniqueKey, dependencies, attempt, due_at AS dueAt, gates FROM job WHERE id = ?`;
const namesBelow = "SELECT job.id FROM edge CROSS JOIN job ON job.seq = edge.dep WHERE edge.job = ? ORDER BY edge.position";
const revive = `
  UPDATE job SET state = ?, pending = ?, due_at = ?, expires_at = ? + (expires_at - max(submitted_at, ifnull((
      SELECT CAST(text AS REAL) FROM record WHERE record.job = job.seq AND record.name = '${retriedRecord}'), 0))), attempt = 0, crashes = 0,
    unique_held = unique_key IS NOT NULL, worker = NULL, ready_at = ?, started_at = NULL, ended_at = NULL, prune_at = NULL,
    result = NULL, error = NULL, cause = NULL, cancel_at = NULL, cancel_reason = NULL, progress = NULL,
    gate = ?, ahead = ?, age = NULL WHERE seq = ?`;
// What tolerated its end, and waits for others still, waits for it again.
const waitAgain = `
  UPDATE job SET pending = pending + (SELECT count(*) FROM edge WHERE edge.dep = ?1 AND edge.job = job.seq)
  WHERE seq IN (SELECT edge.job FROM edge WHERE edge.dep = ?1) AND state = 'blocked' AND pending > 0`;

/** Makes ended jobs live again; see `Store.retry`. */
export function retry(db: Connection, effects: Effects, filter: JobFilter, now: number): string[] {
  const { from, sql, params } = whereAlso(filter, retryableStates);
  const chosen = db.all<{ id: string }>(`SELECT job.id FROM ${from} WHERE ${sql} ORDER BY job.seq`, ...params);
  const rows = new Map<string, EndedRow>();
  const find = (id: string): Ancestor | undefined => {
    const row = db.get<EndedRow>(findEnded, id);
    if (!row) return undefined;
    rows.set(id, row);
    const isOver = retryableStates.includes(row.state) && row.dependencies > 0;
    const dependsOn = isOver ? db.all<{ id: string }>(namesBelow, row.seq).map((each) => each.id) : [];
    return { id, state: row.state, uniqueKey: row.uniqueKey, dependencies: row.dependencies, dependsOn };
  };
  const planned = revivals(
    chosen.map(({ id }) => id),
    { find, holder: (key) => holderOf(db, key) },
  );
  for (const { id, pending } of planned) {
    const row = rows.get(id);
    if (!row) continue;
    const dueAt = row.attempt > 0 ? null : row.dueAt;
    const state = restingState(pending, dueAt, now);
    const gates = gatesIn(row.gates);
    const at = standing(gates, state);
    setRecord(db, row.seq, cancelSignal, null);
    db.run(revive, at.state, pending, dueAt, now, at.state === "ready" ? now : null, at.gate, at.ahead, row.seq);
    setRecord(db, row.seq, retriedRecord, String(Math.floor(now)));
    rest(effects, { seq: row.seq, gates, dueAt }, state, now);
    db.run(waitAgain, row.seq);
  }
  return planned.map(({ id }) => id);
}

const changeable: readonly JobState[] = ["blocked", "scheduled", "ready"];
const changeOne =
  "UPDATE job SET state = ?, ready_at = ?, rank = ?, queue = ?, due_at = ?, gate = ?, ahead = ?, age = NULL WHERE seq = ?";

interface ChangeableRow {
  readonly seq: number;
  readonly id: string;
  readonly pending: number;
  readonly rank: number;
  readonly queue: string;
  readonly dueAt: number | null;
  readonly readyAt: number | null;
  readonly gates: string | null;
  readonly ahead: number | null;
}

const changeableColumns = `job.seq, job.id, job.pending, job.rank, job.queue, job.due_at AS dueAt, job.ready_at AS readyAt, job.gates,
  job.ahead`;

const replaceCall = "UPDATE job SET args = ?, policy = ?, gates = ?, expires_at = ?, submitted_at = ? WHERE seq = ?";

function replace(db: Connection, seq: number, call: OtherCall): void {
  const args = isLong(call) ? null : call.args;
  db.run(replaceCall, args, call.policy, gatesText(call), call.expiresAt, call.submittedAt, seq);
  if (args !== null) db.run("DELETE FROM long_args WHERE seq = ?", seq);
  else db.run("INSERT OR REPLACE INTO long_args (seq, text) VALUES (?, ?)", seq, call.args);
}

/** See `Store.change`. */
export function change(db: Connection, effects: Effects, filter: JobFilter, changes: Changes, now: number): string[] {
  const { call } = changes;
  const { from, sql, params } = whereAlso(filter, changeable);
  const isNew = call ? "job.fence = 0 AND job.dependencies = 0" : "true";
  const chosen = db.all<ChangeableRow>(
    `SELECT ${changeableColumns} FROM ${from} WHERE ${sql} AND ${isNew} ORDER BY job.seq`,
    ...params,
  );
  for (const row of chosen) {
    const rank = changes.priority === undefined ? row.rank : -changes.priority;
    const dueAt = changes.dueAt === undefined ? row.dueAt : changes.dueAt;
    const state = restingState(row.pending, dueAt, now);
    giveBackAll(effects, gatesIn(row.gates), row.ahead);
    if (call) replace(db, row.seq, call);
    const gates = call?.gates ?? gatesIn(row.gates);
    const at = standing(gates, state);
    const readyAt = at.state === "ready" ? now : row.readyAt;
    db.run(changeOne, at.state, readyAt, rank, changes.queue ?? row.queue, dueAt, at.gate, at.ahead, row.seq);
    rest(effects, { seq: row.seq, gates, dueAt }, state, now);
  }
  return chosen.map(({ id }) => id);
}

const edgesOf = "DELETE FROM edge WHERE job = ?";
const edgesTo = "DELETE FROM edge WHERE dep = ?";

/** Deletes a row that no live job needs. Its edges go with it, and its records have to, since its seq may be used again. */
export function erase(db: Connection, effects: Effects, seq: number, dependencies: number): void {
  effects.seqsAreLater = false;
  if (dependencies > 0) db.run(edgesOf, seq);
  db.run(edgesTo, seq);
  db.run("DELETE FROM long_args WHERE seq = ?", seq);
  db.run("DELETE FROM job WHERE seq = ?", seq);
}

/** Deletes ended jobs no live one needs; returns how many. */
export function remove(db: Connection, effects: Effects, filter: JobFilter): number {
  const { from, sql, params } = whereAlso(filter, finalStates);
  const chosen = db.all<{ seq: number; dependencies: number }>(
    `SELECT job.seq, job.dependencies FROM ${from} WHERE ${sql}`,
    ...params,
  );
  const free = chosen.filter(({ seq }) => !isNeeded(db, seq));
  for (const { seq, dependencies } of free) erase(db, effects, seq, dependencies);
  forgetRecords(
    db,
    free.map(({ seq }) => seq),
  );
  return free.length;
}
