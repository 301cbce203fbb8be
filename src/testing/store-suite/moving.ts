// Cases of `dump` and `load`: what one store has dumped another takes in as it was, and goes on with.
import assert from "node:assert/strict";
import { StoreError } from "../../core/errors.ts";
import type { NewJob, StoredJob } from "../../store/job.ts";
import { memoryStore } from "../../store/memory/store.ts";
import type { Store } from "../../store/store.ts";
import type { Case } from "./bench.ts";
import { Bench, done, failed, leaseMs, namesOf, start } from "./bench.ts";

const odd = '"\\{},\u0000\u0001\u001b\u001f\r\n\u2028 \ud83d\ude00 NULL ';

const unique = (key: string, until: "started" | "ended"): NewJob["unique"] => ({ key, until });

async function dumpAll(store: Store, limit: number = 1000): Promise<StoredJob[]> {
  const all: StoredJob[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const { jobs, next } = await store.dump(after ?? null, limit);
    assert.ok(jobs.length <= limit);
    all.push(...jobs);
    after = next;
  }
  return all;
}

/** Loads all of one store into another. */
async function move(from: Store, to: Store, now: number): Promise<number> {
  return to.load(await dumpAll(from), now);
}

/** The same with a new memory store as the source, in which `fill` has played. */
async function moveFrom(bench: Bench, fill: (source: Bench) => Promise<unknown>): Promise<readonly StoredJob[]> {
  const source = new Bench(memoryStore());
  await fill(source);
  const jobs = await dumpAll(source.store);
  assert.equal(await bench.store.load(jobs, source.now), jobs.length);
  bench.now = source.now;
  return jobs;
}

/** Plays until there is a job in each state a job can be dumped in, by every way there. */
async function playAll(bench: Bench): Promise<void> {
  const { store } = bench;
  const later = { dueAt: start + 500_000 };
  await bench.add(
    { id: "done", priority: 9 },
    { id: "failed", priority: 8, unique: unique("freed", "ended") },
    { id: "retried", priority: 7, unique: unique("started", "started"), expiresAt: start + 200 },
    { id: "crashed", priority: 6, crashLimit: 1, unique: unique("kept", "ended") },
    { id: "released", priority: 5, expiresAt: start + 200_000 },
    { id: "again", priority: 4 },
    { id: `odd ${odd}`, args: odd, policy: odd, parent: odd, trace: odd, priority: 3, unique: unique(odd, "ended") },
  );
  await bench.add(
    { id: "above", dependsOn: ["done", "failed", "done"], root: "top" },
    { id: "top", dependsOn: ["above"] },
    { id: "gone", keepMs: 1, priority: 2 },
    { id: "orphan", dependsOn: ["gone", "done"], priority: 1, root: "top" },
  );
  const claimed = new Map((await bench.claim("w", 8)).map((job) => [job.id, job]));
  const of = (id: string): { readonly id: string; readonly fence: number } => ({ id, fence: claimed.get(id)?.fence ?? 0 });
  await store.note("w", [["done", 1, odd]]);
  bench.now += 10;
  await bench.settle(
    done(of("done"), odd),
    failed(of("failed"), odd),
    { ...of("retried"), kind: "retry", error: odd, dueAt: bench.now + 400_000 },
    { ...of("crashed"), kind: "crashed", error: '"dead"' },
    { ...of("released"), kind: "released" },
    failed(of("again")),
    failed(of(`odd ${odd}`), odd),
    done(of("gone")),
  );
  await store.cancel({ ids: ["orphan"] }, odd, bench.now);
  await store.retry({ ids: ["again"] }, bench.now);
  await bench.add(
    { id: "late", expiresAt: start + 20 },
    { id: "scheduled", ...later, expiresAt: start + 900_000 },
    { id: "waits", dependsOn: ["scheduled", "done"], ...later, root: "root" },
    { id: "root", dependsOn: ["waits", "scheduled", "waits"], unique: unique("root", "started") },
    { id: "fractions", ...later, keepMs: 0.5, submittedAt: start + 0.25, priority: -3 },
    { id: "elsewhere", queue: odd, task: odd, args: `"${"x".repeat(3000)}"` },
  );
  bench.now += 1000;
  await store.tend(bench.now, 100);
}

/** The cases of moving jobs from store to store. */
export const moving: readonly Case[] = [
  [
    "a dump gives every job as the reference gives it",
    async (bench) => {
      const memory = new Bench(memoryStore());
      await Promise.all([playAll(memory), playAll(bench)]);
      const dumped = await dumpAll(memory.store);
      assert.deepEqual(await dumpAll(bench.store), dumped);
      const states = new Set(dumped.map(({ state }) => state));
      assert.deepEqual([...states].sort(), ["blocked", "cancelled", "done", "expired", "failed", "ready", "scheduled"]);
      assert.deepEqual(dumped.find(({ id }) => id === "orphan")?.dependsOn, [null, "done"]);
    },
  ],
  [
    "what was dumped is loaded as it was, in every state, and dumped again the same",
    async (bench) => {
      const jobs = await moveFrom(bench, playAll);
      assert.deepEqual(await dumpAll(bench.store), jobs);
      const back = memoryStore();
      await move(bench.store, back, bench.now);
      assert.deepEqual(await dumpAll(back), jobs);
    },
  ],
  [
    "what is loaded goes on as it would have where it was",
    async (bench) => {
      const source = new Bench(memoryStore());
      await playAll(source);
      await move(source.store, bench.store, source.now);
      bench.now = source.now;
      for (const each of [source, bench]) {
        await each.runAll();
        each.now += 600_000;
        await each.store.tend(each.now, 100);
        await each.runAll();
        await each.store.retry({}, each.now);
        await each.runAll();
      }
      assert.deepEqual(await dumpAll(bench.store), await dumpAll(source.store));
      assert.deepEqual(await bench.store.queues(), await source.store.queues());
    },
  ],
  [
    "a dump goes on where it stopped, whatever is deleted and added between",
    async (bench) => {
      const ids = Array.from({ length: 30 }, (_, index) => `j${index}`);
      await bench.add(...ids.map((id) => ({ id })));
      assert.deepEqual(namesOf(await dumpAll(bench.store, 7)), ids);
      assert.deepEqual(namesOf(await dumpAll(bench.store, 30)), ids);
      const first = await bench.store.dump(null, 10);
      assert.deepEqual(namesOf(first.jobs), ids.slice(0, 10));
      await bench.store.cancel({ ids: ["j3", "j9", "j10", "j15"] }, null, start);
      await bench.store.remove({ ids: ["j3", "j9", "j10", "j15"] });
      await bench.add({ id: "new" });
      const rest: string[] = [];
      for (let after = first.next; after !== null;) {
        const { jobs, next } = await bench.store.dump(after, 10);
        rest.push(...namesOf(jobs));
        after = next;
      }
      const expected = ids.slice(11).filter((id) => id !== "j15");
      assert.deepEqual(
        rest.filter((id) => id !== "new"),
        expected,
      );
    },
  ],
  [
    "large jobs come a few at a time, and one that is very large comes alone",
    async (bench) => {
      const sizes = [...Array.from({ length: 20 }, () => 10), 3e6, 3e6, 10, 9e6, 10, 4e6, 4e6, 4e6];
      const ids = sizes.map((_, index) => `j${index}`);
      for (const [index, size] of sizes.entries()) await bench.add({ id: `j${index}`, args: `["${"x".repeat(size)}"]` });
      const parts: (readonly StoredJob[])[] = [];
      for (let after: string | null | undefined; after !== null;) {
        const { jobs, next } = await bench.store.dump(after ?? null, 1000);
        if (jobs.length > 0) parts.push(jobs);
        after = next;
      }
      assert.deepEqual(namesOf(parts.flat()), ids);
      for (const part of parts) {
        const length = part.reduce((sum, { args }) => sum + args.length, 0);
        assert.ok(part.length === 1 || length <= 2 ** 23, `${length} in a part of ${part.length}`);
      }
    },
  ],
  [
    "an empty store dumps nothing, and nothing can be loaded",
    async (bench) => {
      assert.deepEqual(await bench.store.dump(null, 10), { jobs: [], next: null });
      assert.equal(await bench.store.load([], start), 0);
      assert.equal(await bench.store.count({}), 0);
    },
  ],
  [
    "jobs that are stored are passed over, however they have changed since",
    async (bench) => {
      const jobs = await moveFrom(bench, (source) => source.add({ id: "a" }, { id: "b" }, { id: "c", dependsOn: ["a"] }));
      for (const job of await bench.claim("w", 1)) await bench.settle(done(job));
      const before = await dumpAll(bench.store);
      assert.equal(await bench.store.load([...jobs, ...jobs], start + 5), 0);
      assert.deepEqual(await dumpAll(bench.store), before);
      assert.deepEqual(await bench.states("a", "b", "c"), ["done", "ready", "ready"]);
      await bench.store.cancel({ ids: ["b"] }, null, start);
      await bench.store.remove({ ids: ["b"] });
      assert.equal(await bench.store.load(jobs, start + 5), 1);
      assert.deepEqual(namesOf(await dumpAll(bench.store)), ["a", "c", "b"]);
    },
  ],
  [
    "a waiting job arrives as its dependencies here tell",
    async (bench) => {
      const source = new Bench(memoryStore());
      await source.add(
        { id: "a" },
        { id: "b", queue: "other" },
        { id: "both", dependsOn: ["a", "b"] },
        { id: "free", dependsOn: ["a", "a"] },
        { id: "due", dependsOn: ["a"], dueAt: start + 50 },
      );
      const [a, b, ...above] = await dumpAll(source.store);
      assert.ok(a && b);
      await bench.store.load([a, b], start);
      await bench.settle(done(await bench.claimOne()));
      bench.now += 20;
      assert.equal(await bench.store.load(above, bench.now), 3);
      assert.deepEqual(await bench.states("both", "free", "due"), ["blocked", "ready", "scheduled"]);
      assert.equal((await bench.job("both")).pending, 1);
      const free = await bench.job("free");
      assert.deepEqual([free.pending, free.readyAt], [0, bench.now]);
      assert.deepEqual(await bench.store.inputs(["free"]), [['"a done"', '"a done"']]);
      const failing = await bench.store.cancel({ ids: ["b"] }, null, bench.now);
      assert.deepEqual(failing.failed, ["both"]);
    },
  ],
  [
    "a waiting job fails when a dependency has ended otherwise here, and so do those above it",
    async (bench) => {
      const source = new Bench(memoryStore());
      await source.add(
        { id: "a" },
        { id: "mid", dependsOn: ["a"], unique: unique("k", "ended") },
        { id: "top", dependsOn: ["mid"] },
      );
      const [a, ...above] = await dumpAll(source.store);
      assert.ok(a);
      await bench.store.load([a], start);
      await bench.settle(failed(await bench.claimOne()));
      bench.now += 20;
      assert.equal(await bench.store.load(above, bench.now), 2);
      assert.deepEqual(await bench.states("mid", "top"), ["failed", "failed"]);
      const top = await bench.job("top");
      assert.deepEqual([top.cause, top.endedAt, top.pending], ["a", bench.now, 1]);
      assert.deepEqual((await bench.add({ id: "b", unique: unique("k", "ended") }))[0], { id: "b", existing: null });
    },
  ],
  [
    "a job that was ready waits again when what it needs is not done here",
    async (bench) => {
      const source = new Bench(memoryStore());
      await source.add({ id: "a" }, { id: "b", dependsOn: ["a"] });
      const [early] = await dumpAll(source.store);
      await source.settle(done(await source.claimOne()));
      const [, late] = await dumpAll(source.store);
      assert.ok(early && late);
      assert.equal(late.state, "ready");
      await bench.store.load([early, late], start);
      assert.deepEqual(await bench.states("a", "b"), ["ready", "blocked"]);
      assert.deepEqual(await bench.runAll(), ["a", "b"]);
    },
  ],
  [
    "a graph that failed is retried whole after it was loaded",
    async (bench) => {
      await moveFrom(bench, async (source) => {
        await source.add({ id: "a" }, { id: "b" }, { id: "top", dependsOn: ["a", "b"] }, { id: "roof", dependsOn: ["top"] });
        const [a, b] = await source.claim();
        assert.ok(a && b);
        await source.settle(failed(a), done(b));
      });
      assert.deepEqual(await bench.states("a", "b", "top", "roof"), ["failed", "done", "failed", "failed"]);
      assert.deepEqual(await bench.store.retry({ ids: ["roof"] }, bench.now), ["a", "top", "roof"]);
      assert.deepEqual(await bench.runAll(), ["a", "top", "roof"]);
    },
  ],
  [
    "a job with a dependency that is gone is loaded so, and cannot be retried",
    async (bench) => {
      await moveFrom(bench, async (source) => {
        await source.add({ id: "a", keepMs: 0 }, { id: "top", dependsOn: ["a"] });
        await source.store.cancel({ ids: ["a"] }, null, start);
        await source.store.tend(start + 1, 10);
      });
      assert.deepEqual(
        (await dumpAll(bench.store)).map(({ dependsOn }) => dependsOn),
        [[null]],
      );
      assert.deepEqual(await bench.store.retry({}, start), []);
      await assert.rejects(bench.store.inputs(["top"]), StoreError);
      assert.equal(await bench.store.remove({}), 1);
    },
  ],
  [
    "a waiting job whose dependency is not here rejects the batch",
    async (bench) => {
      const source = new Bench(memoryStore());
      await source.add({ id: "a" }, { id: "b" }, { id: "top", dependsOn: ["a"] });
      const [, b, top] = await dumpAll(source.store);
      assert.ok(b && top);
      await assert.rejects(bench.store.load([b, top], start), (error: Error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, /"top".*"a"/);
        return true;
      });
      await assert.rejects(bench.store.load([b, { ...top, dependsOn: [null] }], start), StoreError);
      assert.deepEqual(await dumpAll(bench.store), []);
    },
  ],
  [
    "a running job rejects the batch",
    async (bench) => {
      const source = new Bench(memoryStore());
      await source.add({ id: "b", priority: -1 }, { id: "a" });
      await source.claim("w", 1);
      await assert.rejects(move(source.store, bench.store, start), StoreError);
      assert.equal(await bench.store.count({}), 0);
    },
  ],
  [
    "unique keys hold after a load as before it",
    async (bench) => {
      await moveFrom(bench, async (source) => {
        await source.add(
          { id: "a", unique: unique("a", "started"), priority: 2 },
          { id: "b", unique: unique("b", "ended"), priority: 1 },
          { id: "c", unique: unique("c", "started") },
        );
        const [a, b] = await source.claim("w", 2);
        assert.ok(a && b);
        await source.settle({ ...b, kind: "released" }, { ...a, kind: "retry", error: "1", dueAt: source.now + 9 });
      });
      const added = await bench.add(
        { id: "a2", unique: unique("a", "started") },
        { id: "b2", unique: unique("b", "ended") },
        { id: "c2", unique: unique("c", "started") },
      );
      assert.deepEqual(
        added.map(({ existing }) => existing),
        [null, "b", "c"],
      );
      const ran = await bench.claim("w", 2);
      assert.deepEqual(namesOf(ran), ["b", "c"]);
      assert.deepEqual((await bench.add({ id: "c3", unique: unique("c", "started") }))[0]?.existing, null);
      await bench.settle(...ran.map((job) => done(job)));
      assert.deepEqual((await bench.add({ id: "b3", unique: unique("b", "ended") }))[0]?.existing, null);
    },
  ],
  [
    "a unique key that another live job holds rejects the batch, naming the key and both",
    async (bench) => {
      const source = new Bench(memoryStore());
      await source.add({ id: "other" }, { id: "theirs", unique: unique("the key", "ended") });
      await bench.add({ id: "ours", unique: unique("the key", "started") });
      await assert.rejects(move(source.store, bench.store, start), (error: Error) => {
        assert.ok(error instanceof StoreError);
        for (const name of ["ours", "theirs", "the key"]) assert.ok(error.message.includes(`"${name}"`), error.message);
        return true;
      });
      assert.deepEqual(namesOf(await dumpAll(bench.store)), ["ours"]);
      await bench.store.cancel({ ids: ["ours"] }, null, start);
      assert.equal(await move(source.store, bench.store, start), 2);
    },
  ],
  [
    "ended jobs are pruned when they would have been",
    async (bench) => {
      await moveFrom(bench, async (source) => {
        await source.add(
          { id: "a", keepMs: 100, priority: 3 },
          { id: "b", keepMs: 50, priority: 2 },
          { id: "c", keepMs: 100, priority: 1 },
        );
        await source.add({ id: "d", keepMs: 100 });
        for (const time of [30, 60, 10]) {
          const [job] = await source.claim("w", 1);
          assert.ok(job);
          source.now = start + time;
          await source.settle(done(job));
        }
        await source.store.cancel({ ids: ["d"] }, null, start + 25);
      });
      const left = async (now: number): Promise<string[]> => {
        await bench.store.tend(start + now, 10);
        return namesOf(await dumpAll(bench.store));
      };
      assert.deepEqual(await left(109), ["a", "b", "c", "d"]);
      assert.deepEqual(await left(110), ["a", "d"]);
      assert.deepEqual(await left(125), ["a"]);
      assert.deepEqual(await left(130), []);
    },
  ],
  [
    "loaded jobs are claimed by priority and then in the order added, behind those that are here",
    async (bench) => {
      await bench.add({ id: "here" }, { id: "here first", priority: 5 });
      await moveFrom(bench, async (source) => {
        await source.add({ id: "a" }, { id: "b", priority: 5 }, { id: "c" }, { id: "d", priority: 5, dueAt: start + 5 });
        const [b] = await source.claim("w", 1);
        assert.ok(b);
        source.now += 5;
        await source.settle({ ...b, kind: "released" });
        await source.store.tend(source.now, 10);
      });
      await bench.add({ id: "new" });
      assert.deepEqual(await bench.runAll(), ["here first", "b", "d", "here", "a", "c", "new"]);
    },
  ],
  [
    "a job on its last chance is loaded as one",
    async (bench) => {
      await moveFrom(bench, async (source) => {
        await source.add({ id: "a" }, { id: "b" });
        await source.claim();
        source.now += leaseMs;
        await source.store.tend(source.now, 10);
      });
      assert.deepEqual(await bench.claim("w").then(namesOf), ["a"]);
      assert.deepEqual(await bench.claim("other").then(namesOf), ["b"]);
    },
  ],
  [
    "listeners are told of jobs that are loaded ready, and of ended ones",
    async (bench) => {
      const heard: string[] = [];
      const both = Promise.withResolvers<void>();
      const stop = bench.store.watch((event) => {
        heard.push(event);
        if (heard.includes("ready") && heard.includes("ended")) both.resolve();
      });
      await moveFrom(bench, async (source) => {
        await source.add({ id: "a" }, { id: "b" });
        for (const job of await source.claim("w", 1)) await source.settle(done(job));
      });
      await both.promise;
      stop();
    },
  ],
];
