// A filter as SQL. States are written into the text, since only then can SQLite see that a partial index serves; they are
// checked against the known ones first, so nothing a caller gives becomes SQL.
import type { JobState } from "../../task/state.ts";
import { jobStates } from "../../task/state.ts";
import { retryableStates } from "../machine.ts";
import type { JobFilter } from "../store.ts";

/** A condition on the rows of `job`, with its parameters. */
export interface Condition {
  readonly sql: string;
  readonly params: readonly string[];
}

function stateCondition(wanted: readonly JobState[]): string {
  const states = jobStates.filter((state) => wanted.includes(state));
  if (states.length === 0) return "false";
  if (states.length === jobStates.length) return "true";
  const list = states.map((state) => `'${state}'`).join(", ");
  if (states.length === 1) {
    const ofUnsuccessful = retryableStates.includes(states[0] as JobState);
    return `job.state = ${list}${ofUnsuccessful ? ` AND ${unsuccessful}` : ""}`;
  }
  return `job.state IN (${list})${states.every((state) => retryableStates.includes(state)) ? ` AND ${unsuccessful}` : ""}`;
}

// The very words of the index job_unsuccessful.
const unsuccessful = "job.prune_at IS NOT NULL AND job.state <> 'done'";

/** The jobs a filter selects. */
export function where({ ids, states, queue, task, root }: JobFilter): Condition {
  const parts: string[] = [];
  const params: string[] = [];
  const add = (sql: string, ...values: string[]): void => {
    parts.push(sql);
    params.push(...values);
  };
  if (ids !== undefined) add("job.id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
  if (states !== undefined) add(stateCondition(states));
  if (queue !== undefined) add("job.queue = ?", queue);
  if (task !== undefined) add("job.task = ?", task);
  if (root !== undefined) add("(job.root = ? OR (job.id = ? AND job.root IS NULL))", root, root);
  return { sql: parts.length === 0 ? "true" : parts.join(" AND "), params };
}

/** The jobs a filter selects that are in one of these states. */
export function whereAlso(filter: JobFilter, states: readonly JobState[]): Condition {
  return where({ ...filter, states: filter.states?.filter((state) => states.includes(state)) ?? states });
}
