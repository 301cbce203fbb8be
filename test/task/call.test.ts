import assert from "node:assert/strict";
import { test } from "node:test";
import { call, chain, collect, group, skip, task, UsageError } from "../../src/index.ts";
import type { Call } from "../../src/index.ts";
import { fill, flatten, Hole, isCall } from "../../src/task/call.ts";
import { decode, encode } from "../../src/task/codec.ts";
import { Failure, Gather } from "../../src/task/gather.ts";
import { inheriting } from "../../src/task/inherit.ts";
import { definitionOf } from "../../src/task/task.ts";

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

test("a group in arguments stands for its members, and is a call only by itself", () => {
  const members = [call(one, 1), call(one, 2)];
  const nodes = flatten(call(sum, group(members)));
  assert.deepEqual(
    nodes.map((node) => node.call),
    [...members, nodes[2]?.call],
  );
  assert.deepEqual(nodes[2]?.args, [new Gather("fail", [0, 1])]);
  assert.equal(nodes[2]?.tolerates.size, 0);
  const alone = flatten(group([call(one, 1), group([call(one, 2)])]));
  assert.deepEqual(
    alone.map(({ call }) => call.task.name),
    ["call.one", "call.one", "manyhands.group", "manyhands.group"],
  );
  assert.deepEqual(alone[3]?.args, [new Gather("fail", [0, 1])]);
  assert.deepEqual(flatten(call(sum, group([])))[0]?.args, [[]]);
});

test("what is collected or skipped need not succeed, unless it is needed elsewhere", () => {
  const [a, b] = [call(one, 1), call(one, 2)];
  const node = flatten(
    call(
      task("call.mixed", (_1: unknown, _2: unknown, _3: unknown) => 0),
      collect([a, b]),
      skip([b]),
      a,
    ),
  ).at(-1);
  assert.deepEqual(node?.dependsOn, [0, 1]);
  assert.deepEqual([...(node?.tolerates ?? [])], [1]);
  const error = new Error("no");
  assert.deepEqual(fill(node?.args ?? [], [10, new Failure(error)]), [
    [
      { status: "fulfilled", value: 10 },
      { status: "rejected", reason: error },
    ],
    [],
    10,
  ]);
});

test("the place of a group is written and read", () => {
  const text = encode([{ list: new Gather("skip", [1, 0, 1]) }, new Gather("flat", [2, 3])], "args");
  assert.deepEqual(decode(text, [1, new Failure("no"), [3, 4], [5]]), [{ list: [1] }, [3, 4, 5]]);
  const collected = decode(encode(new Gather("collect", [0, 1]), "args"), ["a", new Failure("why")]);
  assert.deepEqual(collected, [
    { status: "fulfilled", value: "a" },
    { status: "rejected", reason: "why" },
  ]);
  assert.throws(() => decode(encode(new Gather("fail", [0, 1]), "args"), ["a"]), /waits for result 1, which was not given/);
  const damaged = JSON.stringify({ $manyhands: 1, value: ["gather", "grab", 0] });
  assert.throws(() => decode(damaged, ["a"]), /gathers results in an unknown way "grab"/);
});

test("the sugar is nested calls, and refuses what is none", () => {
  const double = task("call.double", (n: number) => n * 2);
  const chained = chain(call(one, 1), double, double);
  assert.deepEqual(
    flatten(chained).map(({ call }) => call.task.name),
    ["call.one", "call.double", "call.double"],
  );
  assert.throws(() => group([call(one, 1), 5 as never]), /group\(\) takes calls, found 5 at 1/);
  assert.throws(() => collect("a" as never), /collect\(\) takes a list of calls, found "a"/);
  assert.throws(() => group([], { faild: "skip" } as never), /Did you mean "failed"/);
  assert.throws(() => group([], { failed: "ignore" as never }), /"fail", "collect" or "skip", found "ignore"/);
  assert.throws(() => chain(double as never), /chain\(\) begins with a call/);
});

test("a submit's priority and deadline hold for tasks without their own", () => {
  const heirOf = inheriting({ priority: 5, deadline: "1m" }, "submit()");
  const plain = heirOf(definitionOf(one)).policy;
  assert.deepEqual([plain.priority, plain.deadlineMs, plain.expiresMs], [5, 60_000, 60_000]);
  const own = heirOf(definitionOf(one.with({ priority: 0, deadline: "2m", expires: "10s" }))).policy;
  assert.deepEqual([own.priority, own.deadlineMs, own.expiresMs], [0, 120_000, 10_000]);
  assert.throws(
    () => one.with({ deadline: "1s", delay: "2s" }),
    /can never start: its delay \("2s"\) is not shorter than its deadline/,
  );
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
