// Questions about jobs.
import { StoreError } from "../../core/errors.ts";
import type { JobState } from "../../task/state.ts";
import { jobStates } from "../../task/state.ts";
import type { Ended, Input, Job } from "../job.ts";
import type { JobFilter, Page, QueueStats, ReadyLine } from "../store.ts";
import { jobColumns, toEnded, toJob } from "./columns.ts";
import type { Row } from "./client.ts";
import type { Session } from "./connection.ts";
import type { Ground } from "./ground.ts";
import { fromStored, textArray, toStored } from "./text.ts";
import { rowLimit, where } from "./where.ts";

/** See `Store.get`. */
export async function get({ schema }: Ground, session: Session, ids: readonly string[]): Promise<Job[]> {
  const { sql, params } = where(schema, { ids });
  return (await session.query(`SELECT ${jobColumns} FROM ${schema}.jobs WHERE ${sql}`, params)).map(toJob);
}

/** See `Store.endings`. */
export async function endings({ schema }: Ground, session: Session, ids: readonly string[]): Promise<Ended[]> {
  if (ids.length === 0) return [];
  const rows = await session.query(`SELECT * FROM ${schema}.endings($1)`, [textArray(ids)]);
  return rows.map(toEnded);
}

/** See `Store.list`. The page is found first, by seq alone; only its rows are read whole. */
export async function list({ schema }: Ground, session: Session, filter: JobFilter, page: Page): Promise<Job[]> {
  const { sql, params } = where(schema, filter);
  const values = [...params];
  const mark = (value: unknown): string => `$${values.push(value)}`;
  let more = "";
  if (page.before !== undefined) {
    const before = mark(toStored(page.before));
    more = `AND jobs.seq < coalesce((SELECT seq FROM ${schema}.job WHERE id = ${before}), 9223372036854775807)
      AND (jobs.id < ${before} OR EXISTS (SELECT 1 FROM ${schema}.job WHERE id = ${before}))`;
  }
  const rows = await session.query(
    `SELECT ${jobColumns} FROM ${schema}.jobs WHERE jobs.seq IN (
       SELECT jobs.seq FROM ${schema}.jobs WHERE ${sql} ${more} ORDER BY jobs.seq DESC LIMIT ${mark(rowLimit(page.limit))}
     ) ORDER BY jobs.seq DESC`,
    values,
  );
  return rows.map(toJob);
}

/** See `Store.count`. */
export async function count({ schema }: Ground, session: Session, filter: JobFilter): Promise<number> {
  const { sql, params, seqs } = where(schema, filter);
  const [row] = await session.query(
    `SELECT count(*) FROM ${seqs === undefined ? `${schema}.jobs WHERE ${sql}` : `(${seqs}) AS found`}`,
    params,
  );
  return Number(row?.[0] ?? 0);
}

function cannotRead(id: string, why: string): StoreError {
  return new StoreError(`The inputs of job "${id}" cannot be read: ${why}`);
}

/** See `Store.awaited`. */
export async function awaited({ schema }: Ground, session: Session, id: string, limit: number): Promise<string[]> {
  const rows = await session.query(
    `SELECT below.id FROM ${schema}.job JOIN ${schema}.edge ON edge.job = job.seq JOIN ${schema}.job AS below ON below.seq = edge.dep
     WHERE job.id = $1 AND NOT EXISTS (SELECT 1 FROM ${schema}.ended WHERE ended.seq = edge.dep)
     GROUP BY below.id ORDER BY min(edge.position) LIMIT $2`,
    [toStored(id), limit],
  );
  return (rows as readonly [string][]).map(([name]) => fromStored(name));
}

/** See `Store.inputs`. */
export async function inputs({ schema }: Ground, session: Session, ids: readonly string[]): Promise<Input[][]> {
  const rows = await session.query(
    `SELECT asked.no, job.dependencies, edge.tolerated, below.id, below.task, ended.state, ended.result, ended.error, ended.cause,
       ended.cancel_reason, ended.crashes, ended.worker
     FROM unnest($1::text[]) WITH ORDINALITY AS asked(id, no) JOIN ${schema}.job ON job.id = asked.id
     LEFT JOIN ${schema}.edge ON edge.job = job.seq LEFT JOIN ${schema}.job AS below ON below.seq = edge.dep
     LEFT JOIN ${schema}.ended ON ended.seq = edge.dep ORDER BY asked.no, edge.position`,
    [textArray(ids)],
  );
  const found = new Map<number, { readonly dependencies: number; readonly below: Row[] }>();
  for (const [no, dependencies, ...below] of rows as [string, number, ...Row][]) {
    const job = found.get(Number(no)) ?? { dependencies, below: [] };
    found.set(Number(no), job);
    if (below[1] !== null) job.below.push(below);
  }
  return ids.map((id, index) => {
    const job = found.get(index + 1);
    if (!job) throw cannotRead(id, "the job is not stored. It was removed or pruned.");
    if (job.below.length < job.dependencies) throw cannotRead(id, "jobs it depends on are no longer stored.");
    return job.below.map(([tolerated, ...below]) => {
      const [name, , state, result] = below as [string, string, JobState | null, string | null];
      if (state === "done" && result !== null) return fromStored(result);
      if (state !== null && tolerated === true) return toEnded(below);
      throw cannotRead(id, `"${fromStored(name)}", which it depends on, is not done.`);
    });
  });
}

type QueueRow = readonly [queue: string, state: JobState | null, jobs: string, paused: boolean, oldestReadyAt: number | null];

const mostLines = 1000;

function noJobs(): Record<JobState, number> {
  return Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>;
}

// From the next job of one line to that of the following line by the index, whatever the lines' length.
const nextSql = (s: string): string => `
  WITH RECURSIVE line AS (
    (SELECT queue, task, rank, ready_at FROM ${s}.ready ORDER BY queue, task, rank, seq LIMIT 1)
    UNION ALL
    SELECT next.* FROM line CROSS JOIN LATERAL (
      SELECT ready.queue, ready.task, ready.rank, ready.ready_at FROM ${s}.ready
      WHERE (ready.queue, ready.task, ready.rank) > (line.queue, line.task, line.rank)
      ORDER BY ready.queue, ready.task, ready.rank, ready.seq LIMIT 1
    ) AS next
  ) SELECT queue, min(ready_at) AS at FROM (SELECT * FROM line LIMIT ${mostLines}) AS looked GROUP BY queue`;

/** See `Store.queues`. */
export async function queues({ schema }: Ground, session: Session): Promise<QueueStats[]> {
  const rows = await session.query(
    `SELECT queue, NULL, 0, true, NULL::double precision FROM ${schema}.paused
     UNION ALL SELECT queue, state, count(*), false, NULL FROM ${schema}.jobs GROUP BY queue, state
     UNION ALL SELECT queue, NULL, 0, false, at FROM (${nextSql(schema)}) AS next`,
  );
  const found = new Map<
    string,
    { queue: string; paused: boolean; readonly counts: Record<JobState, number>; oldestReadyAt: number | null }
  >();
  for (const [name, state, jobs, paused, at] of rows as QueueRow[]) {
    const queue = fromStored(name);
    let stats = found.get(queue);
    if (!stats) found.set(queue, (stats = { queue, paused: false, counts: noJobs(), oldestReadyAt: null }));
    if (paused) stats.paused = true;
    if (state !== null) stats.counts[state] = Number(jobs);
    if (at !== null) stats.oldestReadyAt = at;
  }
  return [...found.values()].sort((a, b) => (a.queue < b.queue ? -1 : 1));
}

/** See `Store.lines`. From the first job of one line to that of the next by the index, whatever the lines' length. */
export async function lines({ schema }: Ground, session: Session, limit: number): Promise<ReadyLine[]> {
  const rows = await session.query(
    `WITH RECURSIVE line AS (
       (SELECT queue, task FROM ${schema}.ready ORDER BY queue, task, rank, seq LIMIT 1)
       UNION ALL
       SELECT next.* FROM line CROSS JOIN LATERAL (
         SELECT ready.queue, ready.task FROM ${schema}.ready WHERE (ready.queue, ready.task) > (line.queue, line.task)
         ORDER BY ready.queue, ready.task, ready.rank, ready.seq LIMIT 1
       ) AS next
     ) SELECT queue, task FROM line LIMIT $1`,
    [rowLimit(limit)],
  );
  return rows.map(([queue, task]) => ({ queue: fromStored(queue as string), task: fromStored(task as string) }));
}

/** See `Store.next`. */
export async function next(
  { schema }: Ground,
  session: Session,
  queues: readonly string[],
  tasks: readonly string[],
): Promise<string | null> {
  const [row] = await session.query(
    `SELECT job.id FROM unnest($1::text[]) AS asked(queue) CROSS JOIN unnest($2::text[]) AS wanted(task)
     CROSS JOIN LATERAL (
       SELECT coalesce(ready.job_seq, ready.seq) AS seq FROM ${schema}.ready
       WHERE ready.queue = asked.queue AND ready.task = wanted.task AND NOT ready.suspect
       ORDER BY ready.queue, ready.task, ready.rank, ready.seq LIMIT 1
     ) AS head
     JOIN ${schema}.job ON job.seq = head.seq
     WHERE NOT EXISTS (SELECT 1 FROM ${schema}.paused WHERE paused.queue = asked.queue) LIMIT 1`,
    [textArray(queues), textArray(tasks)],
  );
  return row ? fromStored(row[0] as string) : null;
}
