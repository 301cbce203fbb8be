// The ThreadPool passes the executor suite, and keeps the promises that only threads can make.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerDiedError } from "../../src/index.ts";
import { ThreadPool } from "../../src/pool/index.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { Program, workerCases } from "./shared-cases.ts";
import { double } from "./tasks.ts";

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
