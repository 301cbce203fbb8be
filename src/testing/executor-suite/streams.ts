// What an async generator yields is read while it runs, and after.
import assert from "node:assert/strict";
import { CancelledError, CodecError, RestartedError, UsageError } from "../../core/errors.ts";
import type { StreamOptions } from "../../task/generator.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { double, flood, restarts, rows, ticks, unsendable } from "./tasks.ts";

async function all<Part>(stream: AsyncIterable<Part>): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

export const streams: readonly Case[] = [
  [
    "parts come in their order, by value, and then what the task returns",
    async (bench) => {
      const executor = await bench.executor();
      const values = [1, "two", new Map([[3, new Date(4)]]), [undefined, 5n], null];
      const stream = executor.submit(rows, values).stream();
      const parts: unknown[] = [];
      let next = await stream.next();
      for (; !next.done; next = await stream.next()) parts.push(next.value);
      assert.deepEqual(parts, values);
      assert.equal(next.value, 5);
      assert.equal(await executor.submit(rows, values), 5);
    },
  ],
  [
    "a part is read before the next is made",
    async (bench) => {
      const executor = await bench.executor();
      const release = bench.file();
      const future = executor.submit(ticks, bench.file(), release);
      const stream = future.stream();
      assert.equal((await stream.next()).value, future.id);
      bench.release(release);
      assert.equal((await stream.next()).value, 1);
      const failure = failureOf(() => future);
      await future.cancel();
      assert.ok((await failure) instanceof CancelledError);
    },
  ],
  [
    "options of a stream that it does not know are refused",
    async (bench) => {
      const executor = await bench.executor();
      const future = executor.submit(rows, [1]);
      const options: StreamOptions = { restartd: () => undefined } as object;
      assert.throws(() => future.stream(options), /no option "restartd"\. Did you mean "restarted"\?/);
      assert.throws(() => future.stream({ restarted: 5 as never }), UsageError);
      assert.equal(await future, 1);
    },
  ],
  [
    "who comes late reads from the first part",
    async (bench) => {
      const executor = await bench.executor();
      const future = executor.submit(rows, ["a", "b"]);
      assert.equal(await future, 2);
      assert.deepEqual(await all(future.stream()), ["a", "b"]);
      assert.deepEqual(await all(future.stream()), ["a", "b"]);
      assert.deepEqual(await all(executor.submit(rows, []).stream()), []);
      assert.deepEqual(await all(executor.submit(double, 2).stream()), []);
    },
  ],
  [
    "the error comes after the parts",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      bench.release(file);
      const seen: number[] = [];
      const future = executor.submit(restarts, 9, file);
      const failure = await failureOf(async () => {
        for await (const part of future.stream()) {
          seen.push(part);
          // Who reads slowly is told no less, and nothing is an unhandled rejection meanwhile.
          await bench.until("it has failed", () => future.state === "failed");
        }
      });
      assert.ok(failure instanceof RangeError);
      assert.deepEqual(seen, [1]);
    },
  ],
  [
    "a reader is told that an attempt it has read of is void, and reads the next from its first part",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const seen: (number | string)[] = [];
      const stream = executor.submit(restarts.with({ retries: 1 }), 2, file).stream({ restarted: () => seen.push("restarted") });
      for await (const part of stream) {
        seen.push(part);
        bench.release(file);
      }
      assert.deepEqual(seen, [1, "restarted", 2, 2]);
    },
  ],
  [
    "a reader who does not ask to be told is refused parts of two attempts",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const future = executor.submit(restarts.with({ retries: 1 }), 2, file);
      const failure = await failureOf(async () => {
        for await (const _ of future.stream()) bench.release(file);
      });
      assert.ok(failure instanceof RestartedError);
      assert.equal(await future, "done");
      assert.deepEqual(await all(future.stream()), [2, 2]);
    },
  ],
  [
    "a cancelled generator stops at its next part, and leaves its finally blocks",
    async (bench) => {
      const executor = await bench.own({ grace: "20s" });
      const file = bench.file();
      const release = bench.file();
      const future = executor.submit(ticks, file, release);
      const failure = failureOf(() => all(future.stream()));
      await future.stream().next();
      const cancelling = future.cancel();
      bench.release(release);
      await cancelling;
      assert.ok((await failure) instanceof CancelledError);
      await bench.untilLines(file, 1);
    },
  ],
  [
    "a part that cannot be sent fails the task with its path",
    async (bench) => {
      const executor = await bench.executor();
      const failure = await failureOf(() => executor.submit(unsendable));
      assert.ok(failure instanceof CodecError);
      assert.match(failure.message, /part/);
    },
  ],
  [
    "many parts all arrive",
    async (bench) => {
      const executor = await bench.executor();
      const parts = await all(executor.submit(flood, 5000).stream());
      assert.equal(parts.length, 5000);
      assert.equal(parts.at(-1)?.trimEnd(), "4999");
    },
  ],
];
