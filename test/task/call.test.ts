import assert from "node:assert/strict";
import { test } from "node:test";
import { call, task, UsageError } from "../../src/index.ts";
import type { Call } from "../../src/index.ts";
import { fill, flatten, Hole, isCall } from "../../src/task/call.ts";

const one = task("call.one", (n: number) => n);
const sum = task("call.sum", (numbers: number[]) => numbers.reduce((a, b) => a + b, 0));
const pair = task("call.pair", (input: { a: number; b: { c: number[] } }, plus: number) => input.a + plus);

test("a call without calls is one node with its own arguments", () => {
  const made = call(sum, [1, 2]);
  const nodes = flatten(made);
  assert.equal(nodes.length, 1);
  assert.equal(nodes[0]?.args, made.args);
  assert.deepEqual(nodes[0]?.dependsOn, []);
});

test("nested calls come before the call that needs them, each once", () => {
  const shared = call(one, 1);
  const root = call(pair, { a: shared, b: { c: [call(one, 2), shared] } }, shared);
  const nodes = flatten(root);
  assert.deepEqual(
    nodes.map((node) => node.call),
    [shared, (root.args[0] as { b: { c: unknown[] } }).b.c[0], root],
  );
  const last = nodes[2];
  assert.deepEqual(last?.dependsOn, [0, 1]);
  assert.deepEqual(last?.args, [{ a: new Hole(0), b: { c: [new Hole(1), new Hole(0)] } }, new Hole(0)]);
  assert.deepEqual(fill(last?.args ?? [], [10, 20]), [{ a: 10, b: { c: [20, 10] } }, 10]);
  assert.ok(isCall((root.args[0] as { a: unknown }).a), "the call itself is not changed");
});

test("a graph deeper than the call stack is laid out", () => {
  let deep: Call<number> = call(one, 0);
  for (let i = 0; i < 100_000; i++) deep = call(one, deep);
  const nodes = flatten(deep);
  assert.equal(nodes.length, 100_001);
  assert.deepEqual(nodes[100_000]?.dependsOn, [99_999]);
});

test("a hundred thousand calls wide", () => {
  const nodes = flatten(
    call(
      sum,
      Array.from({ length: 100_000 }, (_, i) => call(one, i)),
    ),
  );
  assert.equal(nodes[100_000]?.dependsOn.length, 100_000);
});

test("arguments nested deeper than the call stack", () => {
  let deep: unknown = call(one, 1);
  for (let i = 0; i < 50_000; i++) deep = [deep];
  const nodes = flatten(call(sum, deep as number[]));
  let filled: unknown = fill(nodes[1]?.args ?? [], [7])[0];
  for (let i = 0; i < 50_000; i++) filled = (filled as unknown[])[0];
  assert.equal(filled, 7);
});

test("own __proto__ keys in arguments stay data", () => {
  const input = JSON.parse('{"a": 1, "b": {"c": []}, "__proto__": {"polluted": true}}') as { a: number; b: { c: number[] } };
  const nodes = flatten(call(pair, input, call(one, 1)));
  const filled = fill(nodes[1]?.args ?? [], [1])[0] as Record<string, unknown>;
  assert.ok(Object.hasOwn(filled, "__proto__"));
  assert.equal(filled["polluted"], undefined);
});

test("call() takes only tasks", () => {
  assert.throws(
    () => call((() => 1) as never),
    (error: unknown) => error instanceof UsageError && /takes a task, found function/.test(error.message),
  );
});

test("a call that holds itself is refused", () => {
  const args: unknown[] = [];
  const made = call(
    task("call.itself", (value: unknown) => value),
    args,
  );
  args.push(made);
  assert.throws(() => flatten(made), /depends on itself/);
  assert.throws(
    () =>
      flatten(
        call(
          task("call.above", (value: unknown) => value),
          made,
        ),
      ),
    /depends on itself/,
  );
});

test("a long and nearly empty array is not walked place by place", () => {
  const sparse: unknown[] = [];
  sparse[4e9] = "far";
  assert.equal(
    flatten(
      call(
        task("call.sparse", (value: unknown) => value),
        [sparse],
      ),
    ).length,
    1,
  );
});
