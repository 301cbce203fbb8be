// The measurements of pools. Each opens a contender, warms it up, times the work, checks every result, and gives
// figures. Checking is outside the timed part. One contender, one process: nothing here is shared between contenders.
import assert from "node:assert/strict";
import type { Figures } from "../row.ts";
import { median } from "../statistics.ts";
import type { OpenPool, Pool } from "./contract.ts";

/** How much of it; a quick run does less. */
export interface Sizes {
  readonly count: number;
  readonly form: "object" | "integer";
}

const workers = 2;
const mebibytes = 8;

function input(i: number, form: Sizes["form"]): unknown {
  return form === "object" ? { n: i } : i;
}

function number(value: unknown, form: Sizes["form"]): number {
  return form === "object" ? (value as { n: number }).n : (value as number);
}

function checkInOrder(results: readonly unknown[], count: number, form: Sizes["form"]): void {
  assert.equal(results.length, count);
  for (let i = 0; i < count; i++) {
    if (number(results[i], form) !== i) assert.fail(`result ${i} is ${JSON.stringify(results[i])}`);
  }
}

async function flood(pool: Pool, { count, form }: Sizes): Promise<{ readonly ms: number; readonly results: readonly unknown[] }> {
  const began = performance.now();
  const pending = Array.from({ length: count }, (_, i) => pool.run(input(i, form)));
  const results = await Promise.all(pending);
  return { ms: performance.now() - began, results };
}

/** Submits all tasks at once, one by one, and waits for all. */
export async function submitAll(open: OpenPool, sizes: Sizes): Promise<Figures> {
  const pool = await open("echo", workers);
  await flood(pool, { ...sizes, count: Math.ceil(sizes.count / 20) });
  const { ms, results } = await flood(pool, sizes);
  checkInOrder(results, sizes.count, sizes.form);
  await pool.close();
  return { perSecond: (sizes.count / ms) * 1000 };
}

function* numbers({ count, form }: Sizes): Generator {
  for (let i = 0; i < count; i++) yield input(i, form);
}

/** For contenders without a map: `window` runs in flight over the inputs, results given in order. */
async function* windowed(pool: Pool, inputs: Iterable<unknown>, window: number): AsyncGenerator {
  const ahead: PromiseLike<unknown>[] = [];
  let first = 0;
  for (const value of inputs) {
    ahead.push(pool.run(value));
    if (ahead.length - first < window) continue;
    yield await ahead[first++];
    if (first === window) {
      ahead.splice(0, first);
      first = 0;
    }
  }
  while (first < ahead.length) yield await ahead[first++];
}

async function consume(results: AsyncIterable<unknown>, sizes: Sizes): Promise<void> {
  let i = 0;
  for await (const result of results) {
    if (number(result, sizes.form) !== i) assert.fail(`result ${i} is ${JSON.stringify(result)}`);
    i += 1;
  }
  assert.equal(i, sizes.count);
}

const mib = (bytes: number): number => bytes / 2 ** 20;

/** Maps over the inputs: `stream` consumes results one by one, `all` awaits the array. Also the most memory held. */
export async function mapOver(open: OpenPool, sizes: Sizes & { readonly way: "stream" | "all" }): Promise<Figures> {
  const pool = await open("echo", workers);
  const once = async (part: Sizes): Promise<readonly unknown[] | undefined> => {
    if (sizes.way === "all") {
      return pool.all ? pool.all(numbers(part)) : Promise.all(Array.from(numbers(part), (value) => pool.run(value)));
    }
    // Streamed results are checked as they come, for there is no later.
    await consume(pool.stream?.(numbers(part)) ?? windowed(pool, numbers(part), 1000), part);
    return undefined;
  };
  await once({ ...sizes, count: Math.ceil(sizes.count / 20) });
  const before = process.memoryUsage.rss();
  const began = performance.now();
  const results = await once(sizes);
  const ms = performance.now() - began;
  if (results) checkInOrder(results, sizes.count, sizes.form);
  await pool.close();
  const peak = process.resourceUsage().maxRSS * 1024;
  return { perSecond: (sizes.count / ms) * 1000, peakMiB: mib(peak), grownMiB: mib(Math.max(0, peak - before)) };
}

/** How an array is handed over. */
export type HandOver = "shared" | "copied" | "moved";

/** Hands over one 8 MiB Float64Array a task: `ends` reads two elements of it, `sum` reads all. */
export async function payload(open: OpenPool, { count, way }: Sizes & { readonly way: HandOver }): Promise<Figures> {
  const length = (mebibytes * 2 ** 20) / 8;
  const source = new Float64Array(way === "shared" ? new SharedArrayBuffer(length * 8) : new ArrayBuffer(length * 8));
  for (let i = 0; i < length; i++) source[i] = i % 1000;
  const expected = { ends: (source[0] ?? 0) + (source[length - 1] ?? 0), sum: source.reduce((total, value) => total + value, 0) };
  const rate = async (task: "ends" | "sum"): Promise<number> => {
    const pool = await open(task, workers);
    const batch = async (): Promise<number> => {
      const arrays = Array.from({ length: count }, () => (way === "moved" ? source.slice() : source));
      const began = performance.now();
      const results = await Promise.all(
        arrays.map((array) => (way === "moved" ? pool.run(array, [array.buffer as ArrayBuffer]) : pool.run(array))),
      );
      const ms = performance.now() - began;
      for (const result of results) assert.equal(result, expected[task]);
      return ms;
    };
    await batch();
    const batchesMs: number[] = [];
    const until = performance.now() + 600;
    while (batchesMs.length < 3 || (performance.now() < until && batchesMs.length < 200)) batchesMs.push(await batch());
    await pool.close();
    return ((count * mebibytes) / median(batchesMs)) * 1000;
  };
  return { handMiBs: await rate("ends"), sumMiBs: await rate("sum") };
}

/** From making the pool to its first result. */
export async function firstResult(open: OpenPool): Promise<Figures> {
  const began = performance.now();
  const pool = await open("echo", workers);
  await pool.run({ n: 1 });
  const firstMs = performance.now() - began;
  await pool.close();
  return { firstMs };
}
