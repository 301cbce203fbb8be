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
}

/** A number of rows that a LIMIT takes, for callers that say Infinity. */
export function rowLimit(limit: number): number {
  return Math.min(limit, 2 ** 40);
}

function listed(states: readonly JobState[]): string {
  return states.map((state) => `'${state}'`).join(", ");
}

/** The tables that hold all jobs in these states, as a list of seqs; undefined when some may be anywhere. */
function seqsOf(schema: string, states: readonly JobState[]): string | undefined {
  const parts: string[] = [];
  const unsuccessful = states.filter((state) => retryableStates.includes(state));
  if (states.includes("done")) return undefined;
  if (states.includes("ready")) parts.push(`SELECT seq FROM ${schema}.ready`);
  if (states.includes("running")) parts.push(`SELECT seq FROM ${schema}.running`);
  if (states.includes("blocked") || states.includes("scheduled")) parts.push(`SELECT seq FROM ${schema}.parked`);
  if (unsuccessful.length > 0)
    parts.push(`SELECT seq FROM ${schema}.ended WHERE state IN (${listed(unsuccessful)}) AND state <> 'done'`);
  return parts.join(" UNION ALL ");
}

/** The jobs a filter selects. */
export function where(schema: string, { ids, states: wanted, queue, task, root }: JobFilter): Condition {
  const parts: string[] = [];
  const params: unknown[] = [];
  const mark = (value: unknown): string => `$${params.push(value)}`;
  const states = wanted && jobStates.filter((state) => wanted.includes(state));
  if (states) {
    const seqs = states.length === 0 || ids !== undefined || root !== undefined ? undefined : seqsOf(schema, states);
    if (seqs !== undefined && seqs !== "") parts.push(`jobs.seq IN (${seqs})`);
    parts.push(states.length === 0 ? "false" : `jobs.state IN (${listed(states)})`);
  }
  if (ids !== undefined) parts.push(`jobs.id = ANY (${mark(textArray(ids))}::text[])`);
  if (queue !== undefined) parts.push(`jobs.queue = ${mark(toStored(queue))}`);
  if (task !== undefined) parts.push(`jobs.task = ${mark(toStored(task))}`);
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
