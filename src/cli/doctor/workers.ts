// Is every worker that is listed alive, and what do they run?
import { hostname } from "node:os";
import { showMs } from "../../core/durations.ts";
import type { JobInfo } from "../../fleet/job-info.ts";
import type { StoredWorker } from "../../store/store.ts";
import { iso } from "../job-view.ts";
import { isDead } from "../process.ts";
import { plural, showCount } from "../table.ts";
import type { Findings, Scene } from "./findings.ts";

/** Running jobs are looked at up to this number. */
const mostRunning = 10_000;
/** A job that runs for longer may be meant to, or may hang. */
const longMs = 3_600_000;
const mostNamed = 5;

/** A worker and where it runs. */
export function nameOf({ id, pid, host }: StoredWorker): string {
  return `Worker ${id} (process ${pid} on ${host})`;
}

function describe(worker: StoredWorker, now: number): string {
  const { id, pid, host, queues, running, leaseUntil } = worker;
  const lease = leaseUntil > now ? `lease ${showMs(leaseUntil - now)}` : "lease run out";
  return `${id}, process ${pid} on ${host}, ${queues.join(" ")}, ${showCount(running)} running, ${lease}`;
}

/** Who works, and who should but does not live. */
export function lookAtWorkers(findings: Findings, { workers, now }: Scene): void {
  findings.json["workers"] = workers.map((worker) => ({
    ...worker,
    startedAt: iso(worker.startedAt),
    leaseUntil: iso(worker.leaseUntil),
  }));
  findings.facts.push(["workers", workers.map((worker) => describe(worker, now)).join("\n") || "none"]);
  for (const worker of workers) {
    const problem = lifeProblem(worker, now);
    if (problem !== undefined) findings.problems.push(problem);
  }
}

function lifeProblem(worker: StoredWorker, now: number): string | undefined {
  const left = worker.leaseUntil - now;
  const jobs = plural(worker.running, "job");
  if (left <= 0) {
    const since = showMs(-left);
    return `${nameOf(worker)} has not renewed its lease, which ran out ${since} ago: it has died, hangs, or cannot reach the store. Restart it; what it ran (${jobs}) is given to others.`;
  }
  if (worker.host !== hostname() || !isDead(worker.pid)) return undefined;
  return `Worker ${worker.id} (process ${worker.pid}) has died; what it ran (${jobs}) is given to others when its lease runs out in ${showMs(left)}.`;
}

/** Jobs that nobody runs any more, and jobs that run for very long. */
export async function lookAtRunning(findings: Findings, { hands, workers, now }: Scene): Promise<void> {
  const running = await hands.jobs({ states: ["running"], limit: mostRunning });
  const lostBy = (known: readonly StoredWorker[]): readonly JobInfo[] => {
    const listed = new Set(known.map(({ id }) => id));
    return running.filter(({ worker }) => worker === null || !listed.has(worker));
  };
  let lost = lostBy(workers);
  // Their workers may have joined since the others were listed.
  if (lost.length > 0) lost = lostBy([...workers, ...(await hands.workers())]);
  const long = running.filter(({ startedAt }) => startedAt !== null && startedAt < now - longMs);
  findings.json["lostJobs"] = lost.length;
  findings.json["longJobs"] = long.map(({ id, task, worker, startedAt }) => ({ id, task, worker, startedAt: iso(startedAt) }));
  if (lost.length > 0) {
    findings.problems.push(
      `${plural(lost.length, "running job")} belong to workers whose lease has run out. The next worker that starts gives them out again: manyhands worker <module>.`,
    );
  }
  if (long.length > 0) {
    const oldestFirst = long.toSorted((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
    const named = oldestFirst.slice(0, mostNamed).map(({ id, worker }) => `${id} on worker ${worker}`);
    const verb = long.length === 1 ? "has" : "have";
    findings.hints.push(
      `${plural(long.length, "job")} ${verb} been running for more than an hour: ${named.join(", ")}${long.length > mostNamed ? ", …" : ""}. ` +
        "If they hang, cancel them (manyhands cancel <id>) and give their task a timeout.",
    );
  }
}
