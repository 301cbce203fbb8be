// map and starmap: order, bounded memory, endless inputs, failures.
import assert from "node:assert/strict";
import { UsageError } from "../../core/errors.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { add, double, echo, meet, note, shortOrSlow, throwing, untilAborted, waitFor } from "./tasks.ts";

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Endless inputs that tell how many were taken, and whether they were closed. */
class Endless {
  taken = 0;
  isClosed = false;

  *sync(): Generator<number> {
    try {
      for (;;) yield this.taken++;
    } finally {
      this.isClosed = true;
    }
  }

  async *async(): AsyncGenerator<number> {
    try {
      for (;;) yield await Promise.resolve(this.taken++);
    } finally {
      this.isClosed = true;
    }
  }
}

export const maps: readonly Case[] = [
  [
    "results are in the order of the inputs, whatever these are",
    async (bench) => {
      const executor = await bench.executor();
      const expected = range(500).map((n) => n * 2);
      async function* slowly(): AsyncGenerator<number> {
        for (const n of range(500)) yield await Promise.resolve(n);
      }
      assert.deepEqual(await executor.map(double, range(500)), expected);
      assert.deepEqual(await executor.map(double, new Set(range(500))), expected);
      assert.deepEqual(await executor.map(double, range(500).values()), expected);
      assert.deepEqual(await executor.map(double, slowly()), expected);
      assert.deepEqual(await executor.map(double, []), []);
      assert.deepEqual(await executor.map(double, new Set<number>().values()), []);
    },
  ],
  [
    "starmap takes lists of arguments",
    async (bench) => {
      const executor = await bench.executor();
      const pairs = range(100).map((n): [number, number] => [n, 1]);
      assert.deepEqual(
        await executor.starmap(add, pairs),
        range(100).map((n) => n + 1),
      );
      const error = await failureOf(() => executor.starmap(add, [7] as unknown as [number, number][]));
      assert.ok(error instanceof UsageError);
    },
  ],
  [
    "results can be iterated in order, or as they come",
    async (bench) => {
      const executor = await bench.executor();
      const inOrder: number[] = [];
      for await (const n of executor.map(double, range(300))) inOrder.push(n);
      assert.deepEqual(
        inOrder,
        range(300).map((n) => n * 2),
      );
      const asTheyCome: number[] = [];
      for await (const n of executor.map(double, range(300), { ordered: false })) asTheyCome.push(n);
      assert.deepEqual(
        asTheyCome.toSorted((a, b) => a - b),
        inOrder,
      );
    },
  ],
  [
    "unordered results do not wait for a slow one",
    async (bench) => {
      const executor = await bench.executor();
      const [release, marks] = [bench.file(), bench.file()];
      const inputs = range(20).map((n): [string, number, number, number] => [n === 0 ? release : marks, n, 0, 1]);
      const seen: number[] = [];
      for await (const n of executor.starmap(shortOrSlow, inputs, { ordered: false })) {
        seen.push(n);
        if (seen.length === 19) bench.release(release);
      }
      assert.equal(seen.length, 20);
      assert.equal(seen.at(-1), 0);
    },
  ],
  [
    "one slow task does not hold up others, however they were batched",
    async (bench) => {
      const executor = await bench.executor();
      const warm = bench.file();
      // Short tasks by the hundred: from now on they are taken for short.
      await executor.starmap(
        shortOrSlow,
        range(500).map((n): [string, number, number, number] => [warm, n, -1, 0]),
      );
      const file = bench.file();
      const all = await executor.starmap(
        shortOrSlow,
        range(300).map((n): [string, number, number, number] => [file, n, 100, 299]),
      );
      assert.deepEqual(all, range(300));
    },
  ],
  [
    "endless inputs are taken only as far as the window goes",
    async (bench) => {
      const executor = await bench.executor();
      for (const kind of ["sync", "async"] as const) {
        const inputs = new Endless();
        let consumed = 0;
        for await (const n of executor.map(double, inputs[kind](), { window: 20 })) {
          assert.equal(n, consumed * 2);
          consumed += 1;
          assert.ok(inputs.taken <= consumed + 20, `${inputs.taken} taken, ${consumed} consumed`);
          if (consumed === 300) break;
        }
        await bench.until("the inputs are closed", () => inputs.isClosed);
        assert.ok(inputs.taken <= 321);
      }
    },
  ],
  [
    "results that nobody consumes stop the inputs",
    async (bench) => {
      const executor = await bench.executor();
      const inputs = new Endless();
      const results = executor.map(double, inputs.sync(), { window: 30 });
      await bench.until("the window is full", () => inputs.taken >= 30);
      assert.equal(await executor.submit(echo, "others go on"), "others go on");
      assert.equal(inputs.taken, 30);
      await results.cancel();
      assert.ok(inputs.isClosed);
    },
  ],
  [
    "an endless map leaves room for others",
    async (bench) => {
      const executor = await bench.executor();
      const inputs = new Endless();
      const consuming = (async () => {
        for await (const n of executor.map(double, inputs.sync())) if (n < 0 || inputs.isClosed) return;
      })();
      await bench.until("the map is under way", () => inputs.taken > 100);
      assert.deepEqual(await executor.map(double, range(100)), range(100).map((n) => n * 2)); // oxfmt-ignore
      assert.equal(await executor.submit(double, 4), 8);
      inputs.isClosed = true;
      await consuming;
    },
  ],
  [
    "the first failure rejects, takes no more inputs and starts no more",
    async (bench) => {
      const executor = await bench.executor();
      const inputs = new Endless();
      const names = (function* (): Generator<string> {
        for (const n of inputs.sync()) yield n === 50 ? "error" : "string";
      })();
      const mixed = (function* (): Generator<string> {
        for (const name of names) yield name;
      })();
      const error = await failureOf(() => executor.map(throwing, mixed, { window: 10 }));
      assert.equal(error, "just a text");
      assert.ok(inputs.taken <= 12, `${inputs.taken} taken`);
      assert.ok(inputs.isClosed);
    },
  ],
  [
    "a failure while iterating rejects the loop and closes the inputs",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const seen: unknown[] = [];
      const inputs = range(40).map((n): [string, number] => [file, n]);
      const error = await failureOf(async () => {
        for await (const result of executor.starmap(add, badAt(inputs, 25))) seen.push(result);
      });
      assert.ok(error instanceof Error);
      assert.ok(seen.length <= 25);
    },
  ],
  [
    "settled() gives every outcome and stops at no failure",
    async (bench) => {
      const executor = await bench.executor();
      const outcomes = await executor.map(throwing, ["string", "number", "error"]).settled();
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["rejected", "rejected", "rejected"],
      );
      assert.equal(outcomes[0]?.status === "rejected" && outcomes[0].reason, "just a text");
      const mixed = await executor.map(echo, [1, () => 2, 3] as unknown[]).settled();
      assert.deepEqual(
        mixed.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
    },
  ],
  [
    "inputs that fail make the map fail",
    async (bench) => {
      const executor = await bench.executor();
      function* broken(): Generator<number> {
        yield 1;
        throw new RangeError("the inputs broke");
      }
      async function* brokenLater(): AsyncGenerator<number> {
        yield await Promise.resolve(1);
        throw new RangeError("the inputs broke");
      }
      for (const inputs of [broken, brokenLater]) {
        const error = await failureOf(() => executor.map(double, inputs()));
        assert.ok(error instanceof RangeError);
        await assert.rejects(executor.map(double, inputs()).settled(), RangeError);
        await assert.rejects(async () => {
          for await (const n of executor.map(double, inputs())) assert.equal(n, 2);
        }, RangeError);
      }
    },
  ],
  [
    "results can be awaited again, but iterated only once",
    async (bench) => {
      const executor = await bench.executor();
      const results = executor.map(double, [1, 2]);
      assert.deepEqual(await results, [2, 4]);
      assert.deepEqual(await results, [2, 4]);
      assert.throws(() => results[Symbol.asyncIterator](), UsageError);
      const iterated = executor.map(double, [1, 2]);
      for await (const n of iterated) assert.ok(n > 0);
      await assert.rejects(async () => iterated, UsageError);
    },
  ],
  [
    "leaving the loop cancels what is under way",
    async (bench) => {
      const executor = await bench.own({ size: 3 });
      const file = bench.file();
      const go = bench.file();
      bench.release(go);
      const inputs = [1, 2, 3, 4, 5];
      const tasks = executor.map(
        untilAborted,
        inputs.map(() => file),
        { ordered: false },
      );
      const iterator = tasks[Symbol.asyncIterator]();
      const next = iterator.next();
      await bench.untilLines(file, 3);
      await iterator.return?.();
      assert.equal((await next).done, true);
      assert.equal(bench.lines(file).length, 3);
      assert.equal(await executor.submit(waitFor, go, 1), 1);
    },
  ],
  [
    "more tasks than cores overlap their waits",
    async (bench) => {
      const executor = await bench.own({ size: 8 });
      const file = bench.file();
      const met = await executor.starmap(
        meet,
        range(8).map((): [string, number] => [file, 8]),
      );
      assert.deepEqual(met, Array(8).fill(true));
    },
  ],
  [
    "unknown options of map are refused",
    async (bench) => {
      const executor = await bench.executor();
      const error = await failureOf(() => executor.map(double, [1], { windows: 3 } as object));
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /Did you mean "window"\?/);
      const file = bench.file();
      assert.equal(await executor.submit(note, file, "fine"), "fine");
    },
  ],
];

function* badAt(inputs: readonly [string, number][], place: number): Generator<[number, number]> {
  for (const [, n] of inputs) yield n === place ? ([Symbol("bad"), n] as unknown as [number, number]) : [n, n];
}
