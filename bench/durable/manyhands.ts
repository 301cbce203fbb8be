// manyhands' embedded store: a SQLite file, FULL durability unless told otherwise, all else by default.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import type { Hands } from "../../src/index.ts";
import { give, told } from "../give.ts";
import { manyhands } from "../manyhands.ts";
import type { Figures } from "../row.ts";
import { median, quantile } from "../statistics.ts";
import { storeFolder } from "./folder.ts";
import { echo, hold, stamp, watchStarts } from "./tasks.ts";

interface Told {
  readonly work: "submit" | "bulk" | "drain" | "ballast" | "wake" | "recover";
  readonly count: number;
  readonly durability?: "full" | "normal";
}

const { work, count, durability = "full" } = told as Told;

function open(name: string): Promise<Hands> {
  return manyhands.connect(`sqlite:${name}`, { durability });
}

/** `lanes` submits in flight, each resolved only when its job is durable. */
async function submitInFlight(hands: Hands, jobs: number, lanes: number): Promise<void> {
  let n = 0;
  const lane = async (): Promise<void> => {
    while (n < jobs) await hands.submit(echo, { n: n++ }).submitted;
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** A thousand submits in one turn, then the next thousand. */
async function submitInBulks(hands: Hands, jobs: number): Promise<void> {
  for (let from = 0; from < jobs; from += 1000) {
    const size = Math.min(1000, jobs - from);
    await Promise.all(Array.from({ length: size }, (_, i) => hands.submit(echo, { n: from + i }).submitted));
  }
}

async function submit(): Promise<Figures> {
  const add = work === "bulk" ? submitInBulks : (hands: Hands, jobs: number) => submitInFlight(hands, jobs, 100);
  await using hands = await open(`${storeFolder()}/hands.db`);
  await add(hands, count / 10);
  const began = performance.now();
  await add(hands, count);
  const ms = performance.now() - began;
  assert.equal(await hands.count({ states: ["ready"] }), count + count / 10);
  return { perSecond: (count / ms) * 1000 };
}

/** Resolves when the task has started `starts` times in this process; with the times at `from` and at the end. */
function awaitStarts(starts: number, from = 0): Promise<number> {
  let seen = 0;
  let began = performance.now();
  return new Promise((resolve) => {
    watchStarts(() => {
      seen += 1;
      if (seen === from) began = performance.now();
      if (seen === starts) resolve(performance.now() - began);
    });
  });
}

async function untilDone(hands: Hands, done: number): Promise<void> {
  while ((await hands.count({ states: ["done"] })) < done) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Submits, then starts a worker and times it until the last job is recorded as done. */
async function drainOnce(hands: Hands, jobs: number): Promise<number> {
  await submitInBulks(hands, jobs);
  const before = await hands.count({ states: ["done"] });
  const began = performance.now();
  const started = awaitStarts(jobs);
  const worker = hands.work({ tasks: [echo] });
  await started;
  await untilDone(hands, before + jobs);
  const ms = performance.now() - began;
  await worker.stop();
  return ms;
}

async function drain(): Promise<Figures> {
  await using hands = await open(`${storeFolder()}/hands.db`);
  await drainOnce(hands, count / 10);
  await hands.remove({ states: ["done"] });
  const ms = await drainOnce(hands, count);
  const jobs = await hands.jobs({ limit: 100_000 });
  assert.equal(jobs.length, count);
  const results = new Set<number>();
  for (const { args, result } of jobs) {
    assert.deepEqual(args, [result]);
    results.add((result as { readonly n: number }).n);
  }
  assert.equal(results.size, count);
  return { perSecond: (count / ms) * 1000 };
}

/** Fills a store with finished and queued jobs; the finished ones were really done by a worker. */
async function fill(hands: Hands, jobs: number): Promise<void> {
  await drainOnce(hands, jobs);
  await submitInBulks(hands, jobs);
}

const timedJobs = 8000;
const warmJobs = 1000;

/** The rate of a worker over the same number of jobs, after the first thousand, whatever else the store holds. */
async function rate(hands: Hands): Promise<number> {
  const started = awaitStarts(warmJobs + timedJobs, warmJobs);
  const worker = hands.work({ tasks: [echo] });
  const ms = await started;
  await worker.stop();
  return (timedJobs / ms) * 1000;
}

/** The rate with `count` queued and `count` finished jobs, against 10,000 of each; both in turn, five times. */
async function ballast(): Promise<Figures> {
  const folder = storeFolder();
  await using large = await open(`${folder}/large.db`);
  await fill(large, count);
  const smallRates: number[] = [];
  const largeRates: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    await using small = await open(`${folder}/small-${turn}.db`);
    await fill(small, 10_000);
    smallRates.push(await rate(small));
    largeRates.push(await rate(large));
  }
  return {
    share: median(largeRates.map((found, turn) => found / (smallRates[turn] ?? Number.NaN))) * 100,
    largePerSecond: median(largeRates),
    smallPerSecond: median(smallRates),
  };
}

async function otherWorker(path: string, ...options: string[]): Promise<ChildProcess> {
  const child = fork(new URL("manyhands-worker.ts", import.meta.url), [path, ...options]);
  await once(child, "message");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Submit here to start in another process, at random gaps; then that process's CPU while it has nothing to do. */
async function wake(): Promise<Figures> {
  const path = `${storeFolder()}/hands.db`;
  await using hands = await open(path);
  const child = await otherWorker(path);
  const startsMs: number[] = [];
  const resultsMs: number[] = [];
  for (let n = 0; n < count; n++) {
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 50));
    const began = process.hrtime.bigint();
    const started = BigInt(await hands.submit(stamp, { n }));
    resultsMs.push(Number(process.hrtime.bigint() - began) / 1e6);
    startsMs.push(Number(started - began) / 1e6);
  }
  child.send("idle");
  const [idlePercent] = (await once(child, "message")) as [number];
  await kill(child);
  return { p50Ms: quantile(startsMs, 0.5), p99Ms: quantile(startsMs, 0.99), resultP50Ms: quantile(resultsMs, 0.5), idlePercent };
}

/** Kills a worker that runs `count` jobs while another one is idle, and times until that one has started them all. */
async function recover(): Promise<Figures> {
  const path = `${storeFolder()}/hands.db`;
  await using hands = await open(path);
  const first = await otherWorker(path, "first");
  const held = starts(first, count);
  const futures = Array.from({ length: count }, (_, n) => hands.submit(hold, { n }));
  await held;
  const second = await otherWorker(path, "second");
  const again = starts(second, count);
  const began = performance.now();
  await kill(first);
  const { firstMs, lastMs } = await again;
  const results = await Promise.all(futures);
  results.forEach(({ n }, i) => assert.equal(n, i));
  await kill(second);
  return { lastS: (lastMs - began) / 1000, firstS: (firstMs - began) / 1000 };
}

function starts(child: ChildProcess, wanted: number): Promise<{ readonly firstMs: number; readonly lastMs: number }> {
  const seen = new Set<number>();
  let firstMs = 0;
  return new Promise((resolve) => {
    child.on("message", (n: number) => {
      firstMs ||= performance.now();
      seen.add(n);
      if (seen.size === wanted) resolve({ firstMs, lastMs: performance.now() });
    });
  });
}

give(await { submit, bulk: submit, drain, ballast, wake, recover }[work]());
