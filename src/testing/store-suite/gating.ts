// Cases of gates: limits of how many and how fast, that jobs pass before they are ready.
import assert from "node:assert/strict";
import type { ClaimedJob, Gate } from "../../store/job.ts";
import { gateMs } from "../../store/machine.ts";
import type { StoredGate } from "../../store/store.ts";
import type { Bench, Case, Draft } from "./bench.ts";
import { claim, done, failed, leaseMs, namesOf, start, wants } from "./bench.ts";

const places = (name: string, room: number, until: Gate["until"] = "stopped"): Gate => ({
  name,
  room,
  everyMs: null,
  until,
});
const bucket = (name: string, room: number, everyMs: number): Gate => ({
  name,
  room,
  everyMs,
  until: "started",
});

function drafts(names: string, ...gates: Gate[]): Draft[] {
  return names.split("").map((id) => ({ id, gates }));
}

async function ready(bench: Bench): Promise<string> {
  return namesOf(await bench.store.list({ states: ["ready"] }, { limit: 1000 }))
    .toReversed()
    .join("");
}

async function gate(bench: Bench, name: string): Promise<StoredGate | undefined> {
  return (await bench.store.gates([name, name]))[0];
}

async function take(bench: Bench, limit: number = 100): Promise<Map<string, ClaimedJob>> {
  return new Map((await bench.claim("w", limit)).map((job) => [job.id, job]));
}

/** The cases of gates. */
export const gating: readonly Case[] = [
  [
    "as many jobs are ready or running as a gate has room; the next passes when an attempt stops",
    async (bench) => {
      await bench.add(...drafts("abcd", places("g", 2)));
      assert.equal(await ready(bench), "ab");
      const { state, pending, readyAt, gate: before } = await bench.job("c");
      assert.deepEqual({ state, pending, readyAt, before }, { state: "blocked", pending: 0, readyAt: null, before: "g" });
      assert.equal((await bench.job("a")).gate, null);
      assert.deepEqual(await gate(bench, "g"), {
        name: "g",
        room: 2,
        everyMs: null,
        held: 2,
        waiting: 2,
        holders: ["a", "b"],
        nextAt: null,
      });
      const jobs = await take(bench);
      assert.deepEqual([...jobs.keys()], ["a", "b"]);
      bench.now += 5;
      await bench.settle(done(jobs.get("b") as ClaimedJob));
      assert.equal(await ready(bench), "c");
      assert.equal((await bench.job("c")).readyAt, bench.now);
      await bench.settle(failed(jobs.get("a") as ClaimedJob));
      await bench.runAll();
      assert.deepEqual(await bench.states("a", "b", "c", "d"), ["failed", "done", "done", "done"]);
      assert.deepEqual(await bench.store.gates(["g", "nobody"]), []);
    },
  ],
  [
    "before a second gate a job is as old as its passing of the first, and before its first one as its adding",
    async (bench) => {
      const narrow = (key: string): Gate => ({ name: key, room: 2, everyMs: null, until: "started" });
      const all: Gate = { name: "all", room: 1, everyMs: null, until: "stopped" };
      const draft = (id: string): { id: string; gates: Gate[] } => ({ id, gates: [narrow(id.charAt(0)), all] });
      await bench.add(...["a1", "a2", "a3", "a4", "b1", "b2", "b3"].map(draft));
      const order: string[] = [];
      const again = { id: "a2", fence: 1, kind: "retry", error: "1", dueAt: bench.now } as const;
      for (let [job] = await bench.claim(); job; [job] = await bench.claim()) {
        order.push(job.id);
        await bench.settle(job.id === "a2" && job.fence === 1 ? again : done(job));
      }
      // Once it is back it is the first of its key, behind those that are past their gates of keys.
      assert.deepEqual(order, ["a1", "a2", "b1", "b2", "a3", "a4", "b3", "a2"]);
    },
  ],
  [
    "a line is by priority, then by age; what is settled and let pass is claimed in the same step",
    async (bench) => {
      const gates = [places("g", 1)];
      await bench.add({ id: "a", gates }, { id: "b", gates }, { id: "c", gates, priority: 3 }, { id: "d", gates });
      // Those that came with it are looked at together.
      assert.equal(await ready(bench), "c");
      const order: string[] = [];
      let [job] = await bench.claim();
      while (job) {
        order.push(job.id);
        [job] = (await bench.store.settle("w", [done(job)], wants(5), bench.now)).claimed;
      }
      assert.deepEqual(order, ["c", "a", "b", "d"]);
    },
  ],
  [
    "a job passes its gates one after another and holds the places of those it has passed",
    async (bench) => {
      const all = places("all", 3);
      await bench.add(...drafts("abc", places("x", 2), all), ...drafts("de", places("y", 2), all));
      assert.equal(await ready(bench), "abd");
      assert.deepEqual(
        [(await bench.job("c")).gate, (await bench.job("e")).gate],
        ["x", "all"],
        "one before its own gate, the other behind it",
      );
      const jobs = await take(bench);
      await bench.settle(done(jobs.get("a") as ClaimedJob));
      assert.equal(await ready(bench), "e", "c has just passed x, and stands before all");
      assert.equal((await bench.job("c")).gate, "all");
      assert.deepEqual([(await gate(bench, "x"))?.held, (await gate(bench, "all"))?.held], [2, 3]);
      await bench.settle(done(jobs.get("b") as ClaimedJob), done(jobs.get("d") as ClaimedJob));
      assert.deepEqual((await bench.runAll()).toSorted(), ["c", "e"]);
      assert.deepEqual(await bench.store.gates(["x", "y", "all"]), []);
    },
  ],
  [
    "a place kept until the start is given back by a claim",
    async (bench) => {
      await bench.add(...drafts("abcde", places("g", 2, "started")));
      assert.equal(await ready(bench), "ab");
      const jobs = await take(bench, 1);
      assert.equal(await ready(bench), "bc");
      await bench.settle(done(jobs.get("a") as ClaimedJob));
      assert.equal(await ready(bench), "bc", "not twice");
      await bench.runAll();
      assert.deepEqual(await bench.store.gates(["g"]), []);
    },
  ],
  [
    "a bucket lets its tokens pass, and what it regains",
    async (bench) => {
      await bench.add(...drafts("abcdefgh", bucket("g", 3, 100)));
      assert.equal(await ready(bench), "abc");
      assert.equal((await gate(bench, "g"))?.nextAt, null, "those that stand ready fill it");
      const jobs = await take(bench);
      assert.equal((await gate(bench, "g"))?.nextAt, start + 100);
      assert.equal((await bench.store.tend(start + 99, 10)).nextDueAt, start + 100);
      assert.equal(await ready(bench), "");
      bench.now = start + 100;
      assert.equal((await bench.store.tend(bench.now, 10)).nextDueAt, start + 200);
      assert.equal(await ready(bench), "d");
      bench.now = start + 250;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "de");
      bench.now = start + 5000;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "def", "tokens and those that stand ready are never more than its room");
      await bench.settle(...[...jobs.values()].map((job) => done(job)));
      assert.equal(await ready(bench), "def", "ends give nothing back");
      await take(bench);
      bench.now += 100;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "g");
    },
  ],
  [
    "while jobs that took all tokens stand ready none come back, though nobody tends",
    async (bench) => {
      await bench.add(...drafts("abcdefgh", bucket("g", 3, 100)));
      bench.now = start + 5000;
      assert.equal((await take(bench, 2)).size, 2);
      assert.equal(await ready(bench), "c");
      bench.now += 150;
      assert.equal((await take(bench)).size, 1);
      assert.equal(await ready(bench), "d", "what two gave room for since they started");
      bench.now += 50;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "de");
    },
  ],
  [
    "a fast bucket is looked at no more often than it should be, and lets all pass that it gained",
    async (bench) => {
      const many = Array.from({ length: 100 }, (_, n) => ({ id: `j${n}`, gates: [bucket("g", 50, 1)] }));
      await bench.add(...many);
      await bench.claim("w", 50);
      const at = (await gate(bench, "g"))?.nextAt;
      assert.equal(at, start + gateMs);
      bench.now = start + gateMs;
      await bench.store.tend(bench.now, 10);
      assert.equal((await bench.claim()).length, gateMs);
    },
  ],
  [
    "a clock that jumps back holds a bucket up no longer than it jumped forward gave",
    async (bench) => {
      await bench.add(...drafts("abc", bucket("g", 1, 100)));
      await bench.claim();
      await bench.store.tend(start - 5000, 10);
      await bench.store.tend(start - 4900, 10);
      bench.now = start - 4800;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "", "it is looked at when it said");
      bench.now = start + 100;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "b");
    },
  ],
  [
    "the newest job says how wide a gate is",
    async (bench) => {
      await bench.add(...drafts("abcde", places("g", 1)));
      await bench.add(...drafts("f", places("g", 3)));
      assert.equal(await ready(bench), "abc");
      await bench.add(...drafts("h", places("g", 1)));
      const jobs = await take(bench);
      await bench.settle(...["a", "b"].map((id) => done(jobs.get(id) as ClaimedJob)));
      assert.equal(await ready(bench), "");
      await bench.settle(done(jobs.get("c") as ClaimedJob));
      assert.equal(await ready(bench), "d");
    },
  ],
  [
    "crashed, lost and released jobs keep their places; retried, suspended and ended ones give them back",
    async (bench) => {
      const gates = [places("g", 1), places("s", 1, "started")];
      await bench.add(...["a", "b"].map((id) => ({ id, gates, crashLimit: 9 })));
      let job = await bench.claimOne();
      await bench.settle({ id: "a", fence: job.fence, kind: "released" });
      assert.equal(await ready(bench), "a");
      job = await bench.claimOne();
      await bench.settle({ id: "a", fence: job.fence, kind: "crashed", error: "1" });
      assert.equal(await ready(bench), "a");
      job = await bench.claimOne();
      bench.now += leaseMs;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "a");
      job = await bench.claimOne();
      assert.equal((await gate(bench, "g"))?.held, 1);
      assert.equal(await gate(bench, "s"), undefined);
      await bench.settle({ id: "a", fence: job.fence, kind: "retry", error: "1", dueAt: bench.now + 5 });
      assert.equal(await ready(bench), "b");
      job = await bench.claimOne();
      bench.now += 5;
      await bench.store.tend(bench.now, 10);
      assert.equal((await bench.job("a")).gate, "g", "it stands in line anew");
      await bench.settle({ id: "b", fence: job.fence, kind: "waiting", dueAt: bench.now + 5, seen: 0, waits: "1" });
      assert.equal(await ready(bench), "a");
      await bench.settle(done(await bench.claimOne()));
      bench.now += 5;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "b");
    },
  ],
  [
    "who leaves by cancel, expiry or change gives its place to the next",
    async (bench) => {
      await bench.add({ id: "a", gates: [places("g", 1)], expiresAt: start + 5 }, ...drafts("bcd", places("g", 1)));
      bench.now = start + 5;
      await bench.store.tend(bench.now, 10);
      assert.equal(await ready(bench), "b");
      await bench.store.cancel({ ids: ["c"] }, null, bench.now);
      assert.equal((await gate(bench, "g"))?.waiting, 1);
      await bench.store.cancel({ ids: ["b"] }, null, bench.now);
      assert.equal(await ready(bench), "d");
      await bench.add(...drafts("e", places("g", 1)));
      await bench.store.change({ ids: ["d"] }, { dueAt: bench.now + 50 }, bench.now);
      assert.equal(await ready(bench), "e");
      await bench.store.retry({ ids: ["a"] }, bench.now);
      assert.equal((await bench.job("a")).gate, "g");
    },
  ],
  [
    "a job comes to its gates when its time has come and its dependencies are done",
    async (bench) => {
      const gates = [places("g", 1)];
      await bench.add(
        { id: "x" },
        { id: "a", gates, dependsOn: ["x"] },
        { id: "b", gates, dueAt: start + 5 },
        { id: "c", gates },
      );
      assert.equal(await ready(bench), "xc");
      const jobs = await take(bench);
      bench.now = start + 5;
      await bench.store.tend(bench.now, 10);
      await bench.settle(done(jobs.get("x") as ClaimedJob));
      assert.deepEqual([(await bench.job("a")).gate, (await bench.job("b")).gate], ["g", "g"]);
      await bench.settle(done(jobs.get("c") as ClaimedJob));
      assert.deepEqual(await bench.runAll(), ["a", "b"]);
    },
  ],
  [
    "one key with a thousand jobs leaves the others their turn",
    async (bench) => {
      const of = (key: string, count: number): Draft[] =>
        Array.from({ length: count }, (_, n) => ({ id: `${key}${n}`, gates: [places(`fair/${key}`, 4, "started")] }));
      await bench.add(...of("big", 1000));
      await bench.add(...of("small", 10));
      const order: string[] = [];
      while (order.length < 36) {
        const claimed = await bench.claim("w", 4);
        order.push(...namesOf(claimed));
        await bench.settle(...claimed.map((job) => done(job)));
      }
      assert.equal(order.filter((id) => id.startsWith("small")).length, 10);
    },
  ],
  [
    "jobs with gates are dumped and loaded, and pass them anew",
    async (bench) => {
      await bench.add(...drafts("abc", places("g", 2), bucket("r", 5, 1000)));
      const { jobs } = await bench.store.dump(null, 10);
      assert.deepEqual(jobs[0]?.gates, [places("g", 2), bucket("r", 5, 1000)]);
      await bench.store.cancel({}, null, start);
      await bench.store.remove({});
      await bench.store.load(jobs, start);
      assert.equal(await ready(bench), "ab");
      assert.equal((await bench.job("c")).gate, "g");
      assert.deepEqual((await bench.store.dump(null, 10)).jobs, jobs);
      assert.deepEqual(await bench.runAll(), ["a", "b", "c"]);
    },
  ],
  [
    "whoever tends is told of a bucket that is due soon, and workers of jobs that passed",
    async (bench) => {
      const heard = new EventTarget();
      const stop = bench.store.watch((event) => void heard.dispatchEvent(new Event(event)));
      const next = (event: string): Promise<unknown> =>
        new Promise((resolve) => heard.addEventListener(event, resolve, { once: true }));
      try {
        await bench.add(...drafts("ab", bucket("g", 1, 100)));
        await bench.join("w");
        const scheduled = next("scheduled");
        await claim(bench.store, "w", wants(5), start);
        await scheduled;
        const told = next("ready");
        await bench.store.tend(start + 100, 10);
        await told;
      } finally {
        stop();
      }
    },
  ],
];
