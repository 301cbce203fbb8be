// Cases of attempts that are suspended: outside the hands of any worker until a time or a signal, or in a worker's memory.
import assert from "node:assert/strict";
import type { ClaimedJob, Outcome } from "../../store/job.ts";
import { cancelSignal, retriedRecord } from "../../store/machine.ts";
import { signalRecord } from "../../task/job-records.ts";
import type { Bench, Case } from "./bench.ts";
import { done, leaseMs, namesOf, start } from "./bench.ts";

const suspended = ({ id, fence }: Pick<ClaimedJob, "id" | "fence">, dueAt: number | null, seen: number = 0): Outcome => {
  return { id, fence, kind: "waiting", dueAt, seen, waits: `"${id} waits"` };
};

const signal = (bench: Bench, job: string, name: string): Promise<readonly boolean[]> =>
  bench.store.write([{ job, name: `signal/${name}`, text: "1", claim: null, tell: false }], bench.now);

/** The cases of the state `waiting`. */
export const suspending: readonly Case[] = [
  [
    "a suspended job waits with nobody, and is ready again when its time has come",
    async (bench) => {
      await bench.add({ id: "a", expiresAt: start + 20 }, { id: "above", dependsOn: ["a"] });
      const job = await bench.claimOne();
      const { ended, refused } = await bench.settle(suspended(job, start + 50));
      assert.deepEqual([ended, refused], [[], []]);
      const { state, worker, attempt, dueAt, expiresAt, waits } = await bench.job("a");
      assert.deepEqual(
        { state, worker, attempt, dueAt, expiresAt, waits },
        { state: "waiting", worker: null, attempt: 0, dueAt: start + 50, expiresAt: null, waits: '"a waits"' },
      );
      assert.equal(await bench.store.count({ states: ["waiting"] }), 1);
      assert.equal((await bench.store.queues())[0]?.counts.waiting, 1);
      bench.now = start + 49;
      assert.deepEqual(await bench.claim(), []);
      assert.equal((await bench.store.tend(bench.now, 10)).nextDueAt, start + 50);
      bench.now = start + 50;
      assert.deepEqual(await bench.store.tend(bench.now, 10), {
        promoted: 1,
        recovered: 0,
        pruned: 0,
        ended: [],
        lost: [],
        nextDueAt: null,
      });
      assert.deepEqual([(await bench.job("a")).state, (await bench.job("a")).waits], ["ready", null]);
      const again = await bench.claimOne();
      assert.deepEqual([again.attempt, again.fence], [1, 2]);
      await bench.settle(done(again));
      assert.deepEqual(await bench.runAll(), ["above"]);
    },
  ],
  [
    "a suspension whose time has come already makes ready at once, and one without a time waits for a signal alone",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      await bench.settle(suspended(a, bench.now), suspended(b, null));
      assert.deepEqual(await bench.states("a", "b"), ["ready", "waiting"]);
      bench.now += 1e12;
      assert.equal((await bench.store.tend(bench.now, 10)).nextDueAt, null);
      assert.deepEqual(await bench.states("b"), ["waiting"]);
      assert.deepEqual(await signal(bench, "b", "go"), [true]);
      assert.deepEqual([(await bench.job("b")).state, (await bench.job("b")).readyAt], ["ready", bench.now]);
    },
  ],
  [
    "a signal that came before the job was suspended is not missed",
    async (bench) => {
      await bench.add({ id: "a" });
      await signal(bench, "a", "early");
      const job = await bench.claimOne();
      await signal(bench, "a", "meanwhile");
      await bench.settle(suspended(job, null, 1));
      assert.deepEqual(await bench.states("a"), ["ready"], "it had seen one of two");
      await bench.settle(suspended(await bench.claimOne(), null, 2));
      assert.deepEqual(await bench.states("a"), ["waiting"]);
      await bench.store.write([{ job: "a", name: "other/x", text: "1", claim: null, tell: false }], bench.now);
      assert.deepEqual(await bench.states("a"), ["waiting"], "no signal");
    },
  ],
  [
    "a suspended job is cancelled at once, but one that has something to undo is made ready to do so",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      const claim = { worker: "w", fence: b.fence };
      await bench.store.write([{ job: "b", name: "undo/1", text: "1", claim, tell: false }], bench.now);
      await bench.settle(suspended(a, null), suspended(b, start + 1000));
      assert.deepEqual(await bench.store.cancel({ ids: ["a", "b"] }, "why", bench.now), {
        cancelled: ["a"],
        requested: ["b"],
        failed: [],
      });
      assert.deepEqual(await bench.states("a", "b"), ["cancelled", "ready"]);
      const { waits, cancelReason } = await bench.job("a");
      assert.deepEqual([waits, cancelReason], [null, "why"]);
      assert.deepEqual(await bench.store.records("b", cancelSignal, 10), [{ name: cancelSignal, text: '"why"' }]);
    },
  ],
  [
    "a job with a wish and something to undo is given out again to undo it, however its attempt ends",
    async (bench) => {
      const ids = ["retried", "suspended", "released", "crashed", "lost", "poison"];
      await bench.add(...ids.map((id) => ({ id, crashLimit: id === "poison" ? 0 : 5 })));
      const jobs = new Map((await bench.claim()).map((job) => [job.id, job]));
      const of = (id: string): ClaimedJob => jobs.get(id) as ClaimedJob;
      await bench.store.write(
        ids.map((id) => {
          return { job: id, name: "undo/1", text: "1", claim: { worker: "w", fence: of(id).fence }, tell: false };
        }),
        bench.now,
      );
      assert.equal((await bench.store.cancel({}, "why", bench.now)).requested.length, 6);
      const { ended } = await bench.settle(
        { id: "retried", fence: 1, kind: "retry", error: "1", dueAt: start + 1000 },
        suspended(of("suspended"), start + 1000),
        { id: "released", fence: 1, kind: "released" },
        { id: "crashed", fence: 1, kind: "crashed", error: "1" },
        { id: "poison", fence: 1, kind: "crashed", error: "1" },
      );
      assert.deepEqual(
        ended.map(({ id, state }) => [id, state]),
        [["poison", "cancelled"]],
      );
      bench.now += leaseMs;
      await bench.store.tend(bench.now, 10);
      for (const id of ids.slice(0, 5)) {
        const { state, cancelAt, cancelReason, waits } = await bench.job(id);
        assert.deepEqual(
          { id, state, cancelAt, cancelReason, waits },
          { id, state: "ready", cancelAt: null, cancelReason: null, waits: null },
        );
        assert.deepEqual(await bench.store.records(id, cancelSignal, 10), [{ name: cancelSignal, text: '"why"' }]);
      }
    },
  ],
  [
    "a job that waits for its retry, or stands ready to undo, is not ended by a cancellation before it has undone",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "fresh" });
      const jobs = await bench.claim();
      const claim = { worker: "w", fence: 1 };
      await bench.store.write([{ job: "a", name: "undo/1", text: "1", claim, tell: false }], bench.now);
      await bench.store.write([{ job: "fresh", name: "other", text: "1", claim, tell: false }], bench.now);
      await bench.settle(
        ...jobs.map(({ id, fence }): Outcome => ({ id, fence, kind: "retry", error: "1", dueAt: start + 1000 })),
      );
      assert.deepEqual(await bench.states("a", "fresh"), ["scheduled", "scheduled"]);
      const asked = { cancelled: ["fresh"], requested: ["a"], failed: [] };
      assert.deepEqual(await bench.store.cancel({}, "why", bench.now), asked);
      assert.deepEqual(await bench.states("a", "fresh"), ["ready", "cancelled"]);
      assert.deepEqual((await bench.store.cancel({}, "again", bench.now)).requested, ["a"]);
      assert.deepEqual(await bench.states("a"), ["ready"]);
      assert.deepEqual(await bench.store.records("a", cancelSignal, 10), [{ name: cancelSignal, text: '"why"' }]);
      const [job] = await bench.claim();
      assert.ok(job);
      const { ended } = await bench.settle({ id: job.id, fence: job.fence, kind: "cancelled" });
      assert.deepEqual([ended, await bench.states("a")], [[], ["cancelled"]]);
      await bench.store.retry({ ids: ["a"] }, bench.now);
      assert.deepEqual(
        await bench.store.records("a", cancelSignal, 10),
        [],
        "who makes it live again does not want it cancelled",
      );
      const retried = await bench.store.records("a", retriedRecord, 10);
      assert.deepEqual(retried, [{ name: retriedRecord, text: String(Math.floor(bench.now)) }]);
    },
  ],
  [
    "a job that is given back and has something to undo does not expire, and another does",
    async (bench) => {
      const expiresAt = start + 10;
      await bench.add({ id: "a", expiresAt }, { id: "b", expiresAt }, { id: "c", expiresAt }, { id: "d", expiresAt });
      const jobs = await bench.claim();
      const claim = { worker: "w", fence: 1 };
      const names = { a: "undo/1", b: "step/1", c: "undo/1", d: "step/1" };
      const records = Object.entries(names).map(([job, name]) => ({ job, name, text: "1", claim, tell: false }));
      await bench.store.write(records, bench.now);
      await bench.settle(...jobs.slice(0, 2).map(({ id, fence }): Outcome => ({ id, fence, kind: "released" })));
      await bench.store.leave("w", bench.now);
      assert.equal((await bench.job("a")).attempt, 0);
      bench.now = start + 20;
      await bench.store.tend(bench.now, 10);
      assert.deepEqual(await bench.states("a", "b", "c", "d"), ["ready", "expired", "ready", "expired"]);
      assert.deepEqual(namesOf(await bench.claim("v")), ["a", "c"]);
    },
  ],
  [
    'a signal called "cancel" is no cancellation, and does not hide one',
    async (bench) => {
      await bench.add({ id: "a" });
      const { fence } = await bench.claimOne();
      const sent = { name: signalRecord("cancel", bench.now, "1"), text: "2" };
      const shared = { job: "a", claim: null, tell: false };
      await bench.store.write(
        [
          { ...shared, name: "undo/1", text: "1" },
          { ...shared, ...sent },
        ],
        bench.now,
      );
      await bench.settle({ id: "a", fence, kind: "waiting", dueAt: null, seen: 1, waits: "1" });
      assert.deepEqual((await bench.store.cancel({ ids: ["a"] }, "why", bench.now)).requested, ["a"]);
      assert.deepEqual(await bench.store.records("a", cancelSignal, 10), [{ name: cancelSignal, text: '"why"' }, sent]);
      assert.deepEqual(await bench.states("a"), ["ready"]);
    },
  ],
  [
    "an attempt that waits in its worker's memory is shown as waiting and stays the worker's",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      await bench.store.suspend("w", [
        ["a", a.fence, '"child"'],
        ["b", b.fence + 1, '"stale"'],
        ["nobody", 1, '"gone"'],
      ]);
      await bench.store.suspend("x", [["b", b.fence, '"not mine"']]);
      assert.deepEqual(await bench.states("a", "b"), ["waiting", "running"]);
      const { worker, waits, attempt } = await bench.job("a");
      assert.deepEqual([worker, waits, attempt], ["w", '"child"', 1]);
      assert.equal(await bench.store.count({ states: ["running"] }), 1);
      assert.deepEqual(namesOf(await bench.store.list({ states: ["waiting"] }, { limit: 5 })), ["a"]);
      assert.equal((await bench.store.queues())[0]?.counts.waiting, 1);
      assert.deepEqual(await signal(bench, "a", "x"), [true]);
      assert.deepEqual(await bench.states("a"), ["waiting"], "a signal does not take it from its worker");
      assert.equal((await bench.store.cancel({ ids: ["a"] }, null, bench.now)).requested.length, 1);
      assert.deepEqual((await bench.store.renew("w", bench.now + leaseMs)).cancels, ["a"]);
      assert.equal((await bench.store.workers())[0]?.running, 2);
      await bench.store.suspend("w", [["a", a.fence, null]]);
      assert.deepEqual([(await bench.job("a")).state, (await bench.job("a")).waits], ["running", null]);
      await bench.store.suspend("w", [["a", a.fence, '"child"']]);
      await bench.settle(done(a), done(b));
      assert.deepEqual([(await bench.job("a")).state, (await bench.job("a")).waits], ["done", null]);
    },
  ],
  [
    "an attempt that waits in memory is lost with its worker",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      await bench.store.suspend("w", [
        ["a", a.fence, "1"],
        ["b", b.fence, "1"],
      ]);
      assert.equal(await bench.store.releaseOthers("w", [{ id: "a", fence: a.fence }], bench.now), 1);
      bench.now += leaseMs;
      assert.equal((await bench.store.tend(bench.now, 10)).recovered, 1);
      assert.deepEqual(await bench.states("a", "b"), ["ready", "ready"]);
      const { crashes, waits, worker } = await bench.job("a");
      assert.deepEqual([crashes, waits, worker], [1, null, null]);
      await bench.claim("v");
      await bench.store.suspend("v", [["a", 2, "1"]]);
      await bench.store.leave("v", bench.now);
      assert.deepEqual(await bench.states("a", "b"), ["ready", "ready"]);
    },
  ],
  [
    "a job that was suspended is dumped and loaded as it waits",
    async (bench) => {
      await bench.add({ id: "a" });
      await bench.settle(suspended(await bench.claimOne(), start + 70));
      const { jobs } = await bench.store.dump(null, 10);
      await bench.store.cancel({}, null, bench.now);
      await bench.store.remove({});
      assert.equal(await bench.store.load(jobs, bench.now), 1);
      assert.deepEqual((await bench.store.dump(null, 10)).jobs, jobs);
      assert.equal((await bench.store.tend(start + 70, 10)).promoted, 1);
    },
  ],
];
