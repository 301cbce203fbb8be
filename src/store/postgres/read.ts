// Questions about jobs.
import { StoreError } from "../../core/errors.ts";
import type { JobState } from "../../task/state.ts";
import { jobStates } from "../../task/state.ts";
import type { Ended, Job } from "../job.ts";
import type { JobFilter, Page, QueueStats } from "../store.ts";
import { jobColumns, toEnded, toJob } from "./columns.ts";
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
  const { sql, params } = where(schema, filter);
  const [row] = await session.query(`SELECT count(*) FROM ${schema}.jobs WHERE ${sql}`, params);
  return Number(row?.[0] ?? 0);
}

function cannotRead(id: string, why: string): StoreError {
  return new StoreError(`The inputs of job "${id}" cannot be read: ${why}`);
}

type Input = readonly [id: string, state: JobState | null, result: string | null];

/** See `Store.inputs`. */
export async function inputs({ schema }: Ground, session: Session, ids: readonly string[]): Promise<string[][]> {
  const rows = await session.query(
    `SELECT asked.no, job.dependencies, below.id, ended.state, ended.result
     FROM unnest($1::text[]) WITH ORDINALITY AS asked(id, no) JOIN ${schema}.job ON job.id = asked.id
     LEFT JOIN ${schema}.edge ON edge.job = job.seq LEFT JOIN ${schema}.job AS below ON below.seq = edge.dep
     LEFT JOIN ${schema}.ended ON ended.seq = edge.dep ORDER BY asked.no, edge.position`,
    [textArray(ids)],
  );
  const found = new Map<number, { readonly dependencies: number; readonly inputs: Input[] }>();
  for (const [no, dependencies, id, state, result] of rows as [string, number, string | null, JobState | null, string | null][]) {
    const job = found.get(Number(no)) ?? { dependencies, inputs: [] };
    found.set(Number(no), job);
    if (id !== null) job.inputs.push([fromStored(id), state, result]);
  }
  return ids.map((id, index) => {
    const job = found.get(index + 1);
    if (!job) throw cannotRead(id, "the job is not stored. It was removed or pruned.");
    if (job.inputs.length < job.dependencies) throw cannotRead(id, "jobs it depends on are no longer stored.");
    return job.inputs.map(([below, state, result]) => {
      if (state === "done" && result !== null) return fromStored(result);
      throw cannotRead(id, `"${below}", which it depends on, is not done.`);
    });
  });
}

function noJobs(): Record<JobState, number> {
  return Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>;
}

/** See `Store.queues`. */
export async function queues({ schema }: Ground, session: Session): Promise<QueueStats[]> {
  const rows = await session.query(
    `SELECT queue, NULL, 0, true FROM ${schema}.paused
     UNION ALL SELECT queue, state, count(*), false FROM ${schema}.jobs GROUP BY queue, state`,
  );
  const found = new Map<string, { paused: boolean; readonly counts: Record<JobState, number> }>();
  for (const [name, state, jobs, paused] of rows as [string, JobState | null, string, boolean][]) {
    const queue = fromStored(name);
    let stats = found.get(queue);
    if (!stats) found.set(queue, (stats = { paused: false, counts: noJobs() }));
    if (paused) stats.paused = true;
    if (state !== null) stats.counts[state] = Number(jobs);
  }
  return [...found].map(([queue, stats]) => ({ queue, ...stats })).sort((a, b) => (a.queue < b.queue ? -1 : 1));
}
