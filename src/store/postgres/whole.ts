// Whole rows out, by plain statements: it is rare, and nothing else goes on in a store that is being moved.
import type { StoredJob, StoredRecord } from "../job.ts";
import { fitting } from "../part.ts";
import type { Dump } from "../store.ts";
import type { Row } from "./client.ts";
import { jobColumnCount, jobColumns, toJob } from "./columns.ts";
import type { Session } from "./connection.ts";
import type { Ground } from "./ground.ts";
import { fromStored, numberArray } from "./text.ts";
import { within } from "./transaction.ts";
import { rowLimit } from "./where.ts";

/** Statistics know nothing of tables that are empty one moment and full the next. */
export const byIndex: string = `SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off;
  SET LOCAL enable_mergejoin = off`;

const lengths = (s: string): string => `
  SELECT octet_length(args) + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
    + (SELECT coalesce(sum(octet_length(words)), 0) FROM ${s}.record WHERE record.seq = page.seq)::integer
  FROM (SELECT seq FROM ${s}.job WHERE seq > $1 ORDER BY seq LIMIT $2) AS page JOIN ${s}.jobs ON jobs.seq = page.seq ORDER BY page.seq`;
const wholeRows = (s: string): string => `
  SELECT ${jobColumns}, page.unique_until, page.seq
  FROM (SELECT seq, unique_until FROM ${s}.job WHERE seq > $1 ORDER BY seq LIMIT $2) AS page JOIN ${s}.jobs ON jobs.seq = page.seq
  ORDER BY page.seq`;
const edges = (s: string): string => `
  SELECT edge.job, edge.position, job.id, edge.tolerated FROM ${s}.edge JOIN ${s}.job ON job.seq = edge.dep WHERE edge.job = ANY ($1)`;
const records = (s: string): string => `SELECT seq, name, words FROM ${s}.record WHERE seq = ANY ($1) ORDER BY seq, name`;

// Places of columns.
const dependenciesAt = 16;
const untilAt = jobColumnCount;
const seqAt = jobColumnCount + 1;

interface Needs {
  readonly dependsOn: (string | null)[];
  readonly tolerates: string[];
}

async function needsOf(schema: string, session: Session, rows: readonly Row[]): Promise<Map<string, Needs>> {
  const found = new Map<string, Needs>();
  for (const row of rows) {
    const dependencies = row[dependenciesAt] as number;
    if (dependencies > 0) found.set(row[seqAt] as string, { dependsOn: Array<null>(dependencies).fill(null), tolerates: [] });
  }
  if (found.size === 0) return found;
  const read = (await session.query(edges(schema), [numberArray([...found.keys()])])) as [
    string,
    number,
    string,
    boolean | null,
  ][];
  for (const [job, position, stored, tolerated] of read) {
    const id = fromStored(stored);
    const needs = found.get(job);
    if (needs) needs.dependsOn[position] = id;
    if (tolerated === true && needs?.tolerates.includes(id) === false) needs.tolerates.push(id);
  }
  return found;
}

async function recordsOf(schema: string, session: Session, rows: readonly Row[]): Promise<Map<string, StoredRecord[]>> {
  const found = new Map<string, StoredRecord[]>();
  const read = (await session.query(records(schema), [numberArray(rows.map((row) => row[seqAt] as string))])) as [
    string,
    string,
    string,
  ][];
  for (const [seq, name, words] of read) {
    const own = found.get(seq) ?? [];
    found.set(seq, own);
    own.push({ name: fromStored(name), text: fromStored(words) });
  }
  return found;
}

/** See `Store.dump`. All of a part is of one moment. */
export function dump({ schema }: Ground, session: Session, after: string | null, limit: number): Promise<Dump> {
  return within(session, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${byIndex}`, async () => {
    const from = after ?? "0";
    const coming = (await session.query(lengths(schema), [from, rowLimit(limit)])).map(([length]) => length as number);
    const rows = await session.query(wholeRows(schema), [from, fitting(coming)]);
    const needs = await needsOf(schema, session, rows);
    const written = await recordsOf(schema, session, rows);
    const jobs = rows.map((row) => ({
      ...toJob(row),
      ...(needs.get(row[seqAt] as string) ?? { dependsOn: [], tolerates: [] }),
      records: written.get(row[seqAt] as string) ?? [],
      uniqueUntil: row[untilAt] as StoredJob["uniqueUntil"],
    }));
    const isLast = coming.length < limit && rows.length === coming.length;
    return { jobs, next: isLast ? null : ((rows.at(-1)?.[seqAt] as string | undefined) ?? after) };
  });
}
