// Which jobs a command is about: ids, or filters. A command that changes jobs never takes all of them for want of a word: that
// needs --all.
import type { Command } from "commander";
import { UsageError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Hands } from "../fleet/hands.ts";
import type { JobFilter } from "../store/store.ts";
import type { JobState } from "../task/state.ts";
import { jobStates } from "../task/state.ts";
import { list } from "./command.ts";

/** Options that select jobs. */
export interface FilterOptions {
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly task?: string;
  readonly root?: string;
}

/** Adds the options that select jobs. */
export function withFilterOptions(command: Command): Command {
  return command
    .option("--state <states>", `only jobs in these states: ${jobStates.join(", ")}`, list)
    .option("--queue <name>", "only jobs of this queue")
    .option("--task <name>", "only jobs of this task")
    .option("--root <id>", "only the jobs of this call: itself and those nested in it");
}

/** The filter the options ask for. Throws UsageError for a state there is not. */
export function filterOf({ state, queue, task, root }: FilterOptions): JobFilter {
  for (const each of state ?? []) {
    if (!(jobStates as readonly string[]).includes(each)) {
      throw new UsageError(`There is no state "${each}". ${didYouMean(each, jobStates)}`);
    }
  }
  return {
    ...(state !== undefined && { states: state as readonly JobState[] }),
    ...(queue !== undefined && { queue }),
    ...(task !== undefined && { task }),
    ...(root !== undefined && { root }),
  };
}

/** The jobs a changing command is about. Rejects with UsageError when none are named, or an id is not in the store. */
export async function select(
  hands: Hands,
  ids: readonly string[],
  options: FilterOptions & { readonly all?: boolean },
): Promise<JobFilter> {
  const filter = filterOf(options);
  const filtered = Object.keys(filter).length > 0;
  if (ids.length === 0) {
    if (filtered || options.all) return filter;
    throw new UsageError("Say which jobs: their ids, filters (--state, --queue, --task, --root), or --all.");
  }
  if (filtered || options.all) throw new UsageError("Give either ids or filters, not both.");
  const found = new Set((await hands.jobs({ ids, limit: ids.length })).map(({ id }) => id));
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length === 0) return { ids };
  const named = `${missing.length === 1 ? "is no job" : "are no jobs"} ${missing.slice(0, 10).join(", ")}`;
  throw new UsageError(`There ${named} in this store. "manyhands jobs" lists those there are.`);
}
