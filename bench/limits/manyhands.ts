// What limits cost: one worker drains no-op jobs of many keys, whose limits are wide enough never to hold one up, or one a key.
import assert from "node:assert/strict";
import type { Hands } from "../../src/index.ts";
import type { Task } from "../../src/task/task.ts";
import { storeFolder } from "../durable/folder.ts";
import { give, told } from "../give.ts";
import { manyhands } from "../manyhands.ts";

interface Input {
  readonly n: number;
  readonly key: string;
}

interface Told {
  readonly limit: keyof typeof limited;
  readonly count: number;
  readonly keys: number;
  /** Of a server; else a SQLite file, or `memory:`. */
  readonly url?: string;
}

const key = ({ key }: Input): string => key;
const { task } = manyhands;

let started = 0;
let onLast: () => void = () => undefined;
let last = Infinity;

const plain: Task<[input: Input], number> = task("limited", ({ n }: Input) => {
  started += 1;
  if (started === last) onLast();
  return n;
});

const limited = {
  none: plain,
  concurrency: plain.with({ concurrency: { limit: 1, key } }),
  rate: plain.with({ rate: { limit: 1000, per: "1s", key } }),
  fair: plain.with({ fair: { key } }),
} as const;

const { limit, count, keys, url = `sqlite:${storeFolder()}/hands.db` } = told as Told;

async function submitAll(hands: Hands, jobs: number): Promise<void> {
  for (let from = 0; from < jobs; from += 1000) {
    const bulk = Array.from({ length: Math.min(1000, jobs - from) }, (_, i) => from + i);
    await Promise.all(bulk.map((n) => hands.submit(limited[limit], { n, key: `key ${n % keys}` }).submitted));
  }
}

async function drain(hands: Hands, jobs: number): Promise<{ readonly submitMs: number; readonly drainMs: number }> {
  const submitting = performance.now();
  await submitAll(hands, jobs);
  const began = performance.now();
  started = 0;
  last = jobs;
  const { promise, resolve } = Promise.withResolvers<void>();
  onLast = resolve;
  const before = await hands.count({ states: ["done"] });
  // The worker's own definition says what it may claim ahead.
  const worker = hands.work({ tasks: [limited[limit]] });
  await promise;
  while ((await hands.count({ states: ["done"] })) < before + jobs) await new Promise((go) => void setTimeout(go, 1));
  const drainMs = performance.now() - began;
  await worker.stop();
  assert.equal(started, jobs);
  return { submitMs: began - submitting, drainMs };
}

await using hands = await manyhands.connect(url);
await drain(hands, count / 10);
const { submitMs, drainMs } = await drain(hands, count);
give({ perSecond: (count / drainMs) * 1000, submittedPerSecond: (count / submitMs) * 1000 });
