// Whole rows out and in.
import type { StoredJob } from "../job.ts";
import { landings } from "../landing.ts";
import { fitting } from "../part.ts";
import type { Dump } from "../store.ts";
import type { Book } from "./book.ts";
import type { Row } from "./row.ts";
import { toJob } from "./row.ts";

function toStored(row: Row): StoredJob {
  const dependsOn = row.dependsOn.map(({ job, removed }) => (removed ? null : job.id));
  return { ...toJob(row), dependsOn, uniqueUntil: row.uniqueUntil };
}

/** See `Store.dump`. */
export function dump({ rows }: Book, after: string | null, limit: number): Dump {
  const rest = [...rows.values()].filter(({ seq }) => seq > Number(after));
  const lengths = rest.slice(0, limit).map(({ job: { args, result, error } }) => {
    return args.length + (result?.length ?? 0) + (error?.length ?? 0);
  });
  const part = rest.slice(0, fitting(lengths));
  return { jobs: part.map(toStored), next: rest.length > part.length ? String(part.at(-1)?.seq ?? after) : null };
}

/** See `Store.load`. */
export function load(book: Book, jobs: readonly StoredJob[], now: number): number {
  const landed = landings(jobs, now, {
    find: (id) => book.rows.get(id)?.job,
    holder: (key) => book.holders.get(key)?.job.id,
  });
  for (const landing of landed) book.land(landing);
  return landed.length;
}
