// Gates on the server: jobs with one gate go a shorter way than others, and nothing of either is left.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { redisStore } from "../../../src/store/redis/store.ts";
import type { Gate } from "../../../src/store/job.ts";
import { Bench, done, failed, namesOf, newJob, start } from "../../../src/testing/store-suite/bench.ts";
import { givenRedis } from "../../servers/given.ts";
import { namesOn as newNames } from "./names.ts";

const given = givenRedis();
const skip = "skip" in given && given.skip;
const url = "url" in given ? given.url : "";
const newUrl = skip ? () => "" : newNames(url);

const places = (name: string, room: number, until: Gate["until"] = "stopped"): Gate => ({ name, room, everyMs: null, until });

async function keysOf(storeUrl: string): Promise<string[]> {
  const name = `{${new URL(storeUrl).searchParams.get("name")}}:`;
  const client = new Redis(url);
  const keys = await client.keys(`${name}*`);
  await client.quit();
  return keys.map((key) => key.slice(name.length)).filter((key) => !key.startsWith("answers:"));
}

test("nothing is left of gates that nobody needs", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  const bucket: Gate = { name: "b", room: 1, everyMs: 10, until: "started" };
  await bench.add(
    ...["a", "b", "c"].map((id) => ({ id, gates: [places("g", 1)] })),
    ...["d", "e"].map((id) => ({ id, gates: [places("s", 1, "started"), bucket] })),
    ...["f", "g", "h"].map((id) => ({ id, gates: [bucket] })),
  );
  await store.cancel({ ids: ["b", "h"] }, null, start);
  bench.now += 5000;
  for (let rounds = 0; rounds < 10; rounds += 1) {
    await bench.runAll();
    bench.now += 1000;
    await store.tend(bench.now, 100);
  }
  await store.leave("w", bench.now);
  assert.equal(await store.count({ states: ["done"] }), 6);
  assert.deepEqual(await store.gates(["g", "s", "b"]), []);
  assert.equal(await store.remove({}), 8);
  assert.deepEqual(await keysOf(storeUrl), ["meta"]);
  await store.close();
});

test("a job that left the line of those that passed is not given by what remains of it there", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  const gates = [places("g", 5)];
  await bench.add(...["a", "b", "c", "d"].map((id) => ({ id, gates })));
  await store.cancel({ ids: ["a", "b", "c"] }, null, start);
  await store.remove({ ids: ["b"] });
  await store.retry({ ids: ["a"] }, start);
  // One that stands before another gate has the id of one that passed.
  await bench.add({ id: "x", gates: [places("full", 1)] }, { id: "b", gates: [places("full", 1)] });
  assert.equal(await store.next(["queue"], ["task"]), "a");
  assert.equal((await store.queues())[0]?.oldestReadyAt, start);
  assert.deepEqual(namesOf(await bench.claim("w", 10)), ["d", "a", "x"]);
  assert.equal((await bench.job("b")).gate, "full");
  assert.deepEqual(namesOf(await bench.claim("w", 10)), []);
  await store.close();
});

test("what remains before a gate of a job that is gone passes it for nobody", { skip }, async () => {
  const storeUrl = newUrl();
  const [store, client] = [await redisStore(storeUrl), new Redis(url)];
  const bench = new Bench(store);
  const gates = [places("g", 1)];
  await bench.add({ id: "a", gates }, { id: "b", gates, expiresAt: start + 9 });
  await client.zadd(`{${new URL(storeUrl).searchParams.get("name")}}:before:g`, -1, "00000000001gone");
  await bench.settle(done(await bench.claimOne()));
  assert.deepEqual(await bench.runAll(), ["b"]);
  assert.deepEqual(await store.gates(["g"]), []);
  await Promise.all([client.quit(), store.close()]);
});

test("a job that passed its only gate comes back to where it stood, and fails and lives again", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  await bench.add(...["a", "b", "c"].map((id) => ({ id, gates: [places(`g ${id}`, 1)] })));
  const [a, b] = await bench.claim("w", 2);
  assert.ok(a && b);
  await bench.settle({ id: "a", fence: a.fence, kind: "released" }, failed(b));
  assert.deepEqual(await store.retry({ ids: ["b"] }, start), ["b"]);
  const again = await bench.claim("w", 10);
  assert.deepEqual(
    again.map(({ id, fence, attempt }) => [id, fence, attempt]),
    [
      ["a", 2, 1],
      ["c", 1, 1],
      ["b", 2, 1],
    ],
  );
  const held = await store.gates(["g a", "g b", "g c"]);
  assert.deepEqual(
    new Map(held.map((gate) => [gate.name, [gate.held, ...gate.holders]])),
    new Map([
      ["g a", [1, "a"]],
      ["g b", [1, "b"]],
      ["g c", [1, "c"]],
    ]),
  );
  await bench.settle(...again.map((job) => done(job)));
  assert.equal(await store.count({ states: ["done"] }), 3);
  await store.close();
});

test("whoever has a place is told: ready, running, and before the next gate; names may hold anything", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  const name = "a b\u001c\u001d\u001e\u001f\u001b0";
  await bench.add(
    { id: "a", gates: [places(name, 4)] },
    { id: "b", gates: [places(name, 4), places("next", 1)] },
    { id: "c", gates: [places(name, 4), places("next", 1)] },
    { id: "d", gates: [places(name, 4)] },
    { id: "e", gates: [places(name, 4)] },
  );
  await bench.claim("w", 2);
  assert.deepEqual(await store.gates([name]), [
    { name, room: 4, everyMs: null, held: 4, waiting: 1, holders: ["a", "b", "c", "d"], nextAt: null },
  ]);
  assert.deepEqual((await bench.job("e")).gates, [places(name, 4)]);
  assert.equal((await bench.job("e")).gate, name);
  assert.equal((await bench.job("c")).gate, "next");
  await store.close();
});

test("ranks and times that begin alike are told apart", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  const gates = [places("g", 1)];
  await bench.add({ id: "x", gates });
  await bench.add(...[-1, -10, -1].map((priority, at) => ({ id: `j${at}`, priority, gates })));
  for (const [at, id] of ["x", "j0", "j2", "j1"].entries()) {
    const job = await bench.claimOne();
    assert.equal(job.id, id);
    assert.equal((await bench.job(id)).readyAt, at === 0 ? start : bench.now);
    // In turn longer and shorter.
    bench.now = at % 2 === 0 ? start + 0.5 : start;
    await bench.settle(done(job));
  }
  await store.close();
});

test("submits sent together are ready at the time of each", { skip }, async () => {
  const store = await redisStore(newUrl());
  const gates = [places("g", 2)];
  await Promise.all([store.add([newJob({ id: "a", gates })], start), store.add([newJob({ id: "b", gates })], start + 7)]);
  const jobs = await store.get(["a", "b"]);
  assert.deepEqual(
    new Map(jobs.map(({ id, readyAt }) => [id, readyAt])),
    new Map([
      ["a", start],
      ["b", start + 7],
    ]),
  );
  await store.close();
});

test("10,000 jobs pass one gate at once, and 5,000 pass 500 gates one by one", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  await bench.add(...Array.from({ length: 10_000 }, (_, i) => ({ id: `w${i}`, gates: [places("wide", 10_000)] })));
  await bench.add(...Array.from({ length: 5000 }, (_, i) => ({ id: `n${i}`, gates: [places(`narrow ${i % 500}`, 1)] })));
  assert.deepEqual([await store.count({ states: ["ready"] }), await store.count({ states: ["blocked"] })], [10_500, 4500]);
  const seen = new Set<string>();
  for (let jobs = await bench.claim("w", 20_000); jobs.length > 0; jobs = await bench.claim("w", 20_000)) {
    for (const { id } of jobs) {
      assert.ok(!seen.has(id), `${id} is given once`);
      seen.add(id);
    }
    const settled = await bench.settle(...jobs.map((job) => done(job)));
    assert.deepEqual(settled.refused, []);
  }
  assert.equal(seen.size, 15_000);
  assert.equal(await store.count({ states: ["done"] }), 15_000);
  await store.close();
});
