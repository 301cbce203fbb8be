// Calls that depend on calls.
import assert from "node:assert/strict";
import { CodecError, DependencyFailedError } from "../../core/errors.ts";
import type { Call } from "../../task/call.ts";
import { call } from "../../task/call.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { add, afterAll, double, first, giveBad, note, sum, throwing, total } from "./tasks.ts";

export const graphs: readonly Case[] = [
  [
    "nested calls run first, at any depth of the arguments",
    async (bench) => {
      const executor = await bench.executor();
      assert.equal(await executor.submit(call(add, call(double, 1), call(add, 2, call(double, 3)))), 10);
      assert.equal(await executor.submit(sum, [1, call(double, 2), 3]), 8);
      const nested = { parts: [{ value: call(double, 1) }, { value: 5 }, { value: call(sum, [1, call(double, 1)]) }] };
      assert.equal(await executor.submit(total, nested, call(double, 5)), 100);
    },
  ],
  [
    "a call used twice runs once",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const shared = call(note, file, "once");
      const lines = await executor.submit(call(note, file, call(note, bench.file(), shared)));
      assert.equal(lines, "once");
      const twice = call(note, file, "twice");
      await executor.submit(first, twice, twice);
      assert.equal(bench.lines(file).filter((line) => line === "twice").length, 1);
    },
  ],
  [
    "a graph 2,000 deep runs",
    async (bench) => {
      const executor = await bench.executor();
      let deep: Call<number> = call(add, 0, 0);
      for (let i = 0; i < 2000; i++) deep = call(add, deep, 1);
      assert.equal(await executor.submit(deep), 2000);
    },
  ],
  [
    "a graph 100,000 wide runs",
    async (bench) => {
      const executor = await bench.executor();
      const wide = call(
        sum,
        Array.from({ length: 100_000 }, (_, i) => call(double, i)),
      );
      assert.equal(await executor.submit(wide), 9_999_900_000);
    },
  ],
  [
    "a call whose dependency fails fails with its error as the cause",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(call(note, file, call(note, file, call(throwing, "error") as unknown as Call<string>)));
      const error = await failureOf(() => future);
      assert.ok(error instanceof DependencyFailedError);
      assert.ok(error.cause instanceof RangeError);
      assert.match(error.message, /suite.throwing|out of range/);
      assert.equal(future.state, "failed");
      assert.deepEqual(bench.lines(file), []);
    },
  ],
  [
    "a failure deep down fails the whole, however deep",
    async (bench) => {
      const executor = await bench.executor();
      let deep: Call<number> = call(throwing, "error");
      for (let i = 0; i < 2000; i++) deep = call(add, deep, 1);
      const error = await failureOf(() => executor.submit(deep));
      assert.ok(error instanceof DependencyFailedError);
      assert.ok(error.cause instanceof RangeError);
    },
  ],
  [
    "a dependency's result that cannot be sent fails the call",
    async (bench) => {
      const executor = await bench.executor();
      const error = await failureOf(() => executor.submit(call(first, call(giveBad), 1)));
      assert.ok(error instanceof DependencyFailedError);
      assert.ok(error.cause instanceof CodecError);
    },
  ],
  [
    "cancelling a call cancels all below it",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(
        call(afterAll, file, call(afterAll, file), call(afterAll, file), call(afterAll, file), call(afterAll, file)),
      );
      await bench.untilLines(file, 2);
      assert.equal(future.state, "blocked");
      const failure = failureOf(() => future);
      const { waiting, stopped, killed, requested } = await future.cancel("not wanted");
      assert.equal(waiting, 3);
      assert.equal(stopped + killed + requested, 2);
      assert.match(String(await failure), /CancelledError.*not wanted/);
      assert.equal(future.state, "cancelled");
      assert.deepEqual(bench.lines(file), ["started", "started"]);
    },
  ],
];
