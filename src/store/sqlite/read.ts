// Questions about jobs.
import { StoreError } from "../../core/errors.ts";
import type { JobState } from "../../task/state.ts";
import { isFinal, jobStates } from "../../task/state.ts";
import type { Ended, Input, Job } from "../job.ts";
import type { JobFilter, Page, QueueStats } from "../store.ts";
import type { JobRow } from "./columns.ts";
import { endedColumns, jobColumns, place, toEnded, toJob } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { rowLimit, where } from "./where.ts";

/** See `Store.get`. */
export function get(db: Connection, ids: readonly string[]): Job[] {
  const { sql, params } = where({ ids });
  return db.all<JobRow>(`SELECT ${jobColumns} FROM job WHERE ${sql}`, ...params).map(toJob);
}

/** See `Store.list`. The page is found first, by seq alone; only its rows are read whole. */
export function list(db: Connection, filter: JobFilter, { before, limit }: Page): Job[] {
  const { from, sql, params } = where(filter);
  const newest = (more: string, ...values: (string | number)[]): Job[] => {
    const page = `SELECT job.seq FROM ${from} WHERE ${sql} ${more} ORDER BY job.seq DESC LIMIT ?`;
    return db
      .all<JobRow>(`SELECT ${jobColumns} FROM job WHERE job.seq IN (${page}) ORDER BY job.seq DESC`, ...params, ...values)
      .map(toJob);
  };
  const rows = rowLimit(limit);
  if (before === undefined) return newest("", rows);
  const start = db.get<{ seq: number }>("SELECT seq FROM job WHERE id = ?", before);
  return start ? newest("AND job.seq < ?", start.seq, rows) : newest("AND job.id < ?", before, rows);
}

/** See `Store.count`. */
export function count(db: Connection, filter: JobFilter): number {
  const { from, sql, params } = where(filter);
  return db.get<{ count: number }>(`SELECT count(*) AS count FROM ${from} WHERE ${sql}`, ...params)?.count ?? 0;
}

const dependencies = `
  SELECT edge.tolerated, ${endedColumns} FROM edge CROSS JOIN job ON job.seq = edge.dep WHERE edge.job = ? ORDER BY edge.position`;

interface Dependency extends Ended {
  readonly tolerated: number;
}

function inputsOf(db: Connection, id: string): Input[] {
  const job = db.get<{ seq: number; dependencies: number }>("SELECT seq, dependencies FROM job WHERE id = ?", id);
  if (!job) throw new StoreError(`The inputs of job "${id}" cannot be read: the job is not stored. It was removed or pruned.`);
  const rows = db.all<Dependency>(dependencies, job.seq);
  if (rows.length < job.dependencies) {
    throw new StoreError(`The inputs of job "${id}" cannot be read: jobs it depends on are no longer stored.`);
  }
  return rows.map((row) => {
    if (row.state === "done" && row.result !== null) return row.result;
    if (row.tolerated === 1 && isFinal(row.state)) return toEnded(row);
    throw new StoreError(`The inputs of job "${id}" cannot be read: "${row.id}", which it depends on, is not done.`);
  });
}

const awaitedSql = `
  SELECT job.id FROM edge CROSS JOIN job ON job.seq = edge.dep
  WHERE edge.job = (SELECT seq FROM job WHERE id = ?) AND job.prune_at IS NULL GROUP BY job.seq ORDER BY min(edge.position) LIMIT ?`;

/** See `Store.awaited`. */
export function awaited(db: Connection, id: string, limit: number): string[] {
  return db.all<{ id: string }>(awaitedSql, id, limit).map((job) => job.id);
}

/** See `Store.inputs`. */
export function inputs(db: Connection, ids: readonly string[]): Input[][] {
  return ids.map((id) => inputsOf(db, id));
}

function noJobs(): Record<JobState, number> {
  return Object.fromEntries(jobStates.map((each) => [each, 0])) as Record<JobState, number>;
}

// Of each line the job that is next: the index of ready jobs is walked, and few rows are read.
const nextSql = `
  SELECT queue, min(ready_at) AS at FROM job WHERE seq IN (
    SELECT seq FROM (
      SELECT seq, min(${place}) FROM job INDEXED BY job_ready WHERE state = 'ready' GROUP BY queue, task, rank
    )
  ) GROUP BY queue`;

/** See `Store.queues`. */
export function queues(db: Connection): QueueStats[] {
  const found = new Map<string, Record<JobState, number>>();
  const paused = new Set(db.all<{ queue: string }>("SELECT queue FROM paused").map(({ queue }) => queue));
  for (const queue of paused) found.set(queue, noJobs());
  const rows = db.all<{ queue: string; state: JobState; count: number }>(
    "SELECT queue, state, count(*) AS count FROM job GROUP BY queue, state ORDER BY queue",
  );
  for (const { queue, state, count } of rows) {
    let counts = found.get(queue);
    if (!counts) {
      counts = noJobs();
      found.set(queue, counts);
    }
    counts[state] = count;
  }
  const oldest = new Map(db.all<{ queue: string; at: number }>(nextSql).map(({ queue, at }) => [queue, at]));
  return [...found]
    .map(([queue, counts]) => ({ queue, counts, paused: paused.has(queue), oldestReadyAt: oldest.get(queue) ?? null }))
    .sort((a, b) => (a.queue < b.queue ? -1 : 1));
}
