// What tasks throw, and when they are tried again.
import assert from "node:assert/strict";
import { ExpiredError, ManyhandsError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { double, flaky, never, note, putOff, rejecting, throwing, waitFor } from "./tasks.ts";

export const failing: readonly Case[] = [
  [
    "an error arrives with its class, message, cause and properties",
    async (bench) => {
      const executor = await bench.executor();
      const error = (await failureOf(() => executor.submit(throwing, "error"))) as RangeError & { code: string; limit: bigint };
      assert.ok(error instanceof RangeError);
      assert.equal(error.message, "out of range");
      assert.equal(error.code, "E_RANGE");
      assert.equal(error.limit, 7n);
      assert.ok(error.cause instanceof TypeError);
      assert.match(error.stack ?? "", /tasks\.[jt]s/);
      const own = await failureOf(() => executor.submit(throwing, "own"));
      assert.ok(own instanceof ManyhandsError);
      assert.equal(own.code, "OWN");
      const rejected = await failureOf(() => executor.submit(rejecting, "asynchronously"));
      assert.equal((rejected as Error).message, "asynchronously");
    },
  ],
  [
    "whatever is thrown arrives, errors or not",
    async (bench) => {
      const executor = await bench.executor();
      const thrown = (what: string): Promise<unknown> => failureOf(() => executor.submit(throwing, what));
      assert.equal(await thrown("string"), "just a text");
      assert.equal(await thrown("number"), 42);
      assert.equal(await thrown("null"), null);
      assert.equal(await thrown("undefined"), undefined);
      assert.deepEqual(await thrown("object"), { reason: ["an", "object"] });
      const aggregate = (await thrown("aggregate")) as AggregateError;
      assert.ok(aggregate instanceof AggregateError);
      assert.equal((aggregate.errors[0] as Error).message, "one");
      const cyclic = (await thrown("cyclic")) as Error & { self: unknown };
      assert.equal(cyclic.self, cyclic);
      for (const what of ["function", "symbol"]) assert.ok((await thrown(what)) instanceof Error, what);
    },
  ],
  [
    "a task that snoozes is run again as the same attempt, and no retry is spent",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      assert.equal(await executor.submit(putOff, file, 3), 1);
      assert.deepEqual(bench.lines(file), ["1", "1", "1", "1"]);
      const unasked = putOff.with({
        retryIf: () => {
          throw new Error("asked");
        },
      });
      assert.deepEqual(await executor.starmap(unasked, [[bench.file(), 1]]), [1]);
    },
  ],
  [
    "a failed task is tried again as often as it says",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const patient = flaky.with({ retries: 3, backoff: { initial: 1 } });
      assert.equal(await executor.submit(patient, file, 3), 3);
      assert.deepEqual(bench.lines(file), ["1", "2", "3"]);
      const other = bench.file();
      const error = await failureOf(() => executor.submit(patient, other, 9));
      assert.equal((error as Error).message, "attempt 4 fails");
      assert.equal(bench.lines(other).length, 4);
      const third = bench.file();
      await failureOf(() => executor.submit(flaky, third, 9));
      assert.equal(bench.lines(third).length, 1);
    },
  ],
  [
    "retryIf decides, and its own failure ends the task",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const retryIf = (error: unknown): boolean => (error as { attempt: number }).attempt < 2;
      const error = await failureOf(() => executor.submit(flaky.with({ retries: 5, backoff: { initial: 1 }, retryIf }), file, 9));
      assert.equal((error as Error).message, "attempt 2 fails");
      const broken = flaky.with({
        retries: 5,
        retryIf: () => {
          throw new TypeError("retryIf broke");
        },
      });
      const own = await failureOf(() => executor.submit(broken, bench.file(), 9));
      assert.ok(own instanceof Error);
      assert.equal(own.message, "attempt 1 fails");
      assert.match(String(own.cause), /"retryIf" threw TypeError: retryIf broke/);
    },
  ],
  [
    "the wait between attempts grows",
    async (bench) => {
      const executor = await bench.executor();
      const begun = systemRuntime.elapsed();
      const slow = flaky.with({ retries: 2, backoff: { initial: 40, factor: 3, jitter: 0 } });
      await executor.submit(slow, bench.file(), 3);
      assert.ok(systemRuntime.elapsed() - begun >= 155, "40 ms and 120 ms");
    },
  ],
  [
    "an element of a map is tried again, too",
    async (bench) => {
      const executor = await bench.executor();
      const files = Array.from({ length: 30 }, () => bench.file());
      const patient = flaky.with({ retries: 2, backoff: { initial: 1 } });
      const attempts = await executor.starmap(
        patient,
        files.map((file, i): [string, number] => [file, (i % 3) + 1]),
      );
      assert.deepEqual(
        attempts,
        files.map((_, i) => (i % 3) + 1),
      );
    },
  ],
  [
    "a delay and a due time are waited for",
    async (bench) => {
      const executor = await bench.executor();
      const begun = systemRuntime.elapsed();
      const delayed = executor.submit(double.with({ delay: 60 }), 2);
      await delayed.submitted;
      assert.equal(delayed.state, "scheduled");
      const due = executor.submit(double.with({ at: systemRuntime.now() + 60 }), 3);
      const past = executor.submit(double.with({ at: systemRuntime.now() - 60 }), 4);
      assert.deepEqual(await Promise.all([delayed, due, past]), [4, 6, 8]);
      assert.ok(systemRuntime.elapsed() - begun >= 55);
      assert.deepEqual(await executor.map(double.with({ delay: 20 }), [1, 2, 3]), [2, 4, 6]);
    },
  ],
  [
    "a task that is not started in time expires, one that is does not",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const file = bench.file();
      const blocker = executor.submit(never, file);
      await bench.untilLines(file, 1);
      const late = executor.submit(double.with({ expires: 30 }), 1);
      const error = await failureOf(() => late);
      assert.ok(error instanceof ExpiredError);
      assert.equal(late.state, "expired");
      const failure = failureOf(() => blocker);
      await blocker.cancel();
      await failure;
      await executor.submit(double, 1);
      const release = bench.file();
      const inTime = executor.submit(waitFor.with({ expires: 300 }), release, 1);
      await bench.until("it has started", () => inTime.state === "running");
      const begun = systemRuntime.elapsed();
      await bench.until("its time is over", () => systemRuntime.elapsed() - begun > 350);
      bench.release(release);
      assert.equal(await inTime, 1);
    },
  ],
  [
    "higher priority goes first, and equal priority in order",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const file = bench.file();
      const release = bench.file();
      // Known to be short, so that some might be given to the worker in advance.
      for (let i = 0; i < 20; i++) await executor.submit(note, bench.file(), "warm");
      const first = executor.submit(waitFor, release, 1);
      await bench.until("it has started", () => first.state === "running");
      const submit = (line: string, priority: number): Promise<string> => executor.submit(note.with({ priority }), file, line);
      const futures = [submit("low 1", -1), submit("low 2", -1), submit("normal", 0)];
      await Promise.resolve();
      futures.push(submit("high 1", 5), submit("high 2", 5), submit("low 3", -1));
      bench.release(release);
      await Promise.all(futures);
      assert.deepEqual(bench.lines(file), ["high 1", "high 2", "normal", "low 1", "low 2", "low 3"]);
    },
  ],
];
