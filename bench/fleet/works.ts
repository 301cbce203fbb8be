// The measurements of queues on a server: one piece of code for all contenders. Submits are made here, jobs run in worker
// processes. What was done is checked outside the timed part.
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { Figures } from "../row.ts";
import { quantile } from "../statistics.ts";
import type { Contender, Fleet } from "./contract.ts";
import { openFleet } from "./open.ts";
import { awaitStarts, WorkerProcess } from "./workers.ts";

/** What a row asks for. */
export interface Sizes {
  readonly count: number;
  readonly workers?: number;
  readonly seconds?: number;
}

/** Numbers of jobs that only warm up, so that they are told from the rest. */
const warm = 10_000_000;
const lanes = 100;
const bulk = 1000;

async function addInFlight(fleet: Fleet, from: number, count: number): Promise<void> {
  let n = from;
  const lane = async (): Promise<void> => {
    while (n < from + count) await fleet.add(n++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** A thousand at once, then the next thousand. */
export async function addInBulks(fleet: Fleet, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += bulk) await fleet.addMany(at, Math.min(bulk, from + count - at));
}

async function timedAdd(contender: Contender, count: number, add: typeof addInBulks): Promise<Figures> {
  const fleet = await openFleet(contender);
  await add(fleet, warm, count / 10);
  const began = performance.now();
  await add(fleet, 0, count);
  const ms = performance.now() - began;
  assert.equal(await fleet.unfinished(), count + count / 10);
  await fleet.close();
  return { perSecond: (count / ms) * 1000 };
}

/** Submits with 100 in flight. */
export function submit(contender: Contender, { count }: Sizes): Promise<Figures> {
  return timedAdd(contender, count, addInFlight);
}

/** Submits in bulks. */
export function submitInBulk(contender: Contender, { count }: Sizes): Promise<Figures> {
  return timedAdd(contender, count, addInBulks);
}

/** Asked only when the last job has started: counting is work for the server. */
async function untilRecorded(fleet: Fleet): Promise<void> {
  while ((await fleet.unfinished()) > 0) await wait(2);
}

/** Queues the jobs, then lets the workers loose; the time until the last job is recorded as done. */
export async function drainOnce(fleet: Fleet, workers: readonly WorkerProcess[], from: number, count: number): Promise<number> {
  await addInBulks(fleet, from, count);
  const started = awaitStarts(workers, count);
  const began = performance.now();
  for (const worker of workers) void worker.work();
  const { seen, times } = await started;
  await untilRecorded(fleet);
  const ms = performance.now() - began;
  await Promise.all(workers.map((worker) => worker.stop()));
  assert.equal(times, count);
  for (let n = from; n < from + count; n++) assert.ok(seen.has(n));
  return ms;
}

/** Every result, once, where the contender keeps results. */
async function checkResults(fleet: Fleet, count: number): Promise<void> {
  const results = (await fleet.results?.())?.filter(({ n }) => n < warm);
  if (!results) return;
  assert.equal(results.length, count);
  assert.equal(new Set(results.map(({ n }) => n)).size, count);
}

/** Drains no-op jobs. */
export async function drain(contender: Contender, { count, workers: wanted = 1 }: Sizes): Promise<Figures> {
  const fleet = await openFleet(contender);
  const workers = await Promise.all(Array.from({ length: wanted }, () => WorkerProcess.start(contender, "echo")));
  if (count >= 1000) await drainOnce(fleet, workers, warm, count / 10);
  const ms = await drainOnce(fleet, workers, 0, count);
  await checkResults(fleet, count);
  await fleet.close();
  return { perSecond: (count / ms) * 1000 };
}

/** Mean 10 ms, at random, so that no contender falls into step with it. */
function gapMs(): number {
  return 5 + Math.random() * 10;
}

/** Submit here to start in another process, 100 a second; then the time to the result, where it comes back here. */
export async function wake(contender: Contender, { count }: Sizes): Promise<Figures> {
  const fleet = await openFleet(contender);
  const worker = await WorkerProcess.start(contender, "stamp");
  await worker.work();
  const startsMs = await startTimes(fleet, worker, count);
  const resultsMs = fleet.result ? await resultTimes(fleet.result, count) : [];
  await worker.kill();
  await fleet.close();
  return {
    p50Ms: quantile(startsMs, 0.5),
    p95Ms: quantile(startsMs, 0.95),
    p99Ms: quantile(startsMs, 0.99),
    ...(resultsMs.length > 0 && { resultP50Ms: quantile(resultsMs, 0.5) }),
  };
}

const warmWakes = 50;

async function startTimes(fleet: Fleet, worker: WorkerProcess, count: number): Promise<number[]> {
  const submittedNs: bigint[] = [];
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const foundMs: number[] = [];
  worker.onStart(({ starts: [n = 0], atNs }) => {
    foundMs[n] = Number(BigInt(atNs) - (submittedNs[n] ?? 0n)) / 1e6;
    if (foundMs.length === warmWakes + count && !foundMs.includes(undefined as never)) resolve(foundMs.slice(warmWakes));
  });
  const submits: Promise<unknown>[] = [];
  for (let n = 0; n < warmWakes + count; n++) {
    await wait(gapMs());
    submittedNs[n] = process.hrtime.bigint();
    submits.push(fleet.add(n));
  }
  await Promise.all(submits);
  return promise;
}

async function resultTimes(result: (n: number) => Promise<unknown>, count: number): Promise<number[]> {
  const foundMs: number[] = [];
  const one = async (n: number): Promise<void> => {
    const began = performance.now();
    assert.deepEqual(await result(n), { n });
    foundMs.push(performance.now() - began);
  };
  // The first one makes the connection that results come by.
  await one(warm);
  foundMs.length = 0;
  const pending: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    await wait(gapMs());
    pending.push(one(warm + 1 + n));
  }
  await Promise.all(pending);
  return foundMs;
}

/** Kills a worker that runs `count` jobs while another one is idle, and times until that one has started them all. */
export async function recover(contender: Contender, { count }: Sizes): Promise<Figures> {
  const fleet = await openFleet(contender);
  const first = await WorkerProcess.start(contender, "hold");
  const held = awaitStarts([first], count);
  await first.work();
  await addInBulks(fleet, 0, count);
  await held;
  const second = await WorkerProcess.start(contender, "echo");
  await second.work();
  const began = performance.now();
  let firstMs = Number.NaN;
  const again = awaitStarts([second], count, () => {
    if (Number.isNaN(firstMs)) firstMs = performance.now() - began;
  });
  await first.kill();
  await again;
  const lastMs = performance.now() - began;
  await untilRecorded(fleet);
  await checkResults(fleet, count);
  await second.kill();
  await fleet.close();
  return { lastS: lastMs / 1000, firstS: firstMs / 1000 };
}
