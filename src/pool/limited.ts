// What a pool does with limits: it refuses them. They are about a fleet, whose store counts; a pool that counted only what it runs itself
// would not keep what the task's author relies on, and one that passed over them would break it.
import { UsageError } from "../core/errors.ts";
import type { Policy } from "../task/options.ts";
import type { Definition } from "../task/task.ts";

function limitOf({ throttleMs, debounce, limits }: Policy): string | undefined {
  if (throttleMs > 0) return "throttle";
  return debounce ? "debounce" : limits.find(({ kind }) => kind !== "fair")?.kind;
}

/** Throws {@link UsageError} for a task with limits that only a fleet keeps. Even shares between keys are no limit: a pool keeps the order of the calls. */
export function refuseLimited({ name, policy }: Definition, pool: string): void {
  const limited = limitOf(policy);
  if (limited === undefined) return;
  throw new UsageError(
    `Task "${name}" has a "${limited}", which a fleet's store keeps and ${pool} cannot. Submit it to a fleet (connect("memory:") needs no ` +
      `server), or without it: task.with({ ${limited}: undefined }).`,
  );
}
