// Cancel, time-outs, and the end of an executor.
import assert from "node:assert/strict";
import { CancelledError, ClosedError, TimeoutError } from "../../core/errors.ts";
import type { CancelReceipt } from "../../pool/future.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { busy, double, flaky, later, never, note, shrugging, untilAborted, waitFor } from "./tasks.ts";

const receipt = (counts: Partial<CancelReceipt>): CancelReceipt => ({
  waiting: 0,
  stopped: 0,
  killed: 0,
  requested: 0,
  ...counts,
});
const endedBy = ({ stopped, killed, requested }: CancelReceipt): number => stopped + killed + requested;

export const stopping: readonly Case[] = [
  [
    "what waits is cancelled and never starts",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const file = bench.file();
      const release = bench.file();
      const first = executor.submit(waitFor, release, 1);
      await bench.until("it has started", () => first.state === "running");
      const waiting = executor.submit(note, file, "must not run");
      const failure = failureOf(() => waiting);
      await waiting.submitted;
      assert.deepEqual(await waiting.cancel("changed my mind"), receipt({ waiting: 1 }));
      const error = await failure;
      assert.ok(error instanceof CancelledError);
      assert.equal(error.reason, "changed my mind");
      assert.equal(waiting.state, "cancelled");
      bench.release(release);
      await first;
      await executor.submit(double, 1);
      assert.deepEqual(bench.lines(file), []);
    },
  ],
  [
    "what runs is asked to stop by its signal",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(untilAborted, file);
      await bench.untilLines(file, 1);
      const failure = failureOf(() => future);
      assert.equal(endedBy(await future.cancel("enough")), 1);
      const error = await failure;
      assert.ok(error instanceof CancelledError);
      assert.equal(error.reason, "enough");
      assert.equal(await executor.submit(double, 3), 6);
    },
  ],
  [
    "what ignores its signal is ended after the grace period",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(never, file);
      await bench.untilLines(file, 1);
      const failure = failureOf(() => future);
      assert.equal(endedBy(await future.cancel()), 1);
      assert.ok((await failure) instanceof CancelledError);
      assert.equal(await executor.submit(double, 3), 6);
    },
  ],
  [
    "a busy loop is cancelled by ending its thread or process",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(busy, file);
      await bench.untilLines(file, 1);
      const failure = failureOf(() => future);
      assert.equal(endedBy(await future.cancel()), 1);
      assert.ok((await failure) instanceof CancelledError);
      assert.deepEqual(await executor.map(double, [1, 2, 3]), [2, 4, 6]);
    },
  ],
  [
    "cancelling what has ended stops nothing and is no error",
    async (bench) => {
      const executor = await bench.executor();
      const future = executor.submit(double, 1);
      await future;
      assert.deepEqual(await future.cancel(), receipt({}));
      assert.equal(await future, 2);
      assert.equal(future.state, "done");
    },
  ],
  [
    "a cancelled future that nobody awaits is no unhandled rejection",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const file = bench.file();
      const futures = Array.from({ length: 10 }, () => executor.submit(untilAborted, file));
      await bench.untilLines(file, 1);
      const receipts = await Promise.all(futures.map((future) => future.cancel()));
      assert.equal(receipts.reduce((count, { waiting }) => count + waiting, 0), 9); // oxfmt-ignore
    },
  ],
  [
    "a map is cancelled as a whole",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const results = executor.map(untilAborted, Array(20).fill(file) as string[]);
      const failure = failureOf(() => results);
      await bench.untilLines(file, 2);
      assert.equal(endedBy(await results.cancel("enough")), 2);
      const error = await failure;
      assert.ok(error instanceof CancelledError);
      assert.equal(error.reason, "enough");
      assert.equal(bench.lines(file).length, 2);
    },
  ],
  [
    "a promise that never settles is timed out",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(never.with({ timeout: 80 }), file);
      const error = await failureOf(() => future);
      assert.ok(error instanceof TimeoutError);
      assert.equal(error.afterMs, 80);
      assert.equal(future.state, "failed");
      assert.equal(await executor.submit(double, 3), 6);
    },
  ],
  [
    "a busy loop is timed out by ending its thread or process",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const file = bench.file();
      const futures = [executor.submit(busy.with({ timeout: 80 }), file), executor.submit(later, "others go on")] as const;
      assert.ok((await failureOf(() => futures[0])) instanceof TimeoutError);
      assert.equal(await futures[1], "others go on");
    },
  ],
  [
    "the signal tells a task that its time is over; what it does then does not count",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const error = await failureOf(() => executor.submit(shrugging.with({ timeout: 60 }), file));
      assert.ok(error instanceof TimeoutError);
      assert.deepEqual(bench.lines(file), ["started", "TimeoutError"]);
    },
  ],
  [
    "a time-out is for each attempt and counts as a failure",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const patient = never.with({ timeout: 50, retries: 2, backoff: { initial: 1 } });
      assert.ok((await failureOf(() => executor.submit(patient, file))) instanceof TimeoutError);
      assert.equal(bench.lines(file).length, 3);
    },
  ],
  [
    "short tasks with a time-out are not disturbed by it",
    async (bench) => {
      const executor = await bench.executor();
      const numbers = Array.from({ length: 3000 }, (_, i) => i);
      const results = await executor.map(double.with({ timeout: 5000 }), numbers);
      assert.equal(results[2999], 5998);
    },
  ],
  [
    "close waits for what was submitted, and refuses more",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const file = bench.file();
      const futures = [
        executor.submit(later, 1),
        executor.submit(flaky.with({ retries: 2, backoff: { initial: 5 } }), file, 2),
        executor.submit(double.with({ delay: 30 }), 4),
      ];
      const mapped = executor.map(double, [1, 2, 3]);
      // A fleet's close waits for what is awaited only until it is durable; what pools and fleets share is that nothing hangs.
      const settled = Promise.allSettled([...futures, mapped]);
      await settled;
      await executor.close();
      await executor.close();
      for (const run of [() => executor.submit(double, 1), () => executor.map(double, [1])]) {
        assert.ok((await failureOf(run)) instanceof ClosedError);
      }
      assert.deepEqual(
        (await settled).map(({ status }) => status),
        ["fulfilled", "fulfilled", "fulfilled", "fulfilled"],
      );
    },
  ],
];
