// Whole rows out and in.
import type { StoredJob } from "../job.ts";
import { landings } from "../landing.ts";
import { fitting } from "../part.ts";
import type { Dump } from "../store.ts";
import type { Book } from "./book.ts";
import type { Row } from "./row.ts";
import { toJob } from "./row.ts";

function toStored({ records }: Book, row: Row): StoredJob {
  const dependsOn = row.dependsOn.map(({ job, removed }) => (removed ? null : job.id));
  const tolerates = [...new Set(dependsOn.filter((id, place) => id !== null && row.tolerant[place] === true))] as string[];
  return { ...toJob(row), dependsOn, tolerates, uniqueUntil: row.uniqueUntil, records: records.list(row.job.id) };
}

/** See `Store.dump`. */
export function dump(book: Book, after: string | null, limit: number): Dump {
  const rest = [...book.rows.values()].filter(({ seq }) => seq > Number(after));
  const lengths = rest.slice(0, limit).map(({ job: { id, args, result, error } }) => {
    const records = book.records.list(id).reduce((sum, { text }) => sum + text.length, 0);
    return args.length + (result?.length ?? 0) + (error?.length ?? 0) + records;
  });
  const part = rest.slice(0, fitting(lengths));
  return {
    jobs: part.map((row) => toStored(book, row)),
    next: rest.length > part.length ? String(part.at(-1)?.seq ?? after) : null,
  };
}

/** See `Store.load`. */
export function load(book: Book, jobs: readonly StoredJob[], now: number): number {
  const landed = landings(jobs, now, {
    find: (id) => book.rows.get(id)?.job,
    holder: (key) => book.holders.get(key)?.job.id,
  });
  for (const landing of landed) book.land(landing, now);
  return landed.length;
}
