// Which jobs a client means: a filter, checked, since what was meant to narrow a choice must never select everything.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions, didYouMean } from "../core/suggest.ts";
import type { JobFilter, Page } from "../store/store.ts";
import { jobStates } from "../task/state.ts";

/** Which jobs to list, newest first. */
export interface JobQuery extends JobFilter {
  /** At most this many; default 100. */
  readonly limit?: number;
  /** Only jobs submitted before the one with this id: the next page. */
  readonly before?: string;
}

const filterKeys = ["ids", "states", "queue", "task", "root"];

/** The id of a job or a worker. Throws UsageError for what is no text: stores would look for something else, or for nothing. */
export function checkId(id: unknown, where: string): string {
  if (typeof id === "string") return id;
  throw new UsageError(`${where} takes an id, a text, found ${show(id)}.`);
}

/** The filter. Throws UsageError for one that cannot be meant so. */
export function checkFilter(filter: JobFilter, where: string): JobFilter {
  checkOptions(filter ?? null, filterKeys, where);
  for (const [key, value] of Object.entries(filter)) {
    if (value === undefined)
      throw new UsageError(`${where}: ${key} is undefined. Leave it out to select jobs whatever their ${key}.`);
  }
  for (const key of ["ids", "states"] as const) {
    const { [key]: texts = [] } = filter;
    if (!Array.isArray(texts)) throw new UsageError(`${where}: ${key} must be a list, found ${show(texts)}.`);
    const other = texts.findIndex((each) => typeof each !== "string");
    if (other >= 0) throw new UsageError(`${where}: ${key}[${other}] must be a text, found ${show(texts[other])}.`);
  }
  for (const key of ["queue", "task", "root"] as const) {
    const { [key]: text = "" } = filter;
    if (typeof text !== "string") throw new UsageError(`${where}: ${key} must be a text, found ${show(text)}.`);
  }
  for (const state of filter.states ?? []) {
    if (!jobStates.includes(state))
      throw new UsageError(`${where}: there is no state ${show(state)}. ${didYouMean(state, jobStates)}`);
  }
  return filter;
}

/** What `jobs()` is asked for. Throws UsageError for what cannot be meant so. */
export function checkQuery(query: JobQuery): { readonly filter: JobFilter; readonly page: Page } {
  checkOptions(query ?? null, [...filterKeys, "limit", "before"], "jobs()");
  const { limit = 100, before, ...filter } = query;
  checkFilter(filter, "jobs()");
  checkInteger(limit, "jobs() limit", 1, 100_000);
  return { filter, page: { limit, ...(before !== undefined && { before: checkId(before, "jobs() before") }) } };
}

/** One job by its id, or those that a filter selects. */
export function chosen(which: string | JobFilter, where: string): JobFilter {
  if (typeof which === "string") return { ids: [which] };
  if (typeof which === "object" && which !== null && !Array.isArray(which)) return checkFilter(which, where);
  throw new UsageError(`${where} takes the id of a job, or a filter such as { queue: "mail" }, found ${show(which)}.`);
}

/** For who names a job that the store does not have. */
export function noSuchJob(id: string): UsageError {
  return new UsageError(`There is no job ${show(id)} in this store. Ended jobs are deleted when their "keep" is over.`);
}
