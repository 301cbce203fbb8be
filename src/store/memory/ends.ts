// What the end of jobs means for those that need them. Done jobs release, others make fail, level by level with a list of
// its own: a graph may be 2,000 deep and 100,000 wide.
import type { Ended } from "../job.ts";
import type { Book } from "./book.ts";
import { isPending } from "./book.ts";
import type { Row } from "./row.ts";
import { toEnded } from "./row.ts";

/** Takes a done job off what its dependants wait for. */
export function releaseAbove(book: Book, row: Row, now: number): void {
  for (const [above, { count }] of row.dependants) if (isPending(above)) book.unblock(above, count, now);
}

/** Fails what waits for these jobs, which ended otherwise than done, and so on up, and releases what tolerates it; returns those failed, nearest first. */
export function failAbove(book: Book, rows: readonly Row[], now: number): Ended[] {
  const failed: Ended[] = [];
  const queue = [...rows];
  // The list grows while it is walked.
  for (const row of queue) {
    for (const [above, need] of row.dependants) {
      if (!isPending(above)) continue;
      if (need.isTolerant) {
        book.unblock(above, need.count, now);
        continue;
      }
      above.job.cause = row.job.cause ?? row.job.id;
      book.end(above, "failed", now);
      failed.push(toEnded(above));
      queue.push(above);
    }
  }
  return failed;
}
