// Finding jobs by filter.
import type { JobFilter } from "../store.ts";
import type { Book } from "./book.ts";
import type { Row } from "./row.ts";

/** The rows a filter selects, in the order they were added. */
export function select(book: Book, filter: JobFilter): Row[] {
  const { ids, states, queue, task, root } = filter;
  const named = ids && new Set(ids);
  const all = named ? [...named].flatMap((id) => book.rows.get(id) ?? []).sort((a, b) => a.seq - b.seq) : [...book.rows.values()];
  return all.filter(
    ({ job }) =>
      (states === undefined || states.includes(job.state)) &&
      (queue === undefined || job.queue === queue) &&
      (task === undefined || job.task === task || job.task.startsWith(`${task}\n`)) &&
      (root === undefined || job.root === root),
  );
}
