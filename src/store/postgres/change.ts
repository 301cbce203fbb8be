// What people do to jobs, but for cancelling them: retry, change, remove. What a retry reaches is decided in `revival.ts`, on a copy of the
// part of the graph concerned.
import type { JobState } from "../../task/state.ts";
import { finalStates } from "../../task/state.ts";
import { cancelSignal, restingState, retriedRecord } from "../machine.ts";
import { revivals } from "../revival.ts";
import type { Changes, JobFilter } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change as changing } from "./effects.ts";
import { loadAncestors } from "./graph.ts";
import { forgetStays, lastNumber } from "./functions/events.ts";
import type { Ground } from "./ground.ts";
import { giveOther, mayGetAnother, putOff } from "./other-call.ts";
import { fromStored, numberArray, textArray, toStored } from "./text.ts";
import { whereAlso } from "./where.ts";

const reviveSql = (schema: string): string => `
  WITH given AS MATERIALIZED (
    SELECT ended.seq, list.state, list.pending, list.due_at, ended.expires_at, ended.fence
    FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::double precision[]) AS list(seq, state, pending, due_at)
    JOIN ${schema}.ended ON ended.seq = list.seq
  ), gone AS (
    DELETE FROM ${schema}.ended USING given WHERE ended.seq = given.seq
  ), facts AS MATERIALIZED (
    SELECT given.*, job.queue, job.task, job.rank, job.unique_key, job.gate_names, $5::double precision + (given.expires_at - greatest(job.submitted_at, (
        SELECT words::double precision FROM ${schema}.record WHERE record.seq = given.seq AND record.name = '${retriedRecord}'))) AS expiry
    FROM given JOIN ${schema}.job ON job.seq = given.seq
  ), blocked AS MATERIALIZED (
    -- What tolerated the end of one, and waits for others still, waits for it again.
    SELECT edge.job AS seq, count(*) AS count FROM given JOIN ${schema}.edge ON edge.dep = given.seq GROUP BY edge.job
  ), again AS (
    UPDATE ${schema}.parked SET pending = parked.pending + blocked.count FROM blocked
    WHERE parked.seq = blocked.seq AND NOT parked.scheduled
  ), to_ready AS (
    INSERT INTO ${schema}.ready (queue, task, rank, seq, fence, due_at, expires_at, ready_at)
    SELECT queue, task, rank, seq, fence, due_at, expiry, $5 FROM facts
    WHERE state = 'ready' AND gate_names IS NULL
  ), to_gates AS (
    INSERT INTO ${schema}.standing (seq, gate, number, rank, fence, due_at, expires_at)
    SELECT seq, gate_names[1], 1, rank, fence, due_at, expiry FROM facts WHERE state = 'ready' AND gate_names IS NOT NULL
  ), to_parked AS (
    INSERT INTO ${schema}.parked (seq, scheduled, pending, fence, due_at, expires_at)
    SELECT seq, state = 'scheduled', pending, fence, due_at, expiry FROM facts WHERE state <> 'ready'
  ), unsignalled AS (
    DELETE FROM ${schema}.record USING given WHERE record.seq = given.seq AND record.name = '${cancelSignal}'
  ), recorded AS (
    INSERT INTO ${schema}.record (seq, name, words) SELECT seq, '${retriedRecord}', floor($5::double precision)::bigint::text FROM given
    ON CONFLICT (seq, name) DO UPDATE SET words = excluded.words
  ), to_holder AS (
    INSERT INTO ${schema}.holder (key, seq) SELECT unique_key, seq FROM facts WHERE unique_key IS NOT NULL
  )
  SELECT array_agg(seq) FROM facts WHERE state = 'ready' AND gate_names IS NOT NULL`;

/** Makes ended jobs live again; see `Store.retry`. */
export function retry(ground: Ground, session: Session, filter: JobFilter, now: number): Promise<string[]> {
  const { schema } = ground;
  return changing(ground, session, now, async (effects) => {
    const graph = await loadAncestors(ground, session, filter);
    const planned = revivals(graph.chosen, graph).flatMap(({ id, pending }) => {
      const row = graph.find(id);
      if (!row) return [];
      const dueAt = row.attempt > 0 ? null : row.dueAt;
      return [{ id, seq: row.seq, pending, dueAt, state: restingState(pending, dueAt, now) }];
    });
    if (planned.some(({ state }) => state === "ready")) effects.ready();
    for (const { state, dueAt } of planned) if (state === "scheduled") effects.scheduled(dueAt, now);
    if (planned.length > 0) {
      const [row] = await session.query(reviveSql(schema), [
        numberArray(planned.map(({ seq }) => seq)),
        textArray(planned.map(({ state }) => state)),
        numberArray(planned.map(({ pending }) => pending)),
        numberArray(planned.map(({ dueAt }) => dueAt)),
        now,
      ]);
      effects.atGates(row?.[0]);
    }
    return planned.map(({ id }) => id);
  });
}

const changeable: readonly JobState[] = ["blocked", "scheduled", "ready"];

async function restAnew(
  { schema }: Ground,
  session: Session,
  effects: Effects,
  seqs: string,
  { queue, priority, dueAt }: Changes,
  now: number,
): Promise<void> {
  const [row] = await session.query(`SELECT readied, next_due, walked, freed FROM ${schema}.rest_anew($1, $2, $3, $4, $5, $6)`, [
    seqs,
    queue === undefined ? null : toStored(queue),
    priority === undefined ? null : 0 - priority,
    dueAt !== undefined,
    dueAt ?? null,
    now,
  ]);
  if (row?.[0] === true) effects.ready();
  effects.scheduled((row?.[1] ?? null) as number | null, now);
  effects.atGates(row?.[2], row?.[3]);
}

/** Changes jobs that wait; see `Store.change`. */
export async function change(
  ground: Ground,
  session: Session,
  filter: JobFilter,
  changes: Changes,
  now: number,
): Promise<readonly string[]> {
  if (await putOff(ground, session, filter, changes, now)) return filter.ids ?? [];
  return changing(ground, session, now, (effects) => move(ground, session, effects, filter, changes, now));
}

async function move(
  ground: Ground,
  session: Session,
  effects: Effects,
  filter: JobFilter,
  { call, ...changes }: Changes,
  now: number,
): Promise<readonly string[]> {
  const { schema } = ground;
  const { sql, params } = whereAlso(schema, filter, changeable);
  const chosen = await session.query(
    `SELECT jobs.seq, jobs.id, jobs.due_at, jobs.state, CASE WHEN events_kept > 0 THEN ${lastNumber(schema)} END
     FROM ${schema}.jobs CROSS JOIN ${schema}.meta WHERE ${sql} AND ${call ? mayGetAnother : "true"} ORDER BY jobs.seq`,
    params,
  );
  const [first] = chosen;
  if (!first) return [];
  const seqs = numberArray(chosen.map(([seq]) => seq as string));
  if (!call) await restAnew(ground, session, effects, seqs, changes, now);
  else {
    // What it has of gates it gives back by its old call; parked meanwhile, it comes to those of the other.
    await restAnew(ground, session, effects, seqs, { dueAt: Infinity }, now);
    await giveOther(ground, session, first[0] as string, call);
    await restAnew(ground, session, effects, seqs, { dueAt: first[2] as number | null, ...changes }, now);
  }
  const [, , , , lastEvent] = first;
  if (lastEvent !== null) {
    await session.query(forgetStays(schema), [lastEvent, seqs, textArray(chosen.map(([, , , state]) => state as string))]);
  }
  return chosen.map(([, id]) => fromStored(id as string));
}

const eraseAtOnce = 10_000;

/** Deletes ended jobs, with their edges and records. */
export async function erase({ schema }: Ground, session: Session, seqs: readonly string[]): Promise<void> {
  for (let at = 0; at < seqs.length; at += eraseAtOnce) {
    const values = [numberArray(seqs.slice(at, at + eraseAtOnce))];
    await session.query(`DELETE FROM ${schema}.edge WHERE job = ANY ($1)`, values);
    await session.query(`DELETE FROM ${schema}.edge WHERE dep = ANY ($1)`, values);
    await session.query(`DELETE FROM ${schema}.record WHERE seq = ANY ($1)`, values);
    await session.query(
      `WITH gone AS (DELETE FROM ${schema}.ended WHERE seq = ANY ($1)) DELETE FROM ${schema}.job WHERE seq = ANY ($1)`,
      values,
    );
  }
}

/** A condition on the row \`seq\` of some table: a job that depends on it has not ended. */
export function isNeededSql(schema: string, seq: string): string {
  return `EXISTS (SELECT 1 FROM ${schema}.edge WHERE edge.dep = ${seq}
    AND NOT EXISTS (SELECT 1 FROM ${schema}.ended AS above WHERE above.seq = edge.job))`;
}

/** Deletes ended jobs no live one needs; returns how many. */
export function remove(ground: Ground, session: Session, filter: JobFilter): Promise<number> {
  const { schema } = ground;
  return changing(ground, session, 0, async () => {
    const { sql, params } = whereAlso(schema, filter, finalStates);
    const rows = await session.query(
      `SELECT jobs.seq FROM ${schema}.jobs WHERE ${sql} AND NOT ${isNeededSql(schema, "jobs.seq")}`,
      params,
    );
    await erase(
      ground,
      session,
      rows.map(([seq]) => seq as string),
    );
    return rows.length;
  });
}
