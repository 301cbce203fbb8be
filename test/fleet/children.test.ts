// Calls that a running job submits: its children.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, CancelledError, connect, context, task } from "../../src/index.ts";
import type { Hands, Task } from "../../src/index.ts";
import { InlinePool } from "../../src/pool/index.ts";
import { simulate } from "../../src/testing/index.ts";
import { until } from "../fixtures/support.ts";

const merge = (a: readonly number[], b: readonly number[]): number[] => [...a, ...b].sort((x, y) => x - y);

const mergeSort: Task<[numbers: number[]], number[]> = task("children.mergeSort", async (numbers: number[]) => {
  if (numbers.length < 2) return numbers;
  const { submit } = context();
  const middle = numbers.length >> 1;
  const [a, b] = await Promise.all([submit(mergeSort, numbers.slice(0, middle)), submit(mergeSort, numbers.slice(middle))]);
  return merge(a, b);
});

const shuffled = Array.from({ length: 100 }, (_, n) => (n * 37) % 100);
const sorted = shuffled.toSorted((a, b) => a - b);

test("a merge sort that calls itself far deeper than the worker has slots finishes, on one slot", async () => {
  await using hands = await connect("memory:");
  hands.work({ tasks: [mergeSort], concurrency: 1 });
  assert.deepEqual(await hands.submit(mergeSort, shuffled), sorted);
  assert.equal(await hands.count(), 2 * shuffled.length - 1);
  const [root] = (await hands.jobs({ limit: 1000 })).toReversed();
  assert.equal(await hands.count({ root: root?.id ?? "" }), 2 * shuffled.length - 1, "all belong to one tree");
  assert.equal(await hands.count({ states: ["done"] }), 2 * shuffled.length - 1);
});

test("a chain of calls a thousand deep finishes on one slot", async () => {
  const count: Task<[depth: number], number> = task("children.count", async (depth: number) => {
    return depth === 0 ? 0 : 1 + (await context().submit(count, depth - 1));
  });
  await using hands = await connect("memory:");
  hands.work({ tasks: [count], concurrency: 1 });
  assert.equal(await hands.submit(count, 1000), 1000);
});

test("the same in an InlinePool of one", async () => {
  await using pool = new InlinePool({ concurrency: 1 });
  assert.deepEqual(await pool.submit(mergeSort, shuffled), sorted);
});

test("a job is waiting while it awaits its children, and at most as many work as there are slots", async () => {
  let most = 0;
  let working = 0;
  const gate = Promise.withResolvers<void>();
  const child = task("children.child", async (n: number) => {
    await gate.promise;
    return n;
  });
  const parent = task("children.parent", async (n: number) => {
    const results = await context().map(child, [n, n + 1]);
    working += 1;
    most = Math.max(most, working);
    await new Promise((resolve) => setImmediate(resolve));
    working -= 1;
    return results;
  });
  await using hands = await connect("memory:");
  hands.work({ tasks: [parent, child], concurrency: 2 });
  const futures = [1, 2, 3, 4, 5].map((n) => hands.submit(parent, n));
  await until("all wait", async () => (await hands.count({ states: ["waiting"] })) === 5);
  const [waiting] = await hands.jobs({ states: ["waiting"] });
  assert.equal(waiting?.task, "children.parent");
  gate.resolve();
  assert.deepEqual(
    await Promise.all(futures),
    [1, 2, 3, 4, 5].map((n) => [n, n + 1]),
  );
  assert.ok(most <= 2, `${most} worked at a time`);
});

test("an attempt that runs again finds the children it had; those that failed are retried", async () => {
  const ran: string[] = [];
  const part = task("children.part", (name: string) => {
    ran.push(name);
    if (name === "b" && ran.filter((each) => each === "b").length === 1) throw new Error("b fails once");
    return name;
  });
  const whole = task("children.whole", async () => {
    const { submit } = context();
    const parts: string[] = [];
    for (const name of ["a", "a", "b", "c"]) parts.push(await submit(part, name));
    return parts.join("");
  });
  await using hands = await connect("memory:");
  hands.work({ tasks: [part, whole] });
  assert.equal(await hands.submit(whole.with({ retries: 1, backoff: { initial: 1 } })), "aabc");
  assert.deepEqual(ran, ["a", "a", "b", "b", "c"]);
});

test("cancelling a job cancels its children, and theirs", async () => {
  const sleepy = task("children.sleepy", async () => {
    const { signal } = context();
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  });
  const middle = task("children.middle", async () => context().map(sleepyTask, [1, 2, 3]));
  const sleepyTask: Task<[n: number], void> = task("children.sleepyTask", async () => context().submit(sleepy));
  const top = task("children.top", async () => context().submit(call(middle)));
  await using hands = await connect("memory:");
  hands.work({ tasks: [sleepy, middle, sleepyTask, top] });
  const future = hands.submit(top);
  await until("all run", async () => (await hands.count({ task: "children.sleepy", states: ["running"] })) === 3);
  await future.cancel("enough");
  await assert.rejects(future, CancelledError);
  await until("nothing lives", async () => (await hands.count({ states: ["cancelled"] })) === 8);
});

test("with workers that crash, a tree of jobs comes to its end", async () => {
  const seed = Date.now() % 2 ** 31;
  const hardy: Task<[numbers: number[]], number[]> = task(
    "children.hardy",
    async (numbers: number[]) => {
      if (numbers.length < 2) return numbers;
      const { submit } = context();
      const middle = numbers.length >> 1;
      const halves = await Promise.all([submit(hardy, numbers.slice(0, middle)), submit(hardy, numbers.slice(middle))]);
      return merge(...halves);
    },
    { crashes: 1000 },
  );
  const input = shuffled.slice(0, 24);
  const { value } = await simulate(seed, {
    tasks: [hardy],
    faults: { crash: 0.01 },
    program: async (hands: Hands) => hands.submit(hardy, input),
  });
  assert.deepEqual(
    value,
    input.toSorted((a, b) => a - b),
    `seed ${seed}`,
  );
});

test("outside a task there is nobody to submit for", () => {
  assert.throws(() => context().submit, /outside a running task/);
});
