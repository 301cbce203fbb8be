// A filter as SQL. States are written into the text, since only then can SQLite see that a partial index serves; they are
// checked against the known ones first, so nothing a caller gives becomes SQL. Where the few jobs of some states have an index
// of their own, it is named: without statistics SQLite would rather read a million other rows in the order asked for.
import type { JobState } from "../../task/state.ts";
import { jobStates } from "../../task/state.ts";
import { retryableStates } from "../machine.ts";
import type { JobFilter } from "../store.ts";

/** A condition on the rows of `job`, with its parameters. */
export interface Condition {
  /** The table, with the index to read it by. */
  readonly from: string;
  readonly sql: string;
  readonly params: readonly string[];
}

const ownIndex: Readonly<Partial<Record<JobState, string>>> = {
  ready: "job_ready",
  scheduled: "job_scheduled",
  running: "job_running",
};
// The very words of the index job_unsuccessful.
const unsuccessful = "job.prune_at IS NOT NULL AND job.state <> 'done'";

function stateCondition(states: readonly JobState[]): string {
  if (states.length === 0) return "false";
  if (states.length === 1) return `job.state = '${states[0]}'`;
  return `job.state IN (${states.map((state) => `'${state}'`).join(", ")})`;
}

/** The index that holds just the jobs in these states, and what a condition must say for SQLite to take it. */
function indexFor(states: readonly JobState[]): { readonly name: string; readonly sql?: string } | undefined {
  const [first] = states;
  if (first !== undefined && states.every((state) => retryableStates.includes(state)))
    return { name: "job_unsuccessful", sql: unsuccessful };
  const name = states.length === 1 && first !== undefined ? ownIndex[first] : undefined;
  return name === undefined ? undefined : { name };
}

/** A number of rows that SQLite takes as LIMIT, for callers that say Infinity. */
export function rowLimit(limit: number): number {
  return Math.min(limit, 2 ** 40);
}

/** The jobs a filter selects. */
export function where({ ids, states: wanted, queue, task, root }: JobFilter): Condition {
  const parts: string[] = [];
  const params: string[] = [];
  const add = (sql: string, ...values: string[]): void => {
    parts.push(sql);
    params.push(...values);
  };
  const states = wanted && jobStates.filter((state) => wanted.includes(state));
  const index = states && ids === undefined && root === undefined ? indexFor(states) : undefined;
  if (states) add(stateCondition(states));
  if (index?.sql !== undefined) add(index.sql);
  if (ids !== undefined) add("job.id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
  if (queue !== undefined) add("job.queue = ?", queue);
  if (task !== undefined) add("job.task = ?", task);
  if (root !== undefined) add("(job.root = ? OR (job.id = ? AND job.root IS NULL))", root, root);
  return { from: index ? `job INDEXED BY ${index.name}` : "job", sql: parts.length === 0 ? "true" : parts.join(" AND "), params };
}

/** The jobs a filter selects that are in one of these states. */
export function whereAlso(filter: JobFilter, states: readonly JobState[]): Condition {
  return where({ ...filter, states: filter.states?.filter((state) => states.includes(state)) ?? states });
}
