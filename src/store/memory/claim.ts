// Giving out ready jobs. A want names several tasks; their lines are merged by priority and age. Rows that are too late stay
// ready until `tend` expires them, so they are put back where they stood.
import { isLate, isSuspect } from "../machine.ts";
import type { ClaimedJob } from "../job.ts";
import type { Want } from "../store.ts";
import { fillWant } from "../want.ts";
import type { Book } from "./book.ts";
import type { Line } from "./line.ts";
import type { Row } from "./row.ts";
import { toClaimed } from "./row.ts";

function nextOf(lines: readonly Line[]): Row | undefined {
  let best: { readonly order: number; readonly place: number; readonly row: Row } | undefined;
  let from: Line | undefined;
  for (const line of lines) {
    const head = line.head();
    if (!head) continue;
    if (best && (best.order < head.order || (best.order === head.order && best.place < head.place))) continue;
    best = head;
    from = line;
  }
  from?.shift();
  return best?.row;
}

/** Takes and starts ready jobs of one queue; `start` says of each whether it did. Those not started go back to where they stood. */
function takeFrom(book: Book, queue: string, tasks: readonly string[], limit: number, start: (row: Row) => boolean): Row[] {
  const lines = tasks.flatMap((task) => book.ready(queue, task) ?? []);
  const passed: Row[] = [];
  const taken: Row[] = [];
  while (taken.length < limit) {
    const row = nextOf(lines);
    if (!row) break;
    (start(row) ? taken : passed).push(row);
  }
  for (const row of passed) book.ready(queue, row.job.task)?.push(row, -row.job.priority, row.age);
  return taken;
}

/** Takes ready jobs for a worker; see `Store.settle`. */
export function claim(book: Book, worker: string, wants: readonly Want[], now: number): ClaimedJob[] {
  const member = book.members.get(worker);
  if (!member || member.leaseUntil <= now) return [];
  let hasSuspect: boolean | undefined;
  const mayStart = ({ job }: Row): boolean => {
    if (isLate(job, now)) return false;
    if (!isSuspect(job)) return true;
    hasSuspect ??= [...member.running].some((each) => isSuspect(each.job));
    if (hasSuspect) return false;
    return (hasSuspect = true);
  };
  const start = (row: Row): boolean => {
    const may = mayStart(row);
    if (may) book.start(row, member, now);
    return may;
  };
  return wants.flatMap((want) =>
    fillWant(want, (queue, limit) =>
      book.paused.has(queue) ? [] : takeFrom(book, queue, [...new Set(want.tasks)], limit, start).map(toClaimed),
    ),
  );
}

/** See `Store.next`. */
export function next(book: Book, queues: readonly string[], tasks: readonly string[]): string | null {
  for (const queue of queues) {
    if (book.paused.has(queue)) continue;
    for (const task of tasks) {
      const head = book.ready(queue, task)?.head();
      if (head && !isSuspect(head.row.job)) return head.row.job.id;
    }
  }
  return null;
}
