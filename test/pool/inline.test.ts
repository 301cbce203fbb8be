// The InlinePool passes the executor suite, but for what would take ending the program it runs in.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { call, context, group, task, UsageError } from "../../src/index.ts";
import { InlinePool } from "../../src/pool/index.ts";
import { TestClock } from "../../src/testing/clock.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { never } from "../../src/testing/executor-suite/tasks.ts";
import { folder, until } from "../fixtures/support.ts";
import { double, fail, half, sumOfBoth, useInline } from "./tasks.ts";

executorConformance("InlinePool", ({ size, grace }) => new InlinePool({ concurrency: size, grace }), {
  skip: [
    {
      reason: "Nothing can stop a busy loop on the program's own event loop.",
      tests: [
        "a busy loop is cancelled by ending its thread or process",
        "a busy loop is timed out by ending its thread or process",
      ],
    },
    {
      reason: "The tasks run in the program itself: what ends it ends the program.",
      tests: [
        "process.exit() in a task fails that task, with the code",
        "a task whose worker dies is given out again as often as it says",
        "a join gets the death of a member's worker as an outcome",
        "a death is not a failure: it uses up no retry",
        "the neighbours of a task that ends its worker run exactly once",
        "an error that nothing catches is told with its message",
        "calls that were with a worker that died are run by themselves",
      ],
    },
  ],
});

test("a task that ignores its signal is abandoned, and the receipt says so", async (t) => {
  const file = join(folder(t), "started");
  await using pool = new InlinePool({ concurrency: 1, grace: 20 });
  const future = pool.submit(never, file);
  await until("it has started", () => existsSync(file));
  assert.deepEqual(await future.cancel(), { waiting: 0, stopped: 0, killed: 0, requested: 1 });
  await assert.rejects(future, { code: "CANCELLED" });
  assert.equal(await pool.submit(double, 1), 2);
});

test("calls of the same pool within its tasks run, however few may run at a time", async () => {
  await using pool = new InlinePool({ concurrency: 1 });
  useInline(pool);
  assert.equal(
    await pool.submit(
      half,
      Array.from({ length: 200 }, (_, i) => i),
    ),
    19_900,
  );
});

test("no more tasks run at a time than it says", async () => {
  let running = 0;
  let most = 0;
  const counted = task("inline.counted", async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
  });
  await using pool = new InlinePool({ concurrency: 5 });
  await pool.map(counted, Array(100).fill(undefined));
  assert.equal(most, 5);
});

test("the event loop gets its turn however many short tasks there are", async () => {
  await using pool = new InlinePool();
  let turns = 0;
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    turns += 1;
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  });
  await pool.map(
    double,
    Array.from({ length: 300_000 }, (_, i) => i),
  );
  clearInterval(timer);
  assert.ok(turns >= 3, `${turns} turns`);
  assert.ok(longest < 2000, `${longest} ms without a turn`);
});

test("waits follow the clock that the pool is given", async () => {
  const clock = new TestClock();
  await using pool = new InlinePool({ runtime: clock });
  const delayed = pool.submit(double.with({ delay: "1d" }), 4);
  const failing = pool.submit(fail.with({ retries: 2, backoff: { initial: "1h", jitter: 0 } }));
  const failure = assert.rejects(failing, RangeError);
  await clock.advance("90m");
  assert.equal(failing.state, "scheduled");
  await clock.advance("30m");
  await failure;
  assert.equal(delayed.state, "scheduled");
  assert.equal(await clock.run(delayed), 8);
});

test("a failing element stops a map soon, however many tasks wait for the event loop", async () => {
  let hasFailed = false;
  let takenLater = 0;
  let ran = 0;
  const busy = task("inline.busy", (n: number) => {
    ran += 1;
    const end = performance.now() + 1.5;
    while (performance.now() < end);
    if (n !== 10) return n;
    hasFailed = true;
    throw new RangeError("the tenth");
  });
  function* inputs(count: number): Generator<number> {
    for (let n = 0; n < count; n++) {
      if (hasFailed) takenLater += 1;
      yield n;
    }
  }
  await using pool = new InlinePool();
  // From now on it has all the workers it may have.
  await pool.map(
    busy,
    Array.from({ length: 100 }, () => 0),
  );
  ran = 0;
  await assert.rejects(async () => pool.map(busy, inputs(1000)), /the tenth/);
  // None of the tasks before it was overtaken by many after it, and none was run because it had failed.
  assert.ok(takenLater <= 64 && ran <= 200, `${takenLater} were taken after the failure; ${ran} were run in all`);
});

test("the event loop gets its turn within a batch of tasks that take longer than those before them", async () => {
  await using pool = new InlinePool({ concurrency: 1 });
  let ms = 0;
  let turns = 0;
  const changing = task("inline.changing", (n: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return n;
  });
  const numbers = Array.from({ length: 5000 }, (_, i) => i);
  await pool.map(changing, numbers);
  ms = 2;
  const timer = setInterval(() => (turns += 1));
  await pool.map(changing, numbers.slice(0, 100));
  clearInterval(timer);
  assert.ok(turns >= 10, `${turns} turns`);
});

test("what a task leaves behind does not find the context of another", async () => {
  const found: (string | undefined)[] = [];
  const ask = (): void => {
    try {
      found.push(context().task);
    } catch (error) {
      found.push(error instanceof UsageError ? undefined : String(error));
    }
  };
  const leaves = task("inline.leaves", (isWarm: boolean) => {
    if (!isWarm) return;
    queueMicrotask(ask);
    setImmediate(ask);
    setTimeout(ask);
  });
  const waits = task("inline.waits", async (isWarm: boolean) => {
    const turns = isWarm ? 20 : 0;
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setTimeout(resolve, 1));
    return context().task;
  });
  await using pool = new InlinePool({ concurrency: 1 });
  // Both are taken for short from now on, and travel in one batch.
  for (const each of [leaves, waits]) await pool.map<boolean, unknown>(each, Array(300).fill(false));
  const all = [leaves, leaves, waits, leaves, waits, leaves, leaves, waits].map((each) =>
    pool.submit<[boolean], unknown>(each, true),
  );
  const results = await Promise.all(all);
  assert.equal(results.filter((result) => result === "inline.waits").length, 3);
  assert.equal(found.length, 15);
  assert.deepEqual(new Set(found), new Set([undefined]));
});

test("what only a failed member needed is not begun, while its join goes on", async () => {
  const ran: string[] = [];
  const run = task("inline.run", async (name: string, ..._before: unknown[]): Promise<string> => {
    ran.push(name);
    if (name === "bad") throw new Error("bad");
    return name;
  });
  await using pool = new InlinePool({ concurrency: 1 });
  const shared = call(run, "shared");
  const member = call(run, "member", call(run, "bad"), call(run, "needless", call(run, "deeper")), shared);
  const outcomes = await pool.submit(group([member, call(run, "good", shared)], { failed: "collect" }));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
  assert.deepEqual(ran, ["bad", "shared", "good"]);
});

test("arguments beside a call are refused", async () => {
  await using pool = new InlinePool();
  const submit = pool.submit.bind(pool) as (...args: unknown[]) => unknown;
  assert.throws(
    () => submit(call(sumOfBoth, 1, 2), 3),
    (error: Error) => error instanceof UsageError && /call of task "pool\.sumOfBoth" and more arguments/.test(error.message),
  );
});

test("what retryIf throws does not take the place of the task's own error", async () => {
  await using pool = new InlinePool();
  const retryIf = (): boolean => {
    throw new TypeError("retryIf broke");
  };
  await assert.rejects(pool.submit(fail.with({ retries: 3, retryIf })), (error: Error) => {
    assert.ok(error instanceof RangeError);
    assert.match(String(error.cause), /not tried again, because its "retryIf" threw TypeError: retryIf broke/);
    return true;
  });
  const text = task("inline.text", () => {
    // oxlint-disable-next-line no-throw-literal -- tasks do
    throw "no error, and so without a cause";
  });
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  await assert.rejects(
    async () => pool.submit(text.with({ retries: 3, retryIf })),
    (error) => error === "no error, and so without a cause",
  );
  assert.match((await warned).message, /"retryIf" threw TypeError: retryIf broke/);
});
