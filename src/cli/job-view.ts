// How a stored job is shown: as JSON for programs (times as ISO texts), or as texts for people.
import { inspect } from "node:util";
import { showMs } from "../core/durations.ts";
import type { JobInfo } from "../fleet/job-info.ts";
import type { Unmatched } from "../fleet/worker-info.ts";
import { describeError, errorJson } from "./json.ts";

/** A time as an ISO text, null when it has not come. */
export function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** The job for programs: the fields of JobInfo, times as ISO texts. Fields that do not apply are left out or null. */
export function jobJson(job: JobInfo): Record<string, unknown> {
  const times = {
    submittedAt: iso(job.submittedAt),
    dueAt: iso(job.dueAt),
    expiresAt: iso(job.expiresAt),
    readyAt: iso(job.readyAt),
    startedAt: iso(job.startedAt),
    endedAt: iso(job.endedAt),
    cancelAt: iso(job.cancelAt),
  };
  // A task without a result has the result null; a job that is not done has none.
  const result = job.state === "done" && (job.problem ?? job.sealed) === undefined ? (job.result ?? null) : undefined;
  return { ...job, ...times, result, error: job.error === undefined ? undefined : errorJson(job.error) };
}

/** How long the last attempt took, or has been running. */
export function ranMs(job: JobInfo, now: number): number | undefined {
  if (job.startedAt === null) return undefined;
  if (job.endedAt !== null) return Math.max(0, job.endedAt - job.startedAt);
  return job.state === "running" ? Math.max(0, now - job.startedAt) : undefined;
}

/** A time in the past or the future, in words. */
export function showAgo(at: number, now: number): string {
  return at <= now ? `${showMs(now - at)} ago` : `in ${showMs(at - now)}`;
}

/** What is shown in place of a value that cannot be opened. */
export const sealedValue = "<sealed>";

/** The one thing worth saying about a job in a table. */
export function remark(job: JobInfo): string {
  if (job.problem !== undefined) return job.problem;
  if (job.sealed !== undefined && job.state !== "done") return sealedValue;
  if (job.cause !== null) return `job ${job.cause} failed`;
  if (job.error !== undefined && job.state !== "done") return describeError(job.error);
  if (job.cancelReason !== null) return job.cancelReason;
  if (job.gate !== null) return `waits for the limit ${job.gate}`;
  if (job.state === "blocked") return `waits for ${job.pending} of ${job.dependencies}`;
  if (job.state === "running" && job.progress) {
    const { fraction, note } = job.progress;
    return `${Math.round(fraction * 100)} %${note === undefined ? "" : ` ${note}`}`;
  }
  return "";
}

/** Why a job waits in vain. */
export function lackText({ requires, lacks }: Unmatched): string {
  if (lacks === "queue") return "no worker takes from that queue";
  if (lacks === "task") return "no worker of that queue knows the task";
  return `no worker of that queue has ${JSON.stringify(requires)}`;
}

/** What waits in vain, and why. */
export function unmatchedText(found: Unmatched): string {
  return `Jobs of "${found.task}" in queue "${found.queue}" wait in vain: ${lackText(found)}.`;
}

/** A value laid out for people. */
export function showValue(value: unknown, colors: boolean): string {
  return inspect(value, { colors, depth: 8, maxArrayLength: 200, maxStringLength: 20_000, compact: 3, breakLength: 100 });
}
