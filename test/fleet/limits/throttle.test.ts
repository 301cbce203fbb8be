// At most one job in a time, whoever submits, and what the others get.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, task, UsageError } from "../../../src/index.ts";
import { fleet } from "./fleet.ts";

let runs = 0;
const refresh = task("throttle.refresh", (_tenant: string) => ++runs, { throttle: { per: "1m", key: (tenant) => tenant } });
const plain = task("throttle.plain", () => ++runs, { throttle: { per: "10s" } });
const twice = task("throttle.twice", (n: number) => n * 2);

test("submits within the time get the one job, also when it has ended", async (t) => {
  const { program, clock } = fleet(t);
  const client = program([refresh]);
  runs = 0;
  const first = client.submit(refresh, "a");
  assert.equal(await clock.run(first), 1);
  await clock.advance("59s");
  const second = client.submit(refresh, "a");
  assert.equal(await clock.run(second), 1);
  assert.equal(second.id, first.id);
  assert.equal(await clock.run(client.submit(refresh, "b")), 2);
  await clock.advance("2s");
  const third = client.submit(refresh, "a");
  assert.equal(await clock.run(third), 3);
  assert.notEqual(third.id, first.id);
});

test("of programs that submit at once one makes the job, and all get its result", async (t) => {
  const { program, clock, store } = fleet(t);
  runs = 0;
  const clients = Array.from({ length: 5 }, () => program());
  program([plain]);
  const futures = clients.flatMap((client) => [client.submit(plain), client.submit(plain)]);
  assert.deepEqual(await clock.run(Promise.all(futures)), Array<number>(10).fill(1));
  assert.equal(await store.count({}), 1);
});

test("a map over a throttled task has one job for each key", async (t) => {
  const { program, clock, store } = fleet(t);
  runs = 0;
  const client = program([refresh]);
  const results = await clock.run(client.map(refresh, ["x", "y", "x", "x"]));
  assert.equal(new Set(results).size, 2);
  assert.equal(await store.count({}), 2);
});

test("records of keys long quiet are deleted on the way", async (t) => {
  const { program, clock, store } = fleet(t);
  const client = program();
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 50; i++) await clock.run(client.submit(refresh, `${round} ${i}`).submitted);
    await clock.advance("2m");
  }
  const left = await store.records("", "throttle/", 10_000);
  assert.ok(left.length <= 150, `${left.length} are left`);
});

test("a throttled call is no part of another, nor of a transaction", async (t) => {
  const { program } = fleet(t);
  const client = program();
  assert.throws(() => client.submit(call(twice, call(plain))), UsageError);
  assert.throws(() => client.submit(call(plain), { onDone: call(twice, 1) }), /could not do what is asked for at its end/);
  assert.throws(() => client.submit(call(plain), { tx: {} }), /has a "throttle", which is not kept within a transaction/);
});
