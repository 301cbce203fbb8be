// BullMQ's flows: a chain of three is a job whose child has a child. From the first add to the last end, as ours.
import { setTimeout as wait } from "node:timers/promises";
import { give, told } from "../give.ts";
import { peer } from "../pools/contract.ts";

interface Flow {
  readonly name: string;
  readonly queueName: string;
  readonly data: { readonly n: number };
  readonly children?: readonly Flow[];
}

interface Options {
  readonly connection: Readonly<Record<string, unknown>>;
}

interface Library {
  readonly FlowProducer: new (options: Options) => { addBulk(flows: readonly Flow[]): Promise<unknown>; close(): Promise<void> };
  readonly Queue: new (name: string, options: Options) => { getJobCountByTypes(...types: string[]): Promise<number> };
  readonly Worker: new (
    name: string,
    run: (job: Flow) => Promise<number>,
    options: Options & Record<string, unknown>,
  ) => { waitUntilReady(): Promise<unknown>; close(): Promise<void> };
}

const { url, count } = told as { readonly url: string; readonly count: number };
const { FlowProducer, Queue, Worker } = await peer<Library>("bullmq");
const { hostname: host, port, pathname } = new URL(url);
const connection = { host, port: Number(port), db: Number(pathname.slice(1)), maxRetriesPerRequest: null };
const producer = new FlowProducer({ connection });
const queue = new Queue("flows", { connection });

function chain(n: number, length: number): Flow {
  const base = { name: "step", queueName: "flows", data: { n } };
  return length === 1 ? base : { ...base, children: [chain(n, length - 1)] };
}

async function play(wanted: number): Promise<number> {
  const before = await queue.getJobCountByTypes("completed");
  const began = performance.now();
  for (let from = 0; from < wanted; from += 500) {
    await producer.addBulk(Array.from({ length: 500 }, (_, i) => chain(from + i, 3)));
  }
  const worker = new Worker("flows", async ({ data }) => data.n, { connection, concurrency: 50 });
  while ((await queue.getJobCountByTypes("completed")) < before + 3 * wanted) await wait(2);
  const ms = performance.now() - began;
  await worker.close();
  return ms;
}

await play(500);
give({ chainsPerSecond: (count / (await play(count))) * 1000 });
process.exit(0);
