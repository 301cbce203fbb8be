// One run at a time: two runs of the same map would each submit what the other does already. A run announces itself as a worker
// of the map's queue. The order of the steps is what makes it safe: live jobs are listed before the workers are looked at, and a
// run submits only after it has joined. So when no worker is found, every job listed belongs to a run that is over.
import { hostname } from "node:os";
import { UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { sleep } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { Worker } from "../../fleet/worker.ts";
import type { StoredWorker } from "../../store/store.ts";
import { liveStates } from "../../task/state.ts";
import { isDead } from "../process.ts";
import { pagesOf } from "./pages.ts";

const pageJobs = 1000;
const giveWayMs = 3000;
const lookAgainMs = 50;

/** Live jobs of the queue: their ids, and the workers said to run them. */
async function liveJobs(hands: Hands, queue: string): Promise<{ readonly ids: string[]; readonly workers: Set<string> }> {
  const ids: string[] = [];
  const workers = new Set<string>();
  for await (const jobs of pagesOf(hands, { queue, states: liveStates }, pageJobs)) {
    for (const { id, worker, state } of jobs) {
      ids.push(id);
      if (state === "running" && worker !== null) workers.add(worker);
    }
  }
  return { ids, workers };
}

/** The workers of the queue that live. Those of this machine whose process is gone are dismissed. */
async function livingWorkers(hands: Hands, queue: string): Promise<readonly StoredWorker[]> {
  const living: StoredWorker[] = [];
  for (const worker of await hands.workers()) {
    if (!worker.queues.includes(queue)) continue;
    if (worker.host === hostname() && isDead(worker.pid)) await hands.dismiss(worker.id);
    else living.push(worker);
  }
  return living;
}

function refusal({ pid, host, startedAt }: StoredWorker, hint: string): UsageError {
  const where = host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  return new UsageError(
    `This map is running already: ${where}, since ${new Date(startedAt).toISOString()}. Wait for it, or end it: the same command then goes on where it stopped.${hint}`,
  );
}

/**
 * Ends what an interrupted run left waiting or running. It is not recorded, so its inputs are submitted afresh, with today's options.
 * Gives the worker of another run that lives, for which everything is left alone.
 */
export async function clearLeftovers(hands: Hands, queue: string): Promise<StoredWorker | undefined> {
  if ((await hands.count({ queue })) === 0) return undefined;
  const { ids, workers } = await liveJobs(hands, queue);
  const [other] = await livingWorkers(hands, queue);
  if (other) return other;
  for (const worker of workers) await hands.dismiss(worker);
  if (ids.length === 0) return undefined;
  await hands.cancel({ ids }, "left over from an interrupted run");
  await hands.remove({ ids });
  return undefined;
}

/** Of two runs that start in the same moment the one whose worker is younger gives way. */
async function checkAlone(hands: Hands, runtime: Runtime, queue: string, own: Worker, hint: string): Promise<void> {
  const until = runtime.elapsed() + giveWayMs;
  for (;;) {
    const others = (await livingWorkers(hands, queue)).filter(({ id }) => id !== own.id);
    const [first] = others;
    if (first === undefined) return;
    // One that is younger but had looked before this one joined does not give way: then this one does, in the end.
    if (others.some(({ id }) => id < own.id) || runtime.elapsed() > until) throw refusal(first, hint);
    await sleep(runtime, lookAgainMs);
  }
}

/**
 * Makes this process the only one to run the map. `join` starts its worker, paused, lest it take the jobs of another run.
 * Rejects with UsageError, which ends with `hint`, when another one runs it.
 */
export async function runAlone(hands: Hands, runtime: Runtime, queue: string, hint: string, join: () => Worker): Promise<Worker> {
  const other = await clearLeftovers(hands, queue);
  if (other) throw refusal(other, hint);
  const worker = join();
  await worker.ready;
  await checkAlone(hands, runtime, queue, worker, hint);
  worker.resume();
  return worker;
}
