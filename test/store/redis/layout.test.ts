// What lies on the server: nothing of jobs that are gone, and all jobs of a batch larger than a call of Lua can take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { redisStore } from "../../../src/store/redis/store.ts";
import { Bench, claim, done, failed, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { givenRedis } from "../../servers/given.ts";
import { aheadMs, prunesPastAhead } from "../ahead.ts";
import { findRedis, startRedis } from "../../servers/redis.ts";
import { namesOn } from "./names.ts";

const given = givenRedis();
const skip = "skip" in given && given.skip;
const url = "url" in given ? given.url : "";
const ownSkip = findRedis() === undefined && "no Redis server on this machine";
const newUrl = skip ? () => "" : namesOn(url);

async function keysOf(storeUrl: string): Promise<string[]> {
  const name = `{${new URL(storeUrl).searchParams.get("name")}}:`;
  const client = new Redis(url);
  const keys = await client.keys(`${name}*`);
  await client.quit();
  return keys.map((key) => key.slice(name.length)).sort();
}

test("events of a clock that was ahead hold up no others", { skip }, async (t) => {
  const storeUrl = newUrl();
  const [store, client] = [await redisStore(storeUrl), new Redis(url)];
  t.after(() => Promise.all([client.quit(), store.close()]));
  const key = `{${new URL(storeUrl).searchParams.get("name")}}:history`;
  let isFirst = true;
  await prunesPastAhead(store, async (id, isAhead) => {
    await store.add([newJob({ id })], start);
    if (!isAhead) return;
    // As it would have been written then: behind a first one, ids have the time of that.
    const [[entry, fields]] = (await client.xrevrange(key, "+", "-", "COUNT", 1)) as [[string, string[]]];
    const ahead = Number(fields[5]) + aheadMs;
    await client.xdel(key, entry);
    await client.xadd(key, isFirst ? `${ahead}-0` : `${entry.split("-")[0]}-*`, ...fields.slice(0, 5), String(ahead));
    isFirst = false;
  });
});

test("nothing is left of jobs that are gone", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  const unique = { key: "k", until: "ended" } as const;
  await bench.add(
    { id: "a", unique, priority: 3 },
    { id: "b", dueAt: start + 5, root: "top" },
    { id: "c", expiresAt: start + 7, queue: "other" },
    { id: "d", crashLimit: 1, task: "other" },
    { id: "top", dependsOn: ["a", "b", "b"] },
    { id: "plain" },
    { id: "never" },
  );
  const jobs = await bench.claim("w", 2);
  assert.equal(jobs.length, 2);
  await bench.settle(...jobs.map((job) => (job.id === "a" ? failed(job) : done(job))));
  assert.equal((await store.retry({ ids: ["top"] }, start)).length, 2);
  await store.cancel({ ids: ["never"] }, null, start);
  await store.write(
    [
      { job: "top", name: "step/1", text: "1", claim: null, tell: false },
      { job: "b", name: "step/1", text: "1", claim: null, tell: false },
      { job: "b", name: "step/1", text: null, claim: null, tell: false },
      { job: "", name: "own", text: "1", claim: null, tell: false },
      { job: "", name: "own", text: null, claim: null, tell: false },
    ],
    start,
  );
  await store.change({ ids: ["c"] }, { queue: "third", priority: -1 }, start);
  await store.tend(start + 8, 100);
  bench.now = start + 8;
  const rest = await bench.claim("w", 10);
  await bench.settle(
    ...rest.map((job) => (job.id === "b" ? { id: "b", fence: job.fence, kind: "released" as const } : done(job))),
  );
  await bench.runAll();
  await store.cancel({}, null, bench.now);
  await store.leave("w", bench.now);
  assert.equal(await store.remove({ ids: ["plain"] }), 1);
  await store.tend(bench.now + 2_000_000, 100);
  await store.tend(bench.now + 9_000_000, 100);
  assert.equal(await store.count({}), 0);
  const keys = (await keysOf(storeUrl)).filter((key) => !key.startsWith("answers:"));
  assert.deepEqual(keys, ["meta"]);
  await store.close();
});

test("of a task none of whose jobs was ever added nothing is noted", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  await bench.add({ id: "a" });
  // One call of the server, of which a part is refused.
  const [refused, added] = await Promise.allSettled([bench.add({ id: "a", task: "never" }), bench.add({ id: "b" })]);
  assert.deepEqual([refused.status, added.status], ["rejected", "fulfilled"]);
  await bench.runAll();
  assert.equal(await store.remove({}), 2);
  await store.leave("w", start);
  assert.deepEqual(
    (await keysOf(storeUrl)).filter((key) => !key.startsWith("answers:")),
    ["meta"],
  );
  await store.close();
});

test("10,000 jobs that fail with the one they need are failed by few commands", { skip: ownSkip }, async (t) => {
  // The server counts the commands of all its clients.
  const server = await startRedis();
  t.after(() => server.close());
  const [store, client] = [await redisStore(server.url), new Redis(server.url)];
  const bench = new Bench(store);
  await bench.add({ id: "a" }, ...Array.from({ length: 10_000 }, (_, i) => ({ id: `a${i}`, dependsOn: ["a"] })));
  const job = await bench.claimOne();
  await client.config("RESETSTAT");
  assert.equal((await bench.settle(failed(job))).ended.length, 10_000);
  const calls = [...(await client.info("commandstats")).matchAll(/calls=(\d+)/gu)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
  assert.ok(calls < 200, `${calls} commands`);
  await Promise.all([client.quit(), store.close()]);
});

test("what is left of a graph whose root is gone is found by it, and goes without a trace", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  await bench.add(
    { id: "a", root: "top" },
    { id: "b", root: "top" },
    { id: "mid", root: "top", dependsOn: ["a", "b"] },
    { id: "top", dependsOn: ["mid"], keepMs: 5 },
    { id: "after", root: "top", dependsOn: ["top"], tolerates: ["top"], keepMs: 5 },
  );
  const namesOf = async (): Promise<readonly string[]> => (await store.list({ root: "top" }, { limit: 9 })).map(({ id }) => id);
  assert.deepEqual(await namesOf(), ["after", "top", "mid", "b", "a"]);
  assert.deepEqual(await bench.runAll(), ["a", "b", "mid", "top", "after"]);
  await store.leave("w", start);
  assert.equal((await store.tend(start + 5, 100)).pruned, 2);
  assert.deepEqual(await namesOf(), ["mid", "b", "a"]);
  assert.equal(await store.remove({ root: "top" }), 3);
  const keys = (await keysOf(storeUrl)).filter((key) => !key.startsWith("answers:"));
  assert.deepEqual(keys, ["meta"]);
  await store.close();
});

test(
  "the members of a large graph are found by their places among all jobs, where others leave gaps in those",
  { skip },
  async () => {
    const storeUrl = newUrl();
    const store = await redisStore(storeUrl);
    const bench = new Bench(store);
    const gate = { name: "one", room: 1, everyMs: null, until: "stopped" } as const;
    await bench.add({ id: "x", gates: [gate] }, { id: "y", gates: [gate] }, { id: "z", gates: [gate] });
    await bench.runAll();
    const members = Array.from({ length: 1200 }, (_, place) => `m${String(place).padStart(4, "0")}`);
    const tolerated = members.slice(600);
    await bench.add(...members.map((id) => ({ id, root: "top" })), {
      id: "top",
      dependsOn: members,
      tolerates: tolerated,
      keepMs: 5,
    });
    assert.deepEqual(await store.awaited("top", 2000), members);
    const claimed = await bench.claim("w", 2000);
    assert.equal(claimed.length, 1200);
    await bench.settle(...claimed.map((job) => (job.id === "m0900" ? failed(job) : done(job))));
    const top = await bench.claimOne();
    const [inputs = []] = await store.inputs(["top"]);
    assert.equal(inputs.length, 1200);
    assert.equal(inputs.filter((input) => typeof input === "string").length, 1199);
    assert.equal(await store.remove({ ids: ["m0003", "top"] }), 0, "what a live job needs stays");
    await bench.settle(done(top));
    await store.leave("w", start);
    assert.equal(await store.remove({ ids: members.slice(100, 700) }), 600);
    await assert.rejects(store.inputs(["top"]), /no longer stored/u);
    assert.equal((await store.list({ root: "top" }, { limit: 2000 })).length, 601);
    assert.equal((await store.tend(start + 5, 100)).pruned, 1);
    assert.equal((await store.list({ root: "top" }, { limit: 2000 })).length, 600);
    assert.equal(await store.remove({}), 603);
    const keys = (await keysOf(storeUrl)).filter((key) => !key.startsWith("answers:"));
    assert.deepEqual(keys, ["meta"]);
    await store.close();
  },
);

test("what is left of a job's attempts goes with it", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  await bench.add({ id: "a" }, { id: "b" }, { id: "c", dependsOn: ["b"], tolerates: ["b"] });
  const [a, b] = await bench.claim("w", 2);
  assert.ok(a && b);
  await bench.settle(
    { id: "a", fence: a.fence, kind: "retry", error: '"a"', dueAt: start },
    { id: "b", fence: b.fence, kind: "waiting", dueAt: start + 5, seen: 0, waits: "b" },
  );
  assert.equal((await store.records("a", "", 9)).length, 1);
  await store.cancel({ ids: ["b"] }, null, start);
  await bench.runAll();
  await store.leave("w", start);
  assert.equal(await store.remove({}), 3);
  const keys = (await keysOf(storeUrl)).filter((key) => !key.startsWith("answers:"));
  assert.deepEqual(keys, ["meta"]);
  await store.close();
});

test("a job that was changed is given once, from the line it is in now", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  await bench.add({ id: "a" }, { id: "b" }, { id: "c" }, { id: "d", queue: "other" });
  assert.deepEqual(await store.change({ ids: ["a"] }, { queue: "other" }, start + 5), ["a"]);
  assert.deepEqual(await store.change({ ids: ["b"] }, { priority: -1 }, start + 5), ["b"]);
  assert.equal(await store.next(["queue"], ["task"]), "b");
  assert.deepEqual(
    (await store.queues()).map(({ queue, oldestReadyAt }) => [queue, oldestReadyAt]),
    [
      ["other", start + 5],
      ["queue", start],
    ],
  );
  assert.deepEqual(
    (await bench.claim("w", 10)).map(({ id, queue }) => [id, queue]),
    [
      ["c", "queue"],
      ["b", "queue"],
    ],
  );
  assert.deepEqual(await store.change({ queue: "other" }, { queue: "queue" }, start + 6), ["a", "d"]);
  assert.deepEqual(
    (await bench.claim("w", 10)).map(({ id }) => id),
    ["a", "d"],
  );
  assert.deepEqual(
    (await store.queues()).map(({ queue }) => queue),
    ["queue"],
  );
  await store.close();
});

test("a job that is replaced over and over is in its line twice at most", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  const gates = [{ name: "g", room: 1, everyMs: null, until: "stopped" }] as const;
  await bench.add({ id: "a", gates });
  const call = { args: "[2]", policy: null, gates, expiresAt: null, submittedAt: start };
  for (let i = 0; i < 20; i++) assert.deepEqual(await store.change({ ids: ["a"] }, { call }, start), ["a"]);
  const name = `{${new URL(storeUrl).searchParams.get("name")}}:`;
  const client = new Redis(url);
  const counts = [];
  for (const key of await keysOf(storeUrl)) {
    if (/^(?:list|passed):/u.test(key)) counts.push(await client.llen(name + key));
    if (key.startsWith("back:")) counts.push(await client.zcard(name + key));
  }
  await client.quit();
  assert.deepEqual(counts, [1, 1]);
  assert.deepEqual(
    (await bench.claim("w", 10)).map(({ id, args }) => [id, args]),
    [["a", "[2]"]],
  );
  await store.close();
});

test(
  "jobs that are released and left, on both sides of those that wait in their line, are seen where they stand",
  { skip },
  async () => {
    const store = await redisStore(newUrl());
    const bench = new Bench(store);
    await bench.add({ id: "a" }, { id: "b", dependsOn: ["a"] });
    await bench.settle(done(await bench.claimOne()));
    assert.equal(await store.next(["queue"], ["task"]), "b");
    await bench.add({ id: "c" }, { id: "d", dependsOn: ["c"], queue: "other" }, { id: "e", dependsOn: ["c"] }, { id: "f" });
    const [b, c] = await bench.claim("w", 2);
    assert.ok(b && c);
    bench.now += 3;
    await bench.settle(done(b), done(c));
    assert.deepEqual(
      (await store.queues()).map(({ queue, oldestReadyAt }) => [queue, oldestReadyAt]),
      [
        ["other", start + 3],
        ["queue", start + 3],
      ],
    );
    assert.equal(await store.next(["other"], ["task"]), "d");
    assert.deepEqual(
      (await bench.claim("w", 9)).map(({ id }) => id),
      ["e", "f"],
    );
    await store.close();
  },
);

test("jobs that ended twice in one ms are deleted once, however many they are", { skip }, async () => {
  const store = await redisStore(newUrl());
  const count = 23_000;
  await store.add(
    Array.from({ length: count }, (_, n) => newJob({ id: `j${n}` })),
    start,
  );
  for (const _ of [1, 2]) {
    await store.cancel({}, null, start);
    await store.retry({}, start);
  }
  await store.cancel({}, null, start);
  let pruned = 0;
  for (let last = -1; last !== 0; pruned += last) last = (await store.tend(start + 9_000_000, 50_000)).pruned;
  assert.equal(pruned, count);
  assert.equal(await store.count({}), 0);
  await store.close();
});

test("a job that left its line and came back is given once, and where it belongs", { skip }, async () => {
  const store = await redisStore(newUrl());
  const bench = new Bench(store);
  const claimAll = async (): Promise<readonly (readonly [string, number])[]> =>
    (await bench.claim("w", 10)).map(({ id, fence }) => [id, fence] as const);
  await bench.add({ id: "a" }, { id: "b" }, { id: "c" });
  await store.cancel({ ids: ["a", "b"] }, null, start);
  await store.retry({ ids: ["a"] }, start);
  await store.remove({ ids: ["b"] });
  await bench.add({ id: "d" }, { id: "b" });
  const first = await bench.claim("w", 10);
  assert.deepEqual(
    first.map(({ id }) => id),
    ["a", "c", "d", "b"],
  );
  assert.deepEqual(await claimAll(), []);
  await bench.settle(...first.map(({ id, fence }) => ({ id, fence, kind: "released" as const })));
  assert.deepEqual(await claimAll(), [
    ["a", 2],
    ["c", 2],
    ["d", 2],
    ["b", 2],
  ]);
  await store.close();
});

test("what a worker runs is known whatever of it has ended", { skip }, async () => {
  const storeUrl = newUrl();
  const store = await redisStore(storeUrl);
  const bench = new Bench(store);
  const running = async (): Promise<number | undefined> => (await store.workers())[0]?.running;
  await bench.add({ id: "a" }, { id: "b" }, { id: "c" }, { id: "d" });
  const [a, b] = await bench.claim("w", 2);
  const [c, d] = await bench.claim("w", 2);
  assert.ok(a && b && c && d);
  assert.equal(await running(), 4);
  await bench.settle(done(a), { id: "b", fence: b.fence, kind: "released" });
  const [again] = await bench.claim("w", 1);
  assert.equal(again?.id, "b");
  await bench.settle(failed(c));
  assert.equal(await running(), 2);
  assert.equal(await store.releaseOthers("w", [d], start), 1);
  assert.equal(await running(), 1);
  await bench.settle(done(d));
  assert.equal(await running(), 0);
  assert.deepEqual(
    (await keysOf(storeUrl)).filter((key) => /^(?:run|left):/u.test(key)),
    [],
  );
  await store.close();
});

test("a batch of 20,000 jobs is one call, claimed and ended in one call each", { skip }, async () => {
  const store = await redisStore(newUrl());
  const jobs = Array.from({ length: 20_000 }, (_, i) => newJob({ id: `j${i}` }));
  await store.add(jobs, start);
  await store.join(newWorker("w"), start + 1000);
  const claimed = await claim(store, "w", wants(20_000), start);
  assert.deepEqual(
    claimed.map(({ id }) => id),
    jobs.map(({ id }) => id),
  );
  const settled = await store.settle(
    "w",
    claimed.map((job) => done(job)),
    [],
    start,
  );
  assert.deepEqual(settled.refused, []);
  assert.equal((await store.endings(jobs.map(({ id }) => id))).length, 20_000);
  assert.equal((await store.tend(start + 2_000_000, 30_000)).pruned, 20_000);
  await store.close();
});

test("a listing with little to find goes through all jobs, page by page", { skip }, async () => {
  const store = await redisStore(newUrl());
  for (let from = 0; from < 60_000; from += 10_000)
    await store.add(
      Array.from({ length: 10_000 }, (_, i) =>
        newJob({ id: `j${from + i}`, task: (from + i) % 20_000 === 7 ? "rare" : "often" }),
      ),
      start,
    );
  const rare = await store.list({ task: "rare" }, { limit: 10 });
  assert.deepEqual(
    rare.map(({ id }) => id),
    ["j40007", "j20007", "j7"],
  );
  assert.equal((await store.cancel({ task: "often" }, null, start)).cancelled.length, 59_997);
  assert.equal(await store.remove({}), 59_997);
  assert.equal(await store.count({}), 3);
  await store.close();
});
