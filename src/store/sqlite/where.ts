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

/** An index, and the states all of whose jobs it holds. `sql` says so in its very words, as far as the states do not. */
interface StateIndex {
  readonly name: string;
  readonly states: readonly JobState[];
  readonly sql: string;
}

const stateIndexes: readonly StateIndex[] = [
  { name: "job_ready", states: ["ready"], sql: "job.state = 'ready'" },
  { name: "job_held", states: ["running"], sql: "job.worker IS NOT NULL AND job.prune_at IS NULL" },
  { name: "job_due", states: ["scheduled", "waiting"], sql: "job.state IN ('scheduled', 'waiting')" },
  { name: "job_unsuccessful", states: retryableStates, sql: "job.prune_at IS NOT NULL AND job.state <> 'done'" },
];

function stateCondition(states: readonly JobState[]): string {
  if (states.length === 0) return "false";
  if (states.length === 1) return `job.state = '${states[0]}'`;
  return `job.state IN (${states.map((state) => `'${state}'`).join(", ")})`;
}

function indexFor(states: readonly JobState[]): StateIndex | undefined {
  if (states.length === 0) return undefined;
  return stateIndexes.find((index) => states.every((state) => index.states.includes(state)));
}

// The name, alone or with a line break after it; first as a range, for the index of ready jobs.
const isNamed = "job.task >= ? AND job.task < ? || char(11) AND (job.task = ? OR job.task >= ? || char(10))";

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
  if (index) add(index.sql);
  if (ids !== undefined) add("job.id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
  if (queue !== undefined) add("job.queue = ?", queue);
  if (task !== undefined) add(isNamed, task, task, task, task);
  if (root !== undefined) add("(job.root = ? OR (job.id = ? AND job.root IS NULL))", root, root);
  return { from: index ? `job INDEXED BY ${index.name}` : "job", sql: parts.length === 0 ? "true" : parts.join(" AND "), params };
}

/** The jobs a filter selects that are in one of these states. */
export function whereAlso(filter: JobFilter, states: readonly JobState[]): Condition {
  return where({ ...filter, states: filter.states?.filter((state) => states.includes(state)) ?? states });
}
