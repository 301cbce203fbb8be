// One attempt on behalf of someone with a policy of its own: what a fleet's worker asks of a pool.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TimeoutError, WorkerDiedError } from "../../src/index.ts";
import { InlinePool, ProcessPool, ThreadPool } from "../../src/pool/index.ts";
import { runAttempt } from "../../src/pool/pool.ts";
import { exit, flaky, untilAborted, waitFor } from "../../src/testing/executor-suite/tasks.ts";
import { folder, until } from "../fixtures/support.ts";
import { double, withContext } from "./tasks.ts";

for (const Pool of [InlinePool, ThreadPool, ProcessPool]) {
  const make = (): InlinePool | ThreadPool | ProcessPool =>
    Pool === InlinePool ? new InlinePool({ grace: 100 }) : new Pool({ size: 1, grace: 100 });

  test(`${Pool.name}: an attempt has the id and the number it is given, and says what it says`, async () => {
    await using pool = make();
    const progress: unknown[] = [];
    const lines: string[] = [];
    const future = runAttempt(pool, withContext, [], {
      id: "job-7",
      attempt: 4,
      onProgress: (...report) => progress.push(report),
      onLog: (line) => lines.push(line),
    });
    assert.deepEqual(await future, { id: "job-7", attempt: 4 });
    assert.deepEqual(progress, [
      [0.5, "half"],
      [1, undefined],
    ]);
    assert.deepEqual(lines, ["a line"]);
    assert.equal(future.id, "job-7");
  });

  test(`${Pool.name}: arguments and result may be the codec's text`, async () => {
    await using pool = make();
    assert.equal(await runAttempt(pool, double, "[21]", { id: "a", attempt: 1, asText: true }), "42");
    assert.equal(await runAttempt(pool, double, [21], { id: "b", attempt: 1, asText: true }), "42");
    assert.equal(await runAttempt(pool, double, "[21]", { id: "c", attempt: 1 }), 42);
  });

  test(`${Pool.name}: a failure is not tried again, and a time-out is the one given`, async (t) => {
    await using pool = make();
    const file = join(folder(t), "attempts");
    const patient = flaky.with({ retries: 5, backoff: { initial: 1 }, timeout: 10 });
    await assert.rejects(runAttempt(pool, patient, [file, 9], { id: "a", attempt: 2 }), /attempt 2 fails/);
    const waiting = runAttempt(pool, waitFor, [join(folder(t), "never"), 1], { id: "b", attempt: 1, timeoutMs: 30 });
    await assert.rejects(waiting, TimeoutError);
  });

  test(`${Pool.name}: an attempt is stopped by its signal, with the signal's reason`, async (t) => {
    await using pool = make();
    const file = join(folder(t), "started");
    const controller = new AbortController();
    const future = runAttempt(pool, untilAborted, [file], { id: "a", attempt: 1, signal: controller.signal });
    await until("it has started", () => existsSync(file));
    controller.abort(new RangeError("given back"));
    await assert.rejects(future, /given back/);
    await assert.rejects(runAttempt(pool, double, [1], { id: "b", attempt: 1, signal: controller.signal }), RangeError);
  });

  if (Pool === InlinePool) continue;
  test(`${Pool.name}: the first death of the worker fails the attempt`, async (t) => {
    await using pool = make();
    const file = join(folder(t), "ran");
    await assert.rejects(runAttempt(pool, exit, [file, 5], { id: "a", attempt: 1 }), (error: WorkerDiedError) => {
      assert.ok(error instanceof WorkerDiedError);
      assert.equal(error.detail, 5);
      return true;
    });
    assert.equal(await runAttempt(pool, double, [1], { id: "b", attempt: 1 }), 2);
  });
}
