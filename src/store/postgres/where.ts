// A filter as SQL. Jobs in rare states are found by the small tables that hold them; only what may be done is looked for in all.
import type { JobState } from "../../task/state.ts";
import { jobStates } from "../../task/state.ts";
import { retryableStates } from "../machine.ts";
import type { JobFilter } from "../store.ts";
import { textArray, toStored } from "./text.ts";

/** A condition on the rows of the view `jobs`, with its parameters. */
export interface Condition {
  readonly sql: string;
  readonly params: readonly unknown[];
  /** The seqs of all of them as a query of its own, where there is one. */
  readonly seqs?: string;
}

/** A number of rows that a LIMIT takes, for callers that say Infinity. */
export function rowLimit(limit: number): number {
  return Math.min(limit, 2 ** 40);
}

function listed(states: readonly JobState[]): string {
  return states.map((state) => `'${state}'`).join(", ");
}

/** A condition on a column of the table `job`, which `ready` has, too, as SQL for a table. */
type OfKind = (table: string) => string;

/** Jobs of a task, whatever they require: that stands behind a line break. */
function ofTask(mark: string): OfKind {
  return (table) => `(${table}.task = ${mark} OR ${table}.task >= ${mark} || chr(10) AND ${table}.task < ${mark} || chr(11))`;
}

function part(schema: string, table: string, conditions: readonly string[], kind: readonly OfKind[]): string {
  const knowsKind = table === "ready";
  const join = knowsKind || kind.length === 0 ? "" : ` JOIN ${schema}.job ON job.seq = ${table}.seq`;
  const all = [...conditions, ...kind.map((condition) => condition(knowsKind ? table : "job"))];
  return `SELECT ${table}.seq FROM ${schema}.${table}${join}${all.length === 0 ? "" : ` WHERE ${all.join(" AND ")}`}`;
}

/** The seqs of the jobs in these states, by the tables that hold them; undefined when done ones are among them, which are many. */
function seqsOf(schema: string, states: readonly JobState[], kind: readonly OfKind[]): string | undefined {
  if (states.includes("done")) return undefined;
  const parts: string[] = [];
  const unsuccessful = states.filter((state) => retryableStates.includes(state));
  if (states.includes("ready")) parts.push(part(schema, "ready", [], kind));
  if (states.includes("running")) parts.push(part(schema, "running", ["running.waits IS NULL"], kind));
  if (states.includes("blocked")) {
    parts.push(part(schema, "parked", ["NOT parked.scheduled"], kind), part(schema, "standing", [], kind));
  }
  if (states.includes("scheduled")) parts.push(part(schema, "parked", ["parked.scheduled", "parked.waits IS NULL"], kind));
  if (states.includes("waiting")) {
    for (const table of ["parked", "running"]) parts.push(part(schema, table, [`${table}.waits IS NOT NULL`], kind));
  }
  if (unsuccessful.length > 0)
    parts.push(part(schema, "ended", [`ended.state IN (${listed(unsuccessful)})`, "ended.state <> 'done'"], kind));
  return parts.length === 0 ? "SELECT 0::bigint WHERE false" : parts.join(" UNION ALL ");
}

/** The jobs a filter selects. */
export function where(schema: string, { ids, states: wanted, queue, task, root }: JobFilter): Condition {
  const parts: string[] = [];
  const params: unknown[] = [];
  const mark = (value: unknown): string => `$${params.push(value)}`;
  const states = wanted && jobStates.filter((state) => wanted.includes(state));
  const kind: OfKind[] = [];
  if (queue !== undefined) {
    const name = mark(toStored(queue));
    kind.push((table) => `${table}.queue = ${name}`);
  }
  if (task !== undefined) kind.push(ofTask(mark(toStored(task))));
  const seqs = states && ids === undefined && root === undefined ? seqsOf(schema, states, kind) : undefined;
  // An array, since a join with a table of which statistics know nothing may be made the wrong way round, and then takes minutes.
  if (seqs !== undefined) return { sql: `jobs.seq = ANY (ARRAY (${seqs}))`, params, seqs };
  if (states) parts.push(states.length === 0 ? "false" : `jobs.state IN (${listed(states)})`);
  for (const condition of kind) parts.push(condition("jobs"));
  if (ids !== undefined) parts.push(`jobs.id = ANY (${mark(textArray(ids))}::text[])`);
  if (root !== undefined) {
    const name = mark(toStored(root));
    parts.push(`jobs.seq IN (SELECT seq FROM ${schema}.job WHERE root = ${name} UNION ALL
      SELECT seq FROM ${schema}.job WHERE id = ${name} AND root IS NULL)`);
  }
  return { sql: parts.length === 0 ? "true" : parts.join(" AND "), params };
}

/** The jobs a filter selects that are in one of these states. */
export function whereAlso(schema: string, filter: JobFilter, states: readonly JobState[]): Condition {
  return where(schema, { ...filter, states: filter.states?.filter((state) => states.includes(state)) ?? states });
}
