// bunqueue in its embedded mode with a file, in this process, which runs under Bun.
import assert from "node:assert/strict";
import { give, told } from "../give.ts";
import { peer } from "../pools/contract.ts";
import type { Figures } from "../row.ts";
import { storeFolder } from "./folder.ts";

interface Job {
  readonly data: { readonly n: number };
}

interface Options {
  readonly embedded: true;
  readonly dataPath: string;
}

interface Queue {
  add(name: string, data: Job["data"], options?: { readonly durable: boolean }): Promise<unknown>;
  addBulk(
    jobs: readonly { readonly name: string; readonly data: Job["data"]; readonly opts?: { readonly durable: boolean } }[],
  ): Promise<unknown>;
  getJobCountsAsync(): Promise<Readonly<Record<string, number>>>;
}

interface Worker {
  on(event: "completed", listener: (job: Job, result: Job["data"]) => void): void;
  run(): unknown;
  close(): Promise<void>;
}

interface Library {
  readonly Queue: new (name: string, options: Options) => Queue;
  readonly Worker: new (
    name: string,
    run: (job: Job) => Promise<Job["data"]>,
    options: Options & { readonly concurrency: number; readonly autorun: false },
  ) => Worker;
}

interface Told {
  readonly work: "submit" | "bulk" | "drain";
  readonly count: number;
  readonly durable: boolean;
}

const { work, count, durable } = told as Told;
const library = await peer<Library>("bunqueue/client");
const options: Options = { embedded: true, dataPath: `${storeFolder()}/bunqueue.db` };

async function addHundredInFlight(queue: Queue, jobs: number): Promise<void> {
  let n = 0;
  const lane = async (): Promise<void> => {
    while (n < jobs) await queue.add("echo", { n: n++ }, { durable });
  };
  await Promise.all(Array.from({ length: 100 }, lane));
}

async function addInBulks(queue: Queue, jobs: number): Promise<void> {
  for (let from = 0; from < jobs; from += 1000) {
    const size = Math.min(1000, jobs - from);
    await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: "echo", data: { n: from + i }, opts: { durable } })));
  }
}

async function timedAdd(add: (queue: Queue, jobs: number) => Promise<void>): Promise<Figures> {
  await add(new library.Queue("warm", options), count / 10);
  const queue = new library.Queue("echo", options);
  const began = performance.now();
  await add(queue, count);
  const ms = performance.now() - began;
  assert.equal((await queue.getJobCountsAsync())["waiting"], count);
  return { perSecond: (count / ms) * 1000 };
}

async function drainOnce(name: string, jobs: number): Promise<number> {
  await addInBulks(new library.Queue(name, options), jobs);
  const worker = new library.Worker(name, (job) => Promise.resolve(job.data), { ...options, concurrency: 50, autorun: false });
  const seen = new Set<number>();
  const finished = Promise.withResolvers<void>();
  worker.on("completed", (_, { n }) => {
    seen.add(n);
    if (seen.size === jobs) finished.resolve();
  });
  const began = performance.now();
  void worker.run();
  await finished.promise;
  const ms = performance.now() - began;
  await worker.close();
  return ms;
}

async function drain(): Promise<Figures> {
  await drainOnce("warm", count / 10);
  return { perSecond: (count / (await drainOnce("echo", count))) * 1000 };
}

give(await (work === "drain" ? drain() : timedAdd(work === "bulk" ? addInBulks : addHundredInFlight)));
process.exit(0);
