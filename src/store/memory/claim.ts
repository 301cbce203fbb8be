// Giving out ready jobs. A want names several tasks; their lines are merged by priority and age. Rows that are too late stay
// ready until `tend` expires them, so they are put back where they stood.
import { isLate } from "../machine.ts";
import type { ClaimedJob } from "../job.ts";
import type { Want } from "../store.ts";
import type { Book } from "./book.ts";
import type { Line } from "./line.ts";
import type { Row } from "./row.ts";
import { toClaimed } from "./row.ts";

function nextOf(lines: readonly Line[]): Row | undefined {
  let best: { readonly order: number; readonly row: Row } | undefined;
  let from: Line | undefined;
  for (const line of lines) {
    const head = line.head();
    if (!head) continue;
    if (best && (best.order < head.order || (best.order === head.order && best.row.seq < head.row.seq))) continue;
    best = head;
    from = line;
  }
  from?.shift();
  return best?.row;
}

/** Takes ready jobs for a worker; see `Store.claim`. */
export function claim(book: Book, worker: string, wants: readonly Want[], now: number): ClaimedJob[] {
  const member = book.members.get(worker);
  const claimed: ClaimedJob[] = [];
  if (!member || member.leaseUntil <= now) return claimed;
  for (const { queue, tasks, limit } of wants) {
    const lines = [...new Set(tasks)].flatMap((task) => book.ready(queue, task) ?? []);
    const late: Row[] = [];
    for (let left = limit; left > 0;) {
      const row = nextOf(lines);
      if (!row) break;
      if (isLate(row.job, now)) {
        late.push(row);
        continue;
      }
      left -= 1;
      book.start(row, member, now);
      claimed.push(toClaimed(row));
    }
    for (const row of late) book.ready(queue, row.job.task)?.push(row, -row.job.priority);
  }
  return claimed;
}
