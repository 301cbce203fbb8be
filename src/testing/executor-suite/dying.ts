// The death of what runs a task.
import assert from "node:assert/strict";
import { WorkerDiedError } from "../../core/errors.ts";
import { call } from "../../task/call.ts";
import { group } from "../../task/flow.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { double, exit, exitAtFirst, exitWhen, uncaught } from "./tasks.ts";

export const dying: readonly Case[] = [
  [
    "process.exit() in a task fails that task, with the code",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const error = await failureOf(() => executor.submit(exit.with({ crashes: 0 }), file, 7));
      assert.ok(error instanceof WorkerDiedError);
      assert.equal(error.reason, "exit");
      assert.equal(error.detail, 7);
      assert.deepEqual(bench.lines(file), ["ran"]);
      assert.equal(await executor.submit(double, 2), 4);
    },
  ],
  [
    "a task whose worker dies is given out again as often as it says",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      assert.equal(await executor.submit(exitAtFirst.with({ crashes: 2 }), file, 2), 3);
      assert.deepEqual(bench.lines(file), ["1", "2", "3"]);
      const other = bench.file();
      const error = await failureOf(() => executor.submit(exitAtFirst.with({ crashes: 1 }), other, 9));
      assert.ok(error instanceof WorkerDiedError);
      assert.equal(bench.lines(other).length, 2);
    },
  ],
  [
    "a join gets the death of a member's worker as an outcome",
    async (bench) => {
      const executor = await bench.executor();
      const members = [call(double, 1), call(exit.with({ crashes: 1 }), bench.file(), 7), call(double, 2)];
      const [one, died, two] = await executor.submit(group(members, { failed: "collect" }));
      assert.deepEqual(
        [one, two],
        [
          { status: "fulfilled", value: 2 },
          { status: "fulfilled", value: 4 },
        ],
      );
      assert.ok((died as PromiseRejectedResult).reason instanceof WorkerDiedError);
    },
  ],
  [
    "a death is not a failure: it uses up no retry",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      assert.equal(await executor.submit(exitAtFirst.with({ crashes: 3, retries: 0 }), file, 1), 2);
    },
  ],
  [
    "the neighbours of a task that ends its worker run exactly once",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      const inputs = numbers.map((n): [string, number, number] => [file, n, 120]);
      const outcomes = await executor.starmap(exitWhen.with({ crashes: 0 }), inputs).settled();
      assert.deepEqual(
        outcomes.flatMap(({ status }, i) => (status === "rejected" ? [i] : [])),
        [120],
      );
      assert.deepEqual(
        bench
          .lines(file)
          .map(Number)
          .toSorted((a, b) => a - b),
        numbers,
      );
    },
  ],
  [
    "an error that nothing catches is told with its message",
    async (bench) => {
      const executor = await bench.executor();
      const error = await failureOf(() => executor.submit(uncaught.with({ crashes: 0 })));
      assert.ok(error instanceof WorkerDiedError);
      assert.equal(error.reason, "uncaught");
      assert.match(error.message, /nobody caught this/);
      assert.ok(error.cause instanceof TypeError);
    },
  ],
];
