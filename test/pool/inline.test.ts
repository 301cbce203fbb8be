// The InlinePool passes the executor suite, but for what would take ending the program it runs in.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { task } from "../../src/index.ts";
import { InlinePool } from "../../src/pool/index.ts";
import { TestClock } from "../../src/testing/clock.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { never } from "../../src/testing/executor-suite/tasks.ts";
import { folder, until } from "../fixtures/support.ts";
import { double, fail, half, useInline } from "./tasks.ts";

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
        "a death is not a failure: it uses up no retry",
        "the neighbours of a task that ends its worker run exactly once",
        "an error that nothing catches is told with its message",
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
