// A worker as people and programs look at it, and what waits because no worker fits it.
import type { QueueStats, ReadyLine, StoredWorker } from "../store/store.ts";
import { groupTask } from "../task/flow.ts";
import type { Labels, Requires } from "../task/requires.ts";
import { meets, nameOf, readRequires, requiresOf } from "../task/requires.ts";
import { takesFrom } from "./queue-choice.ts";

/** A worker of the fleet. `queues` holds names, and patterns in which * stands for any text. */
export interface WorkerInfo extends StoredWorker {
  /** What it says it has; see the option `labels` of `hands.work()`. */
  readonly labels: Labels;
}

/** Ready jobs that no live worker of the fleet may take. */
export interface Unmatched {
  readonly queue: string;
  readonly task: string;
  readonly requires: Requires | null;
  /** What is missing: no worker takes from the queue, none of those knows the task, or none of those has what it requires. */
  readonly lacks: "queue" | "task" | "labels";
}

/** A queue with its numbers. */
export interface QueueInfo extends QueueStats {
  /** Ready jobs of this queue that no live worker may take; empty when all is well. */
  readonly unmatched: readonly Unmatched[];
}

/** Of so many tasks in queues it is looked whether a worker takes them. */
export const mostLines = 10_000;

/** What a worker announces as its tasks: their names, and what it has. */
export function announced(tasks: readonly string[], labels: Labels): readonly string[] {
  return Object.keys(labels).length === 0 ? tasks : [...tasks, `\n${JSON.stringify(labels)}`];
}

/** The worker with its labels. */
export function workerInfo(worker: StoredWorker): WorkerInfo {
  const said = worker.tasks.find((text) => text.startsWith("\n"));
  const labels = (said === undefined ? {} : (readRequires(said.slice(1)) ?? {})) as Labels;
  return { ...worker, tasks: worker.tasks.filter((text) => text !== said), labels };
}

function lacks({ queue, task }: ReadyLine, workers: readonly WorkerInfo[]): Unmatched["lacks"] | undefined {
  const taking = workers.filter(({ queues }) => takesFrom(queues, queue));
  if (taking.length === 0) return "queue";
  // A group of calls is a job that every worker knows.
  const knowing = taking.filter(({ tasks }) => nameOf(task) === groupTask.name || tasks.includes(nameOf(task)));
  if (knowing.length === 0) return "task";
  return knowing.some(({ labels }) => meets(requiresOf(task), labels)) ? undefined : "labels";
}

/** Those of the lines that none of the workers whose lease holds at `now` may take from. */
export function unmatched(lines: readonly ReadyLine[], workers: readonly WorkerInfo[], now: number): readonly Unmatched[] {
  const live = workers.filter(({ leaseUntil }) => leaseUntil > now);
  return lines.flatMap((line) => {
    const missing = lacks(line, live);
    if (missing === undefined) return [];
    return { queue: line.queue, task: nameOf(line.task), requires: readRequires(requiresOf(line.task)) ?? null, lacks: missing };
  });
}
