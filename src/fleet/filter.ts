// Which jobs a client means: a filter, checked, since what was meant to narrow a choice must never select everything.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkOptions, didYouMean } from "../core/suggest.ts";
import type { JobFilter } from "../store/store.ts";
import { jobStates } from "../task/state.ts";

/** Which jobs to list, newest first. */
export interface JobQuery extends JobFilter {
  /** At most this many; default 100. */
  readonly limit?: number;
  /** Only jobs submitted before the one with this id: the next page. */
  readonly before?: string;
}

const filterKeys = ["ids", "states", "queue", "task", "root"];

/** The filter. Throws UsageError for one that cannot be meant so. */
export function checkFilter(filter: JobFilter, where: string): JobFilter {
  checkOptions(filter ?? null, filterKeys, where);
  for (const [key, value] of Object.entries(filter)) {
    if (value === undefined)
      throw new UsageError(`${where}: ${key} is undefined. Leave it out to select jobs whatever their ${key}.`);
    if ((key === "ids" || key === "states") && !Array.isArray(value))
      throw new UsageError(`${where}: ${key} must be a list, found ${show(value)}.`);
  }
  for (const state of filter.states ?? []) {
    if (!jobStates.includes(state))
      throw new UsageError(`${where}: there is no state ${show(state)}. ${didYouMean(state, jobStates)}`);
  }
  return filter;
}

/** One job by its id, or those that a filter selects. */
export function chosen(which: string | JobFilter, where: string): JobFilter {
  return typeof which === "string" ? { ids: [which] } : checkFilter(which, where);
}

/** For who names a job that the store does not have. */
export function noSuchJob(id: string): UsageError {
  return new UsageError(`There is no job ${show(id)} in this store. Ended jobs are deleted when their "keep" is over.`);
}
