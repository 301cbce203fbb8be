// Values go by value, the same everywhere; what cannot be sent is refused with its path.
import assert from "node:assert/strict";
import { CodecError, UsageError } from "../../core/errors.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { about, add, checked, double, echo, giveBad, giveKept, later, reportProgress } from "./tasks.ts";

const cyclic: { name: string; self?: unknown } = { name: "cyclic" };
cyclic.self = cyclic;

const shared = { n: 1 };

const samples: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  "not a number": NaN,
  "minus zero": -0,
  infinity: -Infinity,
  bigint: 12345678901234567890n,
  text: "naïve \u0000 \ud800 🙂",
  "an empty object": {},
  "a plain object": { a: [1, "two", null, { b: true }], __proto__: null },
  "a key named __proto__": JSON.parse('{"__proto__": {"polluted": true}}'),
  "undefined inside": { a: undefined, b: [undefined] },
  "an array with holes": Object.assign([1], { 3: 4 }),
  date: new Date(1_700_000_000_000),
  map: new Map<unknown, unknown>([
    ["a", new Set([1, 2n])],
    [{ key: 1 }, NaN],
  ]),
  regexp: /a+b/giu,
  bytes: new Uint8Array([1, 2, 255]),
  floats: new Float64Array([0.5, -0, NaN]),
  buffer: new Uint16Array([7, 8]).buffer,
  cyclic,
  "one object twice": [shared, shared],
  "a long list": Array.from({ length: 1000 }, (_, i) => i / 3),
};

export const values: readonly Case[] = [
  [
    "results of synchronous and asynchronous tasks arrive",
    async (bench) => {
      const executor = await bench.executor();
      assert.equal(await executor.submit(double, 21), 42);
      assert.equal(await executor.submit(add, 1, 2), 3);
      assert.equal(await executor.submit(later, "late"), "late");
    },
  ],
  [
    "every kind of value arrives as it was sent",
    async (bench) => {
      const executor = await bench.executor();
      for (const [name, value] of Object.entries(samples)) {
        const expected = name === "a plain object" ? { ...(value as object) } : value;
        assert.deepStrictEqual(await executor.submit(echo, value), expected, name);
      }
    },
  ],
  [
    "errors can be arguments and results",
    async (bench) => {
      const executor = await bench.executor();
      const sent = { failures: [new RangeError("a", { cause: new Error("b") })] };
      const got = (await executor.submit(echo, sent)) as typeof sent;
      assert.ok(got.failures[0] instanceof RangeError);
      assert.equal((got.failures[0].cause as Error).message, "b");
    },
  ],
  [
    "arguments are copied when they are submitted",
    async (bench) => {
      const executor = await bench.executor();
      const small = { n: 1 };
      const large = new Map([["n", [1]]]);
      const futures = [executor.submit(echo, small), executor.submit(echo, large)] as const;
      small.n = 2;
      large.get("n")?.push(2);
      assert.deepEqual(await futures[0], { n: 1 });
      assert.deepEqual(await futures[1], new Map([["n", [1]]]));
      assert.notEqual(await executor.submit(echo, small), small);
    },
  ],
  [
    "results are copied when the task returns them",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const results = await executor.map(
        giveKept,
        Array.from({ length: 200 }, (_, i) => i),
      );
      assert.deepEqual(
        results.map(({ count, seen }) => [count, seen]),
        Array.from({ length: 200 }, (_, i) => [i, [i]]),
      );
    },
  ],
  [
    "what cannot be sent is refused with its path",
    async (bench) => {
      const executor = await bench.executor();
      const refused = await failureOf(() => executor.submit(echo, { a: [{ onDone: () => undefined }] }));
      assert.ok(refused instanceof CodecError);
      assert.equal(refused.path, "args[0].a[0].onDone");
      const result = await failureOf(() => executor.submit(giveBad));
      assert.ok(result instanceof CodecError);
      assert.equal(result.path, "result.deep[0].onDone");
      const element = await failureOf(() => executor.map(echo, [1, Symbol("no")]));
      assert.ok(element instanceof CodecError);
      assert.equal(element.path, "args[0]");
    },
  ],
  [
    "what is not a task is refused",
    async (bench) => {
      const executor = await bench.executor();
      const notATask = ((n: number) => n) as unknown as typeof double;
      for (const run of [() => executor.submit(notATask, 1), () => executor.map(notATask, [1])]) {
        const error = await failureOf(run);
        assert.ok(error instanceof UsageError);
        assert.match(error.message, /task\("name", fn\)/);
      }
    },
  ],
  [
    "a task knows its id, its attempt and its name",
    async (bench) => {
      const executor = await bench.executor();
      const future = executor.submit(about);
      assert.deepEqual(await future, { id: future.id, attempt: 1, task: "suite.about", aborted: false, same: true });
      assert.equal(await future.submitted, future.id);
      assert.equal(future.state, "done");
      assert.notEqual(executor.submit(double, 1).id, executor.submit(double, 1).id);
    },
  ],
  [
    "progress reaches the future",
    async (bench) => {
      const executor = await bench.executor();
      const release = bench.file();
      const future = executor.submit(reportProgress, release);
      await bench.until("progress arrives", () => future.progress !== undefined);
      assert.deepEqual(future.progress, { fraction: 0.25, note: "a quarter" });
      bench.release(release);
      await future;
    },
  ],
  [
    "schemas check and change the input and the result",
    async (bench) => {
      const executor = await bench.executor();
      assert.equal(await executor.submit(checked, 4.7), 40.5);
      const wrong = await failureOf(() => executor.submit(checked, "four" as unknown as number));
      assert.ok(wrong instanceof UsageError);
      assert.match(wrong.message, /input of task "suite.checked".*n: no number/);
      const large = await failureOf(() => executor.submit(checked, 11));
      assert.ok(large instanceof UsageError);
      assert.match(large.message, /result of task "suite.checked".*no small number/);
    },
  ],
];
