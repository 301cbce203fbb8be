// The gates of a job: its task's limits, with the keys that its arguments give. Their names are for people too, who see them where a
// job waits: `concurrency/send`, `rate/send/tenant-7`, `fair/send/tenant-7`.
import type { Gate } from "../store/job.ts";
import { keyOf } from "../task/key.ts";
import type { Limit } from "../task/limits.ts";
import type { Definition } from "../task/task.ts";

/** No two names come to the same gate: the part before the key has no slash. */
function gateName({ kind, name }: Limit, task: string, key: string | undefined): string {
  const whose = (name ?? task).replaceAll("%", "%25").replaceAll("/", "%2F");
  return key === undefined ? `${kind}/${whose}` : `${kind}/${whose}/${key}`;
}

/** The gates of a job of this task with these arguments. Throws UsageError when a key or a weight is none. */
export function gatesOf(definition: Definition, args: readonly unknown[]): readonly Gate[] {
  // A chunk passes the gates of the task that it is made of.
  const { name } = definition.each ?? definition;
  return definition.policy.limits.map((limit) => {
    const { kind, room, everyMs, until } = limit;
    const key = limit.key === undefined ? undefined : keyOf(limit.key, args, `${kind}.key of task "${name}"`);
    const width = typeof room === "function" ? (room as (...args: readonly unknown[]) => number)(...args) : room;
    return { name: gateName(limit, name, key), room: width, everyMs, until };
  });
}
