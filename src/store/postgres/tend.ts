// The upkeep: lost workers, late jobs, due jobs, jobs kept long enough; in this order, see `Store.tend`. It looks first, in one
// statement and without the lock, whether there is anything to do; mostly there is not.
import type { Ended } from "../job.ts";
import { reprieveMs } from "../machine.ts";
import type { Tended } from "../store.ts";
import { erase, isNeededSql } from "./change.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change, endWaiting, failAbove, passGates } from "./effects.ts";
import { walkUp } from "./functions/ends.ts";
import type { Ground } from "./ground.ts";
import { fromStored, fromStoredOrNull, numberArray, sparseStoredArray, textArray } from "./text.ts";
import { rowLimit } from "./where.ts";
import { takeBack } from "./workers.ts";

const isLate = "expires_at IS NOT NULL AND attempt = 0 AND expires_at <= $1";

/** The result of a tend with nothing to do but to delete old events, which needs no lock; undefined when there is something. */
export async function idleTend(
  { schema }: Ground,
  session: Session,
  now: number,
  most: number,
): Promise<{ readonly serverMs: number; readonly idle: Tended | undefined }> {
  const [row] = await session.query(`SELECT clock, next_due, busy, old_events FROM ${schema}.look($1)`, [now]);
  const [serverMs, nextDueAt, isBusy, mayHaveOldEvents] = row as [number, number | null, boolean, boolean | null];
  if (mayHaveOldEvents) await session.query(`SELECT ${schema}.prune_events($1, $2)`, [now, rowLimit(most) * 10]);
  const nothing = { promoted: 0, recovered: 0, pruned: 0, ended: [], lost: [], nextDueAt };
  return { serverMs, idle: isBusy ? undefined : nothing };
}

/** What one tend works with. */
interface Upkeep {
  readonly ground: Ground;
  readonly session: Session;
  readonly effects: Effects;
  readonly now: number;
  readonly limit: number;
  readonly ended: Ended[];
}

async function recover(upkeep: Upkeep): Promise<Pick<Tended, "recovered" | "lost">> {
  const { ground, session, effects, now, ended } = upkeep;
  const table = `${ground.schema}.worker`;
  const rows = await session.query(`DELETE FROM ${table} WHERE lease_until <= $1 RETURNING id, lease_until`, [now]);
  const lost = (rows as [string, number][])
    .map(([id, leaseUntil]) => ({ id: fromStored(id), leaseUntil }))
    .sort((a, b) => a.leaseUntil - b.leaseUntil || (a.id < b.id ? -1 : 1));
  let recovered = 0;
  for (const { id } of lost) {
    const taken = await takeBack(ground, session, effects, id, "lost", now);
    recovered += taken.count;
    for (const each of taken.ended) ended.push(each);
  }
  return { recovered, lost: lost.map(({ id }) => id) };
}

async function expire({ ground, session, effects, now, limit, ended }: Upkeep): Promise<void> {
  const { schema } = ground;
  const late = (table: string): string =>
    `(SELECT ${table === "ready" ? "coalesce(job_seq, seq) AS seq" : "seq"}, expires_at, crashes, error FROM ${schema}.${table} WHERE ${isLate} ORDER BY expires_at, seq LIMIT $2)`;
  const rows = await session.query(
    `SELECT late.seq, job.id, job.task, late.crashes, late.error FROM (${["ready", "parked", "standing"].map(late).join(" UNION ALL ")}) AS late
     JOIN ${schema}.job ON job.seq = late.seq ORDER BY late.expires_at, late.seq LIMIT $2`,
    [now, limit],
  );
  if (rows.length === 0) return;
  effects.ended();
  const seqs = numberArray(rows.map(([seq]) => seq as string));
  const ids: string[] = [];
  for (const [, stored, task, crashes, error] of rows as [string, string, string, number, string | null][]) {
    const id = fromStored(stored);
    ids.push(id);
    const nothing = { result: null, cause: null, cancelReason: null, worker: null };
    ended.push({ ...nothing, id, task: fromStored(task), state: "expired", crashes, error: fromStoredOrNull(error) });
  }
  await endWaiting(ground, session, effects, seqs, "expired", null, null, now);
  for (const each of await failAbove(ground, session, effects, seqs, textArray(ids), now)) ended.push(each);
}

async function promote({ ground: { schema }, session, effects, now, limit }: Upkeep): Promise<number> {
  const [row] = await session.query(
    `WITH due AS MATERIALIZED (
       SELECT seq FROM ${schema}.parked WHERE scheduled AND due_at <= $1 ORDER BY due_at, seq LIMIT $2
     ), gone AS (
       DELETE FROM ${schema}.parked USING due WHERE parked.seq = due.seq RETURNING parked.*
     ),
     facts AS MATERIALIZED (
       SELECT job.queue, job.task, job.rank, job.crash_limit, job.gate_names, gone.* FROM gone JOIN ${schema}.job ON job.seq = gone.seq
     ), to_ready AS (
       INSERT INTO ${schema}.ready (queue, task, rank, seq, suspect, attempt, crashes, fence, due_at, expires_at, ready_at, started_at,
         error, progress)
       SELECT queue, task, rank, seq, crashes > 0 AND crashes >= crash_limit, attempt, crashes, fence, due_at, expires_at, $1, started_at,
         error, progress
       FROM facts WHERE gate_names IS NULL
     ), to_gates AS (
       ${walkUp(schema, "facts")}
     )
     SELECT count(*)::integer, count(*) > count(gate_names), array_agg(seq) FILTER (WHERE gate_names IS NOT NULL) FROM facts`,
    [now, limit],
  );
  const [promoted, readied, walked] = row as [number, boolean, string[] | null];
  if (readied) effects.ready();
  effects.atGates(walked);
  return promoted;
}

/** Takes up what was noted of gates, forgets those nobody needs, and lets those pass that can. */
async function lookAtGates({ ground, session, effects, now, limit }: Upkeep): Promise<void> {
  const { schema } = ground;
  const [noted] = await session.query(
    `WITH noted AS (DELETE FROM ${schema}.gate_note RETURNING seq, gate)
     SELECT array_agg(seq) FILTER (WHERE seq IS NOT NULL), array_agg(gate) FILTER (WHERE gate IS NOT NULL) FROM noted`,
  );
  effects.atGates(noted?.[0], noted?.[1]);
  const due = await session.query(`SELECT name FROM ${schema}.gate WHERE next_at <= $1 ORDER BY next_at, name LIMIT $2`, [
    now,
    limit,
  ]);
  const values = [numberArray(effects.walked), sparseStoredArray(effects.freed.splice(0)), now];
  const [left] = await session.query(`SELECT ${schema}.forget_gates($1, $2, $3)`, values);
  effects.atGates(null, left?.[0]);
  await passGates(
    ground,
    session,
    effects,
    now,
    due.map(([name]) => name as string),
  );
}

async function prune({ ground, session, now, limit }: Upkeep): Promise<number> {
  const { schema } = ground;
  const rows = (await session.query(
    `SELECT over.seq, job.keep_ms, ${isNeededSql(schema, "over.seq")}
     FROM (SELECT seq FROM ${schema}.ended WHERE prune_at <= $1 ORDER BY prune_at, seq LIMIT $2) AS over
     JOIN ${schema}.job ON job.seq = over.seq`,
    [now, limit],
  )) as [string, number, boolean][];
  const needed = rows.filter(([, , isNeeded]) => isNeeded);
  const free = rows.filter(([, , isNeeded]) => !isNeeded).map(([seq]) => seq);
  if (needed.length > 0) {
    // Moved back, or rows that live jobs need would be looked at again each time.
    await session.query(
      `UPDATE ${schema}.ended SET prune_at = over.time FROM unnest($1::bigint[], $2::double precision[]) AS over(seq, time)
       WHERE ended.seq = over.seq`,
      [numberArray(needed.map(([seq]) => seq)), numberArray(needed.map(([, keepMs]) => now + reprieveMs(keepMs)))],
    );
  }
  await erase(ground, session, free);
  return free.length;
}

/** See `Store.tend`. */
export function tend(ground: Ground, session: Session, now: number, most: number): Promise<Tended> {
  return change(ground, session, now, async (effects) => {
    const ended: Ended[] = [];
    const upkeep = { ground, session, effects, now, limit: rowLimit(most), ended };
    const { recovered, lost } = await recover(upkeep);
    await expire(upkeep);
    const promoted = await promote(upkeep);
    await lookAtGates(upkeep);
    const pruned = await prune(upkeep);
    const [next] = await session.query(`SELECT next_due FROM ${ground.schema}.look($1)`, [now]);
    return { promoted, recovered, pruned, ended, lost, nextDueAt: next?.[0] as number | null };
  });
}
