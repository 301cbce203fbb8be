// The upkeep: lost workers, late jobs, due jobs, jobs kept long enough; in this order, see `Store.tend`.
import type { Ended } from "../job.ts";
import { reprieveMs } from "../machine.ts";
import type { Tended } from "../store.ts";
import type { Book } from "./book.ts";
import { failAbove } from "./ends.ts";
import { isNeeded, toEnded } from "./row.ts";
import { takeBack } from "./settle.ts";

function recover(book: Book, now: number, ended: Ended[]): Pick<Tended, "recovered" | "lost"> {
  const lost = [...book.members.values()]
    .filter(({ leaseUntil }) => leaseUntil <= now)
    .sort((a, b) => a.leaseUntil - b.leaseUntil || (a.worker.id < b.worker.id ? -1 : 1));
  let recovered = 0;
  for (const { worker, running } of lost) {
    recovered += running.size;
    for (const each of takeBack(book, running, "lost", now)) ended.push(each);
    book.members.delete(worker.id);
  }
  return { recovered, lost: lost.map(({ worker }) => worker.id) };
}

function expire(book: Book, now: number, limit: number, ended: Ended[]): void {
  const rows = book.expiring.takeUpTo(now, limit);
  for (const row of rows) {
    book.end(row, "expired", now);
    ended.push(toEnded(row));
  }
  for (const each of failAbove(book, rows, now)) ended.push(each);
}

function prune(book: Book, now: number, limit: number): number {
  let pruned = 0;
  for (const row of book.ended.takeUpTo(now, limit)) {
    if (isNeeded(row)) {
      book.keepUntil(row, now + reprieveMs(row.job.keepMs));
      continue;
    }
    book.remove(row);
    pruned += 1;
  }
  return pruned;
}

/** See `Store.tend`. */
export function tend(book: Book, now: number, limit: number): Tended {
  const ended: Ended[] = [];
  const { recovered, lost } = recover(book, now, ended);
  expire(book, now, limit, ended);
  const due = book.scheduled.takeUpTo(now, limit);
  for (const row of due) book.promote(row, now);
  book.gates.lookAtDue(now, limit);
  book.openGates(now);
  const pruned = prune(book, now, limit);
  book.events.prune(now, limit * 10);
  const nextDueAt = Math.min(book.scheduled.head()?.order ?? Infinity, book.gates.nextAt ?? Infinity);
  return { promoted: due.length, recovered, pruned, ended, lost, nextDueAt: nextDueAt === Infinity ? null : nextDueAt };
}
