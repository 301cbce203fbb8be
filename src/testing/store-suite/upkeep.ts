// Cases of workers, leases and `tend`.
import assert from "node:assert/strict";
import type { Claim } from "../../store/job.ts";
import type { Case } from "./bench.ts";
import { claim, done, failed, leaseMs, namesOf, newWorker, start, wants } from "./bench.ts";

const nothing = { promoted: 0, recovered: 0, pruned: 0, ended: [], lost: [], nextDueAt: null };

/** The cases of workers, leases and tend. */
export const upkeep: readonly Case[] = [
  [
    "a tend with nothing to do does nothing",
    async (bench) => {
      assert.deepEqual(await bench.store.tend(start, 100), nothing);
      await bench.add({ id: "a" }, { id: "b", dueAt: start + 10, expiresAt: start + 10 });
      await bench.claim();
      assert.deepEqual(await bench.store.tend(start + 9, 100), { ...nothing, nextDueAt: start + 10 });
    },
  ],
  [
    "due jobs become ready, the earliest first, up to the limit",
    async (bench) => {
      await bench.add(
        { id: "a", dueAt: start + 3 },
        { id: "b", dueAt: start + 1 },
        { id: "c", dueAt: start + 1 },
        { id: "d", dueAt: start + 4 },
      );
      const first = await bench.store.tend(start + 3, 2);
      assert.deepEqual([first.promoted, first.nextDueAt], [2, start + 3]);
      assert.deepEqual(await bench.states("a", "b", "c", "d"), ["scheduled", "ready", "ready", "scheduled"]);
      const second = await bench.store.tend(start + 3, 2);
      assert.deepEqual([second.promoted, second.nextDueAt], [1, start + 4]);
      assert.equal((await bench.job("a")).readyAt, start + 3);
    },
  ],
  [
    "late jobs expire in whatever state they wait, and what needs them fails",
    async (bench) => {
      const expiresAt = start + 10;
      await bench.add(
        { id: "ready", expiresAt },
        { id: "scheduled", expiresAt, dueAt: start + 99 },
        { id: "x", dueAt: start + 99 },
      );
      await bench.add(
        { id: "blocked", expiresAt, dependsOn: ["x"] },
        { id: "top", dependsOn: ["ready"] },
        { id: "later", expiresAt: start + 11 },
      );
      assert.deepEqual((await bench.store.tend(start + 9, 100)).ended, []);
      const { ended } = await bench.store.tend(start + 10, 100);
      assert.deepEqual(
        ended.map(({ id, state, cause }) => [id, state, cause]),
        [
          ["ready", "expired", null],
          ["scheduled", "expired", null],
          ["blocked", "expired", null],
          ["top", "failed", "ready"],
        ],
      );
      assert.deepEqual(await bench.states("x", "later"), ["scheduled", "ready"]);
      assert.deepEqual(await bench.claim("w", 5).then(namesOf), ["later"]);
    },
  ],
  [
    "expiry is over once an attempt has started, unless it was given back",
    async (bench) => {
      await bench.add({ id: "a", expiresAt: start + 10 }, { id: "b", expiresAt: start + 10 }, { id: "c", expiresAt: start + 10 });
      const [a, b] = await bench.claim("w", 2);
      assert.ok(a && b);
      await bench.settle(
        { id: "a", fence: a.fence, kind: "retry", error: "1", dueAt: start + 20 },
        { id: "b", fence: b.fence, kind: "released" },
      );
      assert.deepEqual(namesOf((await bench.store.tend(start + 15, 100)).ended), ["b", "c"]);
      assert.deepEqual(await bench.states("a"), ["scheduled"]);
    },
  ],
  [
    "the jobs of a lost worker are given out again, or set aside when that happened too often",
    async (bench) => {
      await bench.add({ id: "a", crashLimit: 0 }, { id: "b", crashLimit: 1 }, { id: "top", dependsOn: ["a"] });
      await bench.claim();
      await bench.join("other");
      assert.deepEqual((await bench.store.tend(start + leaseMs - 1, 1)).lost, []);
      await bench.store.renew("other", start + leaseMs + 1);
      const tended = await bench.store.tend(start + leaseMs, 1);
      assert.deepEqual([tended.lost, tended.recovered], [["w"], 2]);
      assert.deepEqual(
        tended.ended.map(({ id, state, error, cause, crashes, worker }) => [id, state, error, cause, crashes, worker]),
        [
          ["a", "failed", null, null, 1, "w"],
          ["top", "failed", null, "a", 0, null],
        ],
      );
      const b = await bench.job("b");
      assert.deepEqual([b.state, b.crashes, b.attempt, b.worker, b.readyAt], ["ready", 1, 1, null, start + leaseMs]);
      assert.deepEqual(namesOf(await bench.store.workers()), ["other"]);
      const again = await claim(bench.store, "other", wants(9), start + leaseMs);
      assert.deepEqual(
        again.map(({ id, attempt, crashes, fence }) => [id, attempt, crashes, fence]),
        [["b", 2, 1, 2]],
      );
    },
  ],
  [
    "a lost worker is told so, and its outcomes are refused",
    async (bench) => {
      await bench.add({ id: "a" });
      const job = await bench.claimOne();
      await bench.store.tend(start + leaseMs, 10);
      assert.deepEqual(await bench.store.renew("w", start + 99 * leaseMs), { alive: false, cancels: [], drain: false });
      assert.deepEqual((await bench.settle(done(job))).refused, [0]);
      assert.deepEqual(await claim(bench.store, "w", wants(1), start), []);
      assert.deepEqual(await bench.store.workers(), []);
    },
  ],
  [
    "a renewed lease lasts longer, also when it had run out unnoticed",
    async (bench) => {
      await bench.add({ id: "a" });
      await bench.claimOne();
      assert.deepEqual(await bench.store.renew("w", start + 5 * leaseMs), { alive: true, cancels: [], drain: false });
      assert.deepEqual((await bench.store.tend(start + 4 * leaseMs, 10)).lost, []);
      await bench.store.renew("w", start + 7 * leaseMs);
      assert.deepEqual((await bench.store.tend(start + 6 * leaseMs, 10)).lost, []);
      assert.deepEqual(await bench.states("a"), ["running"]);
    },
  ],
  [
    "a worker that leaves gives its jobs back uncounted",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      await bench.claim("w", 1);
      await bench.store.leave("w", start);
      await bench.store.leave("nobody", start);
      const { state, attempt, crashes, fence } = await bench.job("a");
      assert.deepEqual([state, attempt, crashes, fence], ["ready", 0, 0, 1]);
      assert.deepEqual(await bench.store.workers(), []);
      assert.deepEqual(namesOf(await bench.claim("x")), ["a", "b"]);
    },
  ],
  [
    "a worker that does not know what it was given gives back what it does not have",
    async (bench) => {
      const held = (id: string): Claim => ({ id, fence: 1 });
      await bench.add({ id: "a" }, { id: "b" }, { id: "c" });
      await bench.claim("w", 2);
      await bench.claim("x", 1);
      assert.equal(await bench.store.releaseOthers("w", [held("b"), held("c"), held("nobody")], start), 1);
      assert.equal(await bench.store.releaseOthers("w", [held("b")], start), 0);
      assert.deepEqual(await bench.states("a", "b", "c"), ["ready", "running", "running"]);
      assert.equal((await bench.job("a")).attempt, 0);
      await bench.claim("w", 1);
      assert.equal(await bench.store.releaseOthers("w", [held("a"), held("b")], start), 1, "it has an older claim of it");
      await bench.store.cancel({ ids: ["b"] }, null, start);
      assert.equal(await bench.store.releaseOthers("w", [], start), 1);
      assert.equal((await bench.ending("b")).state, "cancelled");
    },
  ],
  [
    "a worker learns that it is to stop when it renews, until it joins again",
    async (bench) => {
      await bench.join("w");
      assert.equal(await bench.store.drain("nobody"), false);
      assert.equal(await bench.store.drain("w"), true);
      assert.equal((await bench.store.renew("w", start + leaseMs)).drain, true);
      assert.equal((await bench.store.renew("w", start + leaseMs)).drain, true);
      await bench.join("w");
      assert.equal((await bench.store.renew("w", start + leaseMs)).drain, false);
    },
  ],
  [
    "workers are listed as they announced themselves, with what they run",
    async (bench) => {
      await bench.add({ id: "a" });
      await bench.claim("w");
      await bench.join("v");
      assert.deepEqual(await bench.store.workers(), [
        { ...newWorker("v"), leaseUntil: start + leaseMs, running: 0 },
        { ...newWorker("w"), leaseUntil: start + leaseMs, running: 1 },
      ]);
      await bench.store.join({ ...newWorker("w"), host: "moved", queues: ["x", "y"] }, start + 1);
      assert.deepEqual((await bench.store.workers())[1], {
        ...newWorker("w"),
        host: "moved",
        queues: ["x", "y"],
        leaseUntil: start + 1,
        running: 1,
      });
    },
  ],
  [
    "ended jobs are pruned when they were kept long enough, up to the limit",
    async (bench) => {
      await bench.add(
        { id: "a", keepMs: 10 },
        { id: "b", keepMs: 5 },
        { id: "c", keepMs: 7 },
        { id: "d", keepMs: 0, dueAt: start + 99 },
      );
      const claimed = await bench.claim();
      await bench.settle(...claimed.map((job) => done(job)));
      assert.equal((await bench.store.tend(start + 4, 10)).pruned, 0);
      assert.equal((await bench.store.tend(start + 10, 2)).pruned, 2);
      assert.deepEqual(await bench.states("a", "b", "c", "d"), ["done", undefined, undefined, "scheduled"]);
      assert.equal((await bench.store.tend(start + 10, 2)).pruned, 1);
      assert.deepEqual(await bench.store.endings(["a", "b"]), []);
      await bench.add({ id: "a" });
      assert.deepEqual(await bench.states("a"), ["ready"]);
    },
  ],
  [
    "an ended job is kept while a job that needs it has not ended, and not for ever",
    async (bench) => {
      await bench.add(
        { id: "a", keepMs: 0 },
        { id: "b", keepMs: 0, priority: -1 },
        { id: "top", keepMs: 0, dependsOn: ["a", "b"] },
      );
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      await bench.settle(done(a, "1"));
      bench.now = start + 1000;
      assert.equal((await bench.store.tend(bench.now, 10)).pruned, 0);
      assert.deepEqual(await bench.runAll(), ["b", "top"]);
      assert.deepEqual(await bench.store.inputs(["top"]), [["1", '"b done"']]);
      let pruned = 0;
      for (let hours = 0; hours < 3; hours++) pruned += (await bench.store.tend(start + hours * 3_600_000 + 2000, 10)).pruned;
      assert.equal(pruned, 3);
      assert.equal(await bench.store.count({}), 0);
    },
  ],
  [
    "a clock that jumps back or forward loses no job and runs none twice",
    async (bench) => {
      const day = 86_400_000;
      await bench.add({ id: "a", crashLimit: 9 }, { id: "b", dueAt: start + 1000, crashLimit: 9 });
      const job = await bench.claimOne();
      bench.now = start - day;
      assert.deepEqual(await bench.store.tend(bench.now, 10), { ...nothing, nextDueAt: start + 1000 });
      await bench.store.renew("w", bench.now + leaseMs);
      bench.now = start + day;
      const tended = await bench.store.tend(bench.now, 10);
      assert.deepEqual([tended.lost, tended.recovered, tended.promoted], [["w"], 1, 1]);
      bench.now = start - day;
      assert.deepEqual((await bench.settle(done(job, "stale"))).refused, [0]);
      assert.deepEqual(await bench.states("a", "b"), ["ready", "ready"]);
      assert.deepEqual(await bench.runAll(), ["a", "b"]);
      const { endedAt, startedAt, attempt } = await bench.job("a");
      assert.deepEqual([endedAt, startedAt, attempt], [start - day, start - day, 2]);
    },
  ],
  [
    "a limit may be infinite",
    async (bench) => {
      await bench.add({ id: "a", dueAt: start + 1 }, { id: "b", dueAt: start + 1 });
      assert.equal((await bench.store.tend(start + 1, Infinity)).promoted, 2);
      assert.equal((await bench.claim("w", Infinity)).length, 2);
      assert.equal((await bench.store.list({}, { limit: Infinity })).length, 2);
    },
  ],
  [
    "a failed job kept for its time is not pruned after a retry made it live",
    async (bench) => {
      await bench.add({ id: "a", keepMs: 10 });
      await bench.settle(failed(await bench.claimOne()));
      await bench.store.retry({ ids: ["a"] }, start);
      assert.equal((await bench.store.tend(start + leaseMs - 1, 10)).pruned, 0);
      assert.deepEqual(await bench.states("a"), ["ready"]);
    },
  ],
];
