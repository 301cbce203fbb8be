// One attempt on behalf of someone with a policy of its own: what a fleet's worker asks of a pool.
import assert from "node:assert/strict";
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TimeoutError, WorkerDiedError } from "../../src/index.ts";
import { InlinePool, ProcessPool, ThreadPool } from "../../src/pool/index.ts";
import { runAttempt } from "../../src/pool/pool.ts";
import { exit, flaky, never, untilAborted } from "../../src/testing/executor-suite/tasks.ts";
import { folder, until } from "../fixtures/support.ts";
import { double, logLater, markAndWait, withContext } from "./tasks.ts";

for (const Pool of [InlinePool, ThreadPool, ProcessPool]) {
  const make = (): InlinePool | ThreadPool | ProcessPool =>
    Pool === InlinePool ? new InlinePool({ grace: 100 }) : new Pool({ size: 1, grace: 100 });

  test(`${Pool.name}: an attempt has the id and the number it is given, and says what it says`, async () => {
    await using pool = make();
    const progress: unknown[] = [];
    const lines: string[] = [];
    const { result } = runAttempt(pool, withContext, [], {
      id: "job-7",
      attempt: 4,
      onProgress: (...report) => progress.push(report),
      onLog: (line) => lines.push(line),
    });
    assert.deepEqual(await result, { id: "job-7", attempt: 4 });
    assert.deepEqual(progress, [
      [0.5, "half"],
      [1, undefined],
    ]);
    assert.deepEqual(lines, ["a line"]);
  });

  test(`${Pool.name}: what a task logs after its end is not told as another's`, async () => {
    await using pool = Pool === InlinePool ? new InlinePool({ concurrency: 1 }) : make();
    const lines: string[] = [];
    const onLog = (line: string): void => void lines.push(line);
    await runAttempt(pool, logLater, [], { id: "early", attempt: 1, onLog }).result;
    await runAttempt(pool, logLater, [], { id: "other", attempt: 1, onLog }).result;
    assert.deepEqual(lines, []);
  });

  test(`${Pool.name}: arguments and result may be the codec's text`, async () => {
    await using pool = make();
    assert.equal(await runAttempt(pool, double, "[21]", { id: "a", attempt: 1, asText: true }).result, "42");
    assert.equal(await runAttempt(pool, double, [21], { id: "b", attempt: 1, asText: true }).result, "42");
    assert.equal(await runAttempt(pool, double, "[21]", { id: "c", attempt: 1 }).result, 42);
  });

  test(`${Pool.name}: a failure is not tried again, and a time-out is the one given`, async (t) => {
    await using pool = make();
    const file = join(folder(t), "attempts");
    const patient = flaky.with({ retries: 5, backoff: { initial: 1 }, timeout: 10 });
    await assert.rejects(runAttempt(pool, patient, [file, 9], { id: "a", attempt: 2 }).result, /attempt 2 fails/);
    const waiting = runAttempt(pool, never, [join(folder(t), "started")], { id: "b", attempt: 1, timeoutMs: 30 });
    await assert.rejects(waiting.result, TimeoutError);
  });

  test(`${Pool.name}: an attempt is stopped with the reason it is given`, async (t) => {
    await using pool = make();
    const file = join(folder(t), "started");
    const running = runAttempt(pool, untilAborted, [file], { id: "a", attempt: 1 });
    await until("it has started", () => existsSync(file));
    running.stop(new RangeError("given back"));
    await assert.rejects(running.result, /given back/);
    running.stop(new RangeError("it is over"));
  });

  test(`${Pool.name}: an attempt is retracted only if it has not begun`, async (t) => {
    await using pool = Pool === InlinePool ? new InlinePool({ concurrency: 1 }) : make();
    const file = join(folder(t), "go");
    const begun = runAttempt(pool, markAndWait, [`${file}.begun`, file], { id: "a", attempt: 1 });
    const waiting = runAttempt(pool, double, [1], { id: "b", attempt: 1 });
    waiting.retract(new RangeError("given back"));
    await assert.rejects(waiting.result, /given back/);
    await until("the other one runs", () => existsSync(`${file}.begun`));
    begun.retract(new RangeError("too late"));
    appendFileSync(file, "go\n");
    assert.equal(await begun.result, "begun");
  });

  if (Pool === InlinePool) continue;
  test(`${Pool.name}: the first death of the worker fails the attempt`, async (t) => {
    await using pool = make();
    const file = join(folder(t), "ran");
    await assert.rejects(runAttempt(pool, exit, [file, 5], { id: "a", attempt: 1 }).result, (error: WorkerDiedError) => {
      assert.ok(error instanceof WorkerDiedError);
      assert.equal(error.detail, 5);
      return true;
    });
    assert.equal(await runAttempt(pool, double, [1], { id: "b", attempt: 1 }).result, 2);
  });
}
