// Does work wait, and why? A queue is behind when its oldest ready job has waited for long although workers serve it: because they
// are busy, because none of them knows the task, or because one that has nothing to do does not take it, and so is stuck.
import { showMs } from "../../core/durations.ts";
import { sleep } from "../../core/runtime.ts";
import type { JobInfo } from "../../fleet/job-info.ts";
import { takesFrom } from "../../fleet/queue-choice.ts";
import type { WorkerInfo } from "../../fleet/worker-info.ts";
import type { QueueStats } from "../../store/store.ts";
import { meets } from "../../task/requires.ts";
import { unmatchedText } from "../job-view.ts";
import { isRecordQueue } from "../map/record-queue.ts";
import { plural } from "../table.ts";
import type { Findings, Scene } from "./findings.ts";
import { nameOf } from "./workers.ts";

/** An idle worker takes a ready job within milliseconds, or where it is not woken within seconds. */
const behindMs = 60_000;
/** A worker that has just started may not have claimed yet. */
const startMs = 10_000;
/** Of the jobs that wait in a queue that is behind, the newest so many are looked at for their tasks. */
const mostLooked = 1000;
/** Whoever seems stuck is looked at again after this: its queue may have been resumed just now. */
const lookAgainMs = 3000;

/** A worker that runs nothing, and the job it should have taken. */
interface Suspicion {
  readonly worker: WorkerInfo;
  readonly job: JobInfo;
}

/** For how long the oldest ready job of a queue has waited; null when none is ready. */
export function waitedMs({ oldestReadyAt }: QueueStats, now: number): number | null {
  return oldestReadyAt === null ? null : Math.max(0, now - oldestReadyAt);
}

function showQueue(stats: QueueStats, now: number): string {
  const { queue, counts, paused } = stats;
  const wait = waitedMs(stats, now);
  const waiting = wait === null ? "" : `, the oldest for ${showMs(wait)}`;
  return `${queue}: ${plural(counts.running, "job")} running, ${counts.ready} ready${waiting}${paused ? ", paused" : ""}`;
}

/** What waits where, and what keeps it waiting. */
export async function lookAtQueues(findings: Findings, scene: Scene): Promise<void> {
  const { queues, now } = scene;
  const live = queues.filter(({ counts }) => counts.ready + counts.running > 0);
  findings.json["queues"] = queues.map((stats) => ({ ...stats, waitedMs: waitedMs(stats, now) }));
  findings.facts.push(["queues", live.map((stats) => showQueue(stats, now)).join("\n") || "no job is ready or running"]);
  const suspicions = new Map<string, Suspicion>();
  for (const stats of live) if (stats.counts.ready > 0 && !stats.paused) await lookAtQueue(findings, scene, stats, suspicions);
  for (const each of queues.flatMap(({ unmatched }) => unmatched))
    if (each.lacks === "labels") findings.hints.push(unmatchedText(each));
  const stuck = await confirmed(scene, [...suspicions.values()]);
  findings.json["stuckWorkers"] = stuck.map(({ worker }) => worker.id);
  for (const { worker, job } of stuck) {
    const waited = showMs(now - (job.readyAt ?? now));
    findings.problems.push(
      `${nameOf(worker)} is stuck: it runs nothing, and job ${job.id} ("${job.task}" in queue "${job.queue}") has waited for ${waited}. Restart it.`,
    );
  }
}

/** Those that still run nothing a while later, while their job still waits. */
async function confirmed({ hands, runtime }: Scene, suspicions: readonly Suspicion[]): Promise<readonly Suspicion[]> {
  if (suspicions.length === 0) return [];
  await sleep(runtime, lookAgainMs);
  const jobs = await hands.jobs({ ids: suspicions.map(({ job }) => job.id), states: ["ready"] });
  const workers = await hands.workers();
  return suspicions.filter(({ worker, job }) => {
    return jobs.some(({ id }) => id === job.id) && workers.some(({ id, running }) => id === worker.id && running === 0);
  });
}

async function lookAtQueue(
  findings: Findings,
  { hands, workers, now }: Scene,
  stats: QueueStats,
  suspicions: Map<string, Suspicion>,
): Promise<void> {
  const { queue, counts } = stats;
  const serving = workers.filter(({ queues, leaseUntil }) => takesFrom(queues, queue) && leaseUntil > now);
  if (serving.length === 0) {
    const what = isRecordQueue(queue) ? " It belongs to an interrupted map: the same command goes on with it." : "";
    findings.hints.push(`Queue "${queue}" has ${plural(counts.ready, "job")} waiting and no worker.${what}`);
    return;
  }
  const wait = waitedMs(stats, now) ?? 0;
  if (wait < behindMs) return;
  const newest = await hands.jobs({ queue, states: ["ready"], limit: mostLooked });
  const late = newest.filter(({ readyAt }) => readyAt !== null && readyAt <= now - behindMs);
  const idle = serving.filter(({ running, startedAt }) => running === 0 && startedAt <= now - startMs);
  const unknown = unknownTasks(late, serving);
  const suspected = idle.flatMap((worker) => {
    const job = late.find((each) => mayTake(worker, each));
    return job ? { worker, job } : [];
  });
  for (const each of suspected) suspicions.set(each.worker.id, each);
  const behind = `Queue "${queue}" is behind: its oldest ready job has waited for ${showMs(wait)}`;
  if (unknown.length > 0) {
    findings.problems.push(`${behind}, and no worker of it knows ${unknown.join(", ")}. Start one that does, with its module.`);
  } else if (suspected.length === 0) {
    const all = serving.length === 1 ? "its worker is" : `its ${serving.length} workers are`;
    findings.hints.push(
      `${behind}, and ${idle.length === 0 ? all : "those of its workers that know what waits are"} busy. Start more.`,
    );
  }
}

function mayTake({ tasks, labels }: WorkerInfo, { task, requires }: JobInfo): boolean {
  return tasks.includes(task) && meets(requires === null ? "" : JSON.stringify(requires), labels);
}

function unknownTasks(late: readonly JobInfo[], serving: readonly WorkerInfo[]): string[] {
  const known = new Set(serving.flatMap(({ tasks }) => tasks));
  return [...new Set(late.map(({ task }) => task))].filter((task) => !known.has(task)).map((task) => `the task "${task}"`);
}
