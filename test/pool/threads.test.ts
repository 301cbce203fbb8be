// The ThreadPool passes the executor suite, and keeps the promises that only threads can make.
import assert from "node:assert/strict";
import { test } from "node:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { call, TimeoutError, UsageError, WorkerDiedError } from "../../src/index.ts";
import { ThreadPool } from "../../src/pool/index.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { TestClock } from "../../src/testing/clock.ts";
import { endless } from "./programs/endless-module.ts";
import { folder, Program, until, workerCases } from "./shared-cases.ts";
import { behave, block, double, join as joinAll } from "./tasks.ts";

executorConformance("ThreadPool", (wish) => new ThreadPool(wish));
workerCases("thread", (options) => new ThreadPool(options));

test("a thread whose heap is full dies alone", async (t) => {
  const run = new Program(t, new URL("programs/oom.ts", import.meta.url).pathname, []);
  assert.equal(await run.exited, 0);
  const told = JSON.parse(run.output) as { reason: string; message: string; after: number };
  assert.equal(told.reason, "out-of-memory");
  assert.match(told.message, /the thread that ran it ran out of memory/);
  assert.equal(told.after, 8);
});

test("threads that cannot be started fail the calls, with the reason", async () => {
  await using pool = new ThreadPool({ size: 2, env: { NODE_OPTIONS: "--max-old-space-size=abc --no-such-option" } });
  const calls = [pool.submit(double, 1), pool.submit(double, 2), pool.map(double, [1, 2])];
  for (const outcome of await Promise.allSettled(calls)) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof WorkerDiedError);
    assert.match(outcome.reason.message, /no thread could be started/);
  }
  await assert.rejects(pool.submit(double, 3), WorkerDiedError);
});

test("a module whose import never ends is timed out", async (t) => {
  const file = join(folder(t), "importing");
  const clock = new TestClock();
  await using pool = new ThreadPool({ size: 1, grace: 10, runtime: clock, env: { ENDLESS_IN: file } });
  const future = pool.submit(endless.with({ timeout: 50 }), 1);
  future.catch(() => undefined);
  await until("its module is being imported", () => existsSync(file));
  await clock.advance("9s");
  assert.equal(future.state, "running");
  await clock.advance("2s");
  await assert.rejects(future, (error: Error) => {
    assert.ok(error instanceof TimeoutError);
    assert.match(
      error.message,
      /Task "endless\.task" could not be run: importing .*endless-module\.ts took longer than 10000 ms/,
    );
    return true;
  });
  assert.equal(await pool.submit(double, 4), 8);
});

test("limits of threads that make no sense are refused", () => {
  const make = (resourceLimits: unknown) => () => new ThreadPool({ resourceLimits } as object);
  assert.throws(make(3), UsageError);
  assert.throws(
    make({ maxOldGenerationSizeMB: 5 }),
    /no option "maxOldGenerationSizeMB"\. Did you mean "maxOldGenerationSizeMb"\?/,
  );
  assert.throws(make({ stackSizeMb: "4" }), /resourceLimits\.stackSizeMb must be a number of MB above 0, found "4"/);
});

test("what was given to a thread is ready until the thread has begun it", async () => {
  await using pool = new ThreadPool({ size: 1 });
  const words = new Int32Array(new SharedArrayBuffer(8));
  await pool.submit(block, words);
  await until("the thread is blocked", () => Atomics.load(words, 1) === 1);
  const future = pool.submit(double, 4);
  assert.equal(future.state, "ready");
  await new Promise(setImmediate);
  assert.equal(future.state, "ready");
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  assert.equal(await future, 8);
  assert.equal(future.state, "done");
});

test("outcomes that arrive while a large graph is being started start nothing twice", async () => {
  await using pool = new ThreadPool({ size: 2 });
  const inputs = Array.from({ length: 20_000 }, (_, i) => i);
  await pool.map(double, inputs);
  const leaves = inputs.map((i) => call(double, i));
  const result = await pool.submit(
    call(
      joinAll,
      leaves.map((leaf) => call(double, leaf)),
    ),
  );
  assert.deepEqual(
    result,
    inputs.map((i) => 4 * i),
  );
  const failing = inputs.map((i) => call(behave, i, i === 0 ? "throw" : "return"));
  await assert.rejects(Promise.resolve(pool.submit(call(joinAll, failing))), /behave/);
  await pool.close();
});

test("the inputs of a map may be made by a generator that submits to the same pool", async () => {
  await using pool = new ThreadPool({ size: 2 });
  await Promise.all([pool.submit(double, 1), pool.submit(double, 2)]);
  const side: Promise<number>[] = [];
  function* inputs(): Generator<number> {
    for (let i = 0; i < 9000; i++) side.push(pool.submit(double, i));
    yield 1;
    yield 2;
  }
  assert.deepEqual(await pool.map(double, inputs()), [2, 4]);
  assert.equal((await Promise.all(side)).at(-1), 17_998);
});
