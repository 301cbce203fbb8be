// What people do to jobs: cancel, retry, remove.
import { isFinal } from "../../task/state.ts";
import { cancelJobs } from "../cancellation.ts";
import { isHeld, retryableStates } from "../machine.ts";
import { revivals } from "../revival.ts";
import type { Cancelled, Changes, JobFilter } from "../store.ts";
import type { Book } from "./book.ts";
import { failAbove } from "./ends.ts";
import type { Row } from "./row.ts";
import { isNeeded } from "./row.ts";
import { select } from "./select.ts";

interface Live {
  readonly id: string;
  readonly state: Row["job"]["state"];
  readonly row: Row;
}

function live(row: Row): Live {
  return { id: row.job.id, state: row.job.state, row };
}

/** Cancels jobs; see `Store.cancel`. */
export function cancel(book: Book, filter: JobFilter, reason: string | null, now: number): Cancelled {
  const chosen = select(book, filter).filter(({ job }) => !isFinal(job.state));
  return cancelJobs(chosen.map(live), {
    end: ({ row }) => {
      row.job.cancelReason = reason;
      book.end(row, "cancelled", now);
    },
    isAsked: ({ row }) => isHeld(row.job) || (row.job.fence > 0 && book.hasUndo(row.job.id)),
    request: ({ row }) => {
      if (!isHeld(row.job)) book.wakeToUndo(row, reason, now);
      else if (row.job.cancelAt === null) Object.assign(row.job, { cancelAt: now, cancelReason: reason });
    },
    failAbove: (ended) =>
      failAbove(
        book,
        ended.map(({ row }) => row),
        now,
      ).map(({ id }) => id),
    below: (rows) =>
      [...new Set(rows.flatMap(({ row }) => row.dependsOn))]
        .filter(({ job, removed }) => !removed && !isFinal(job.state) && job.root !== job.id)
        .map(live),
    isNeeded: ({ row }) => isNeeded(row),
  });
}

/** Makes ended jobs live again; see `Store.retry`. */
export function retry(book: Book, filter: JobFilter, now: number): string[] {
  const chosen = select(book, filter).filter(({ job }) => retryableStates.includes(job.state));
  const planned = revivals(
    chosen.map(({ job }) => job.id),
    {
      holder: (key) => book.holders.get(key)?.job.id,
      find: (id) => {
        const row = book.rows.get(id);
        if (!row) return undefined;
        const { state, uniqueKey, dependencies } = row.job;
        const dependsOn = row.dependsOn.filter(({ removed }) => !removed).map(({ job }) => job.id);
        return { id, state, uniqueKey, dependencies, dependsOn };
      },
    },
  );
  for (const { id, pending } of planned) book.revive(book.rows.get(id) as Row, pending, now);
  return planned.map(({ id }) => id);
}

/** Changes waiting jobs; see `Store.change`. */
export function change(book: Book, filter: JobFilter, changes: Changes, now: number): string[] {
  const chosen = select(book, filter).filter(({ job }) => {
    const isNew = job.fence === 0 && job.dependencies === 0;
    return ["blocked", "scheduled", "ready"].includes(job.state) && (isNew || changes.call === undefined);
  });
  for (const row of chosen) book.change(row, changes, now);
  return chosen.map(({ job }) => job.id);
}

/** Deletes ended jobs no live one needs; returns how many. */
export function remove(book: Book, filter: JobFilter): number {
  const chosen = select(book, filter).filter((row) => isFinal(row.job.state) && !isNeeded(row));
  for (const row of chosen) book.remove(row);
  return chosen.length;
}
