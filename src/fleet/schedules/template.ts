// The jobs that each tick makes anew. The call was laid out as rows when the schedule was defined, so that whatever is wrong with it
// showed then, and so that a worker can fire a tick of tasks it does not know. What a tick decides is left open: ids and times.
import { UsageError } from "../../core/errors.ts";
import type { NewJob } from "../../store/job.ts";
import type { Call } from "../../task/call.ts";
import { flatten } from "../../task/call.ts";
import { partId } from "../../task/scheduled.ts";
import { definitionOf } from "../../task/task.ts";
import type { Plan } from "../plan.ts";
import { renameAbove } from "../policy.ts";

type Open = "id" | "root" | "parent" | "trace" | "submittedAt" | "dueAt" | "expiresAt" | "dependsOn" | "tolerates";

/** A job of a tick: dependencies by their position, times counted from the moment it is fired. */
export interface TickJob extends Omit<NewJob, Open> {
  readonly delayMs: number | null;
  readonly expiresMs: number | null;
  readonly dependsOn: readonly number[];
  readonly tolerates: readonly number[];
}

function refuseTimes(call: Call<unknown>, where: string): void {
  for (const { call: each } of flatten(call)) {
    const { name, policy } = definitionOf(each.task);
    if (policy.at === undefined) continue;
    throw new UsageError(
      `${where}: task "${name}" has a fixed time ("at"), which is the same for every tick. Use "delay", or { at } as when.`,
    );
  }
}

/** The rows of a plan laid out at `now`, as those of any tick. Throws {@link UsageError} for a task with a fixed time. */
export function templateOf(call: Call<unknown>, { jobs }: Plan, now: number, where: string): readonly TickJob[] {
  refuseTimes(call, where);
  const positions = new Map(jobs.map(({ id }, index) => [id, index] as const));
  const places = new Map(jobs.map(({ id }, index) => [id, String(index)] as const));
  const since = (time: number | null): number | null => (time === null ? null : time - now);
  return jobs.map(({ id: _id, root: _root, parent: _parent, trace: _trace, submittedAt: _at, dueAt, expiresAt, ...job }) => ({
    ...job,
    policy: renameAbove(job.policy, places),
    delayMs: since(dueAt),
    expiresMs: since(expiresAt),
    dependsOn: job.dependsOn.map((id) => positions.get(id) as number),
    tolerates: job.tolerates.map((id) => positions.get(id) as number),
  }));
}

/** The jobs of a tick that is fired at `now`; the last has this id. */
export function jobsOf(template: readonly TickJob[], root: string, now: number): NewJob[] {
  const ids = template.map((_, index) => (index === template.length - 1 ? root : partId(root, index + 1)));
  const names = new Map(ids.map((id, index) => [String(index), id] as const));
  return template.map(({ delayMs, expiresMs, ...job }, index) => ({
    ...job,
    id: ids[index] as string,
    policy: renameAbove(job.policy, names),
    root,
    parent: null,
    trace: null,
    submittedAt: now,
    dueAt: delayMs === null ? null : now + delayMs,
    expiresAt: expiresMs === null ? null : now + expiresMs,
    dependsOn: job.dependsOn.map((position) => ids[position] as string),
    tolerates: job.tolerates.map((position) => ids[position] as string),
  }));
}
