// plainjob on better-sqlite3, in this process. It keeps no results, so each job's handler notes what it saw.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { give, told } from "../give.ts";
import { peer } from "../pools/contract.ts";
import type { Figures } from "../row.ts";
import { quantile } from "../statistics.ts";
import { storeFolder } from "./folder.ts";

interface Queue {
  add(type: string, data: unknown): unknown;
  addMany(type: string, data: readonly unknown[]): unknown;
  countJobs(filter: { readonly status: number }): number;
  close(): void;
}

interface Runner {
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Library {
  better(database: unknown): unknown;
  defineQueue(options: Readonly<Record<string, unknown>>): Queue;
  defineWorker(
    type: string,
    run: (job: { readonly data: string }) => Promise<void>,
    options: Readonly<Record<string, unknown>>,
  ): Runner;
}

const pending = 0;
const done = 2;
const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: console.error };
const library = await peer<Library>("plainjob");
const { default: Database } = await peer<{ default: new (path: string) => unknown }>("better-sqlite3");

function openQueue(path: string): Queue {
  return library.defineQueue({ connection: library.better(new Database(path)), logger });
}

/** Its add is synchronous: one at a time is all it does, each with a commit of its own. */
function submit(count: number): Figures {
  const queue = openQueue(`${storeFolder()}/plainjob.db`);
  for (let n = 0; n < count / 10; n++) queue.add("warm", { n });
  const began = performance.now();
  for (let n = 0; n < count; n++) queue.add("echo", { n });
  const ms = performance.now() - began;
  assert.equal(queue.countJobs({ status: pending }), count + Math.ceil(count / 10));
  queue.close();
  return { perSecond: (count / ms) * 1000 };
}

function addInBulks(queue: Queue, type: string, count: number): void {
  for (let from = 0; from < count; from += 1000) {
    queue.addMany(
      type,
      Array.from({ length: Math.min(1000, count - from) }, (_, i) => ({ n: from + i })),
    );
  }
}

function bulk(count: number): Figures {
  const queue = openQueue(`${storeFolder()}/plainjob.db`);
  addInBulks(queue, "warm", count / 10);
  const began = performance.now();
  addInBulks(queue, "echo", count);
  const ms = performance.now() - began;
  assert.equal(queue.countJobs({ status: pending }), count + Math.ceil(count / 10));
  queue.close();
  return { perSecond: (count / ms) * 1000 };
}

async function drainOnce(queue: Queue, type: string, count: number): Promise<number> {
  addInBulks(queue, type, count);
  const before = queue.countJobs({ status: done });
  const seen = new Set<number>();
  const finished = Promise.withResolvers<void>();
  let completed = 0;
  const run = (job: { readonly data: string }): Promise<void> => {
    seen.add((JSON.parse(job.data) as { n: number }).n);
    return Promise.resolve();
  };
  const onCompleted = (): void => {
    completed += 1;
    if (completed === count) finished.resolve();
  };
  const worker = library.defineWorker(type, run, { queue, logger, onCompleted });
  const began = performance.now();
  const running = worker.start();
  await finished.promise;
  const ms = performance.now() - began;
  await worker.stop();
  await running;
  assert.equal(seen.size, count);
  assert.equal(queue.countJobs({ status: done }) - before, count);
  return ms;
}

async function drain(count: number): Promise<Figures> {
  const queue = openQueue(`${storeFolder()}/plainjob.db`);
  await drainOnce(queue, "warm", count / 10);
  const ms = await drainOnce(queue, "echo", count);
  queue.close();
  return { perSecond: (count / ms) * 1000 };
}

/** This module, forked, is the worker in another process: it tells when each job started, and its own idle CPU. */
async function wake(count: number): Promise<Figures> {
  const path = `${storeFolder()}/plainjob.db`;
  const queue = openQueue(path);
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify({ work: "worker", path })]);
  await once(child, "message");
  const waitsMs: number[] = [];
  for (let n = 0; n < count; n++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
    const began = process.hrtime.bigint();
    queue.add("echo", { n });
    const [started] = (await once(child, "message")) as [string];
    waitsMs.push(Number(BigInt(started) - began) / 1e6);
  }
  child.send("idle");
  const [idlePercent] = (await once(child, "message")) as [number];
  child.kill("SIGKILL");
  await once(child, "exit");
  queue.close();
  return { p50Ms: quantile(waitsMs, 0.5), p99Ms: quantile(waitsMs, 0.99), idlePercent };
}

async function beWorker(path: string): Promise<void> {
  const queue = openQueue(path);
  const run = (): Promise<void> => {
    process.send?.(String(process.hrtime.bigint()));
    return Promise.resolve();
  };
  process.on("message", () => {
    const before = process.cpuUsage();
    const began = performance.now();
    setTimeout(() => {
      const { user, system } = process.cpuUsage(before);
      process.send?.((user + system) / 10 / (performance.now() - began));
    }, 4000);
  });
  const running = library.defineWorker("echo", run, { queue, logger }).start();
  process.send?.("ready");
  await running;
}

interface Told {
  readonly work: "submit" | "bulk" | "drain" | "wake" | "worker";
  readonly count: number;
  readonly path: string;
}

const { work, count, path } = told as Told;
if (work === "worker") await beWorker(path);
else give(await { submit, bulk, drain, wake }[work](count));
