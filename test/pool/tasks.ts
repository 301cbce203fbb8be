// Tasks of the tests beside the pools.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { context, task } from "../../src/index.ts";
import { ThreadPool } from "../../src/pool/index.ts";
import type { InlinePool } from "../../src/pool/index.ts";

export const double = task("pool.double", (n: number) => n * 2);
export const pid = task("pool.pid", () => process.pid);
export const environment = task("pool.environment", (name: string) => process.env[name]);
export const title = task("pool.title", () => process.title);

/** Says its process's id and waits for ever. */
export const stay = task("pool.stay", async (file: string): Promise<void> => {
  appendFileSync(file, `${process.pid}\n`);
  await new Promise(() => undefined);
});
export const spin = task("pool.spin", (file: string): void => {
  appendFileSync(file, `${process.pid}\n`);
  for (;;);
});
/** Marks, and kills its own process if `n` is `when`. */
export const killSelf = task("pool.killSelf", (file: string, n: number, when: number) => {
  appendFileSync(file, `${n}\n`);
  if (n === when) process.kill(process.pid, "SIGKILL");
  return n;
});
export const abort = task("pool.abort", (): void => process.abort());

/** Fills the heap with small objects. */
export const hoard = task("pool.hoard", () => {
  const all: unknown[] = [];
  for (let i = 0; ; i++) all.push({ i, text: `number ${i}`, more: [i] });
});

/** Leaves something behind that fails when the task has long ended. */
export const leaveTrouble = task("pool.leaveTrouble", (): void => {
  setTimeout(() => {
    throw new Error("left behind");
  }, 5);
});

/** Uses a pool of its own. */
export const nested = task("pool.nested", async (n: number) => {
  await using pool = new ThreadPool({ size: 1 });
  return (await pool.map(double, [n, n + 1])).reduce((a, b) => a + b, 0);
});

export const half = task("pool.half", (numbers: number[]): Promise<number> => halves(numbers));
let inline: InlinePool | undefined;
/** The sum of numbers, by halving the list in calls of the very same pool. */
async function halves(numbers: number[]): Promise<number> {
  if (numbers.length < 2 || !inline) return numbers[0] ?? 0;
  const middle = numbers.length >> 1;
  const sums = await Promise.all([inline.submit(half, numbers.slice(0, middle)), inline.submit(half, numbers.slice(middle))]);
  return (sums[0] ?? 0) + (sums[1] ?? 0);
}
export function useInline(pool: InlinePool): void {
  inline = pool;
}

export const untilAborted = task("pool.untilAborted", async (file: string): Promise<string> => {
  const { signal } = context();
  appendFileSync(file, "started\n");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  return "stopped";
});
export const withContext = task("pool.withContext", async () => {
  const { id, attempt, log, progress } = context();
  log("a line");
  progress(0.5, "half");
  await delay(1);
  progress(1);
  return { id, attempt };
});
/** Writes to one file, then waits for the other. */
export const markAndWait = task("pool.markAndWait", async (mine: string, other: string) => {
  appendFileSync(mine, "begun\n");
  while (!existsSync(other)) await delay(2);
  return "begun";
});
export const fail = task("pool.fail", (): number => {
  throw new RangeError("failed");
});

/** Behaves as it is told, and gives `n` where it ends well. */
export const behave = task("pool.behave", (n: number, how: string): number | Promise<number> => {
  switch (how) {
    case "throw":
      throw new RangeError(`told to throw by ${n}`);
    case "exit":
      return process.exit(n % 5);
    case "spin":
      for (;;);
    case "never":
      return new Promise(() => undefined);
    case "wait":
      return delay(n % 10, n);
    default:
      return n;
  }
});
/** Leaves its worker's event loop blocked until the first word is 1; the second word tells that it is. */
export const block = task("pool.block", (words: Int32Array): void => {
  setImmediate(() => {
    Atomics.store(words, 1, 1);
    Atomics.wait(words, 0, 0);
  });
});
let leftBehind: (() => void) | undefined;
/** Leaves behind what logs a line of its own; the next one, while it runs, has that done. */
export const logLater = task("pool.logLater", () => {
  const { log } = context();
  if (leftBehind) leftBehind();
  leftBehind = () => log("too late");
});
export const sumOfBoth = task("pool.sumOfBoth", (a: number, b: number) => a + b);
export const join = task("pool.join", (all: readonly number[]) => all);
