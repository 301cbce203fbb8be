// Listing many jobs a page at a time, so that memory holds one page whatever their number.
import { SealError } from "../../core/errors.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { JobInfo } from "../../fleet/job-info.ts";
import type { JobFilter } from "../../store/store.ts";

/** The jobs the filter selects, newest first, `limit` a page. Jobs of a page may be removed before the next is asked for. */
export async function* pagesOf(hands: Hands, filter: JobFilter, limit: number): AsyncGenerator<readonly JobInfo[]> {
  let before: string | undefined;
  do {
    const jobs = await hands.jobs({ ...filter, limit, ...(before !== undefined && { before }) });
    yield jobs;
    before = jobs.length < limit ? undefined : jobs.at(-1)?.id;
  } while (before !== undefined);
}

/** What is recorded is neither printed nor dropped unread. Throws a SealError where some of it cannot be opened. */
export function checkOpened(jobs: readonly JobInfo[]): void {
  const unread = jobs.find(({ sealed }) => sealed !== undefined);
  if (!unread) return;
  throw new SealError(`What an earlier run has recorded cannot be read. ${unread.sealed} Or run everything again: --fresh.`);
}
