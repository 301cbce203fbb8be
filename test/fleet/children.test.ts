// Calls that a running job submits: its children.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, CancelledError, connect, context, StoreUnavailable, task } from "../../src/index.ts";
import type { Hands as Client, Task } from "../../src/index.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { Hands } from "../../src/fleet/hands.ts";
import { InlinePool } from "../../src/pool/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import type { JobFilter, Store } from "../../src/store/store.ts";
import { simulate, TestClock } from "../../src/testing/index.ts";
import * as asking from "../fixtures/asking.ts";
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
    program: async (hands: Client) => hands.submit(hardy, input),
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

test("of children that have ended nothing is kept, and only the others are cancelled with their parent", async () => {
  const asked: number[] = [];
  const store = memoryStore();
  const watched = new Proxy(store, {
    get: (target, key: keyof Store): unknown => {
      const member = target[key];
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        if (key === "cancel") asked.push((args[0] as JobFilter).ids?.length ?? 0);
        return Reflect.apply(member, target, args);
      };
    },
  });
  const child = task("children.short", (n: number) => n);
  const sleeper = task("children.sleeper", () => context().sleep("1h"));
  const parent = task("children.many", async () => {
    const { submit, map } = context();
    for (let n = 0; n < 20; n++) await submit(child, n);
    for await (const _ of map(child, [20, 21, 22]));
    await submit(sleeper);
  });
  await using hands = new Hands(watched, systemRuntime);
  hands.work({ tasks: [parent, child, sleeper] });
  const future = hands.submit(parent);
  await until("its last child sleeps", async () => (await hands.count({ states: ["waiting"], task: sleeper.name })) === 1);
  await future.cancel();
  await assert.rejects(Promise.resolve(future), CancelledError);
  assert.deepEqual(asked, [1, 1]);
});

test("an attempt that runs again learns at once that its children have ended", async () => {
  const child = task("children.ended", (n: number) => n);
  const parent = task("children.again", async () => {
    const { attempt, map, submit } = context();
    const sum = await submit(child, 0);
    for await (const _ of map(child, [1, 2, 3]));
    if (attempt === 1) throw new Error("the first attempt fails");
    return sum;
  });
  const clock = new TestClock({ seed: 1 });
  const hands = new Hands(memoryStore({ runtime: clock }), clock);
  hands.work({ tasks: [parent, child] });
  assert.equal(await clock.run(hands.submit(parent.with({ retries: 1, backoff: { initial: 1 } }))), 0);
  assert.ok(clock.elapsed() < 1000, `${clock.elapsed()} ms`);
  await clock.run(hands.close());
});

for (const on of ["loop", "thread"] as const) {
  test(`a child goes to a worker that has what it requires, from the ${on}`, async () => {
    await using hands = await connect("memory:");
    const placed = asking.requiring.with({ on });
    hands.work({ tasks: [placed, asking.needy], threads: 1 });
    const future = hands.submit(placed);
    await until("its child is missed", async () => (await hands.unmatched()).length === 1);
    const [missed] = await hands.unmatched();
    assert.deepEqual([missed?.task, missed?.requires, missed?.lacks], ["asking.needy", { gpu: true }, "labels"]);
    hands.work({ tasks: [asking.needy], labels: { gpu: true } });
    assert.deepEqual(await future, ["needed", "needed"]);
  });
}

test("a child that gets a job above it by a unique key is refused: it would wait for itself", async () => {
  const step: Task<[depth: number], string> = task(
    "children.unique",
    async (depth: number) => {
      if (depth === 0) return "end";
      return context().submit(depth === 2 ? between : step, depth - 1);
    },
    { unique: { key: (depth) => (depth < 2 ? String(depth) : "top") } },
  );
  const between: Task<[depth: number], string> = task("children.between", async () => {
    return context().submit(step, 3);
  });
  await using hands = await connect("memory:");
  hands.work({ tasks: [step, between] });
  assert.equal(await hands.submit(step, 1), "end");
  await assert.rejects(Promise.resolve(hands.submit(step, 3)), /it would wait for itself\. Give the child a key of its own/u);
  await assert.rejects(Promise.resolve(hands.submit(step, 2)), /it would wait for itself/u);
});

for (const on of ["loop", "thread"] as const) {
  test(`an attempt does not fail because the store is away for its children, on the ${on}`, { timeout: 30_000 }, async () => {
    const inner = memoryStore();
    let refusals = 2;
    const away = new Proxy(inner, {
      get(store, name) {
        const verb: unknown = Reflect.get(store, name);
        if (typeof verb !== "function") return verb;
        return (...args: unknown[]) => {
          const isChild =
            name === "add" && (args[0] as readonly { parent: string | null }[]).some(({ parent }) => parent !== null);
          if (isChild && refusals-- > 0) return Promise.reject(new StoreUnavailable("the store is away"));
          if (name === "get" && refusals > 0) return Promise.reject(new StoreUnavailable("the store is away"));
          return (verb as (...given: unknown[]) => unknown).apply(store, args);
        };
      },
    });
    await using hands = new Hands(away, systemRuntime);
    hands.work({ tasks: [asking], threads: 1 });
    assert.deepEqual(await hands.submit(asking.mergeSort.with({ on }), [3, 1, 2]), [1, 2, 3]);
    assert.ok(refusals <= 0);
  });
}
