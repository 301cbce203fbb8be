// Cases of `claim` and `settle`: who gets which job, and what becomes of an attempt.
import assert from "node:assert/strict";
import type { Case } from "./bench.ts";
import type { Want } from "../../store/store.ts";
import { claim, done, failed, leaseMs, namesOf, newJob, newWorker, start, wants } from "./bench.ts";

/** The cases of claim and settle. */
export const running: readonly Case[] = [
  [
    "nothing is claimed from a paused queue; a want's other queues get its room",
    async ({ store }) => {
      const add = (id: string, queue: string): Promise<unknown> => store.add([newJob({ id, queue })], start);
      for (const id of ["a1", "a2"]) await add(id, "a");
      for (const id of ["b1", "b2", "b3"]) await add(id, "b");
      await store.join(newWorker("w"), start + leaseMs);
      const want: readonly Want[] = [{ queues: ["a", "b"], tasks: ["task"], limit: 3 }];
      await store.pause("a", true);
      await store.pause("a", true);
      assert.deepEqual(namesOf(await claim(store, "w", want, start)), ["b1", "b2", "b3"]);
      assert.deepEqual(namesOf(await claim(store, "w", want, start)), []);
      await store.pause("a", false);
      assert.deepEqual(namesOf(await claim(store, "w", want, start)), ["a1", "a2"]);
    },
  ],
  [
    "jobs are given out by priority, then by age",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b", priority: 5 }, { id: "c", priority: -5 }, { id: "d", priority: 5 }, { id: "e" });
      assert.deepEqual(namesOf(await bench.claim()), ["b", "d", "a", "e", "c"]);
    },
  ],
  [
    "several tasks of a want are merged by priority and age, however long their backlogs are",
    async (bench) => {
      const drafts = Array.from({ length: 60 }, (_, i) => ({ id: `j${i}`, task: `t${(i * 7) % 5}`, priority: (i * 3) % 4 }));
      await bench.add(...drafts);
      await bench.join("w");
      const order = drafts.map((draft, i) => ({ ...draft, i })).sort((a, b) => b.priority - a.priority || a.i - b.i);
      const expected = namesOf(order.filter(({ task }) => task !== "t4"));
      const tasks = ["t0", "t1", "t2", "t3", "t1", "nobody"];
      const taken: string[] = [];
      for (const limit of [1, 2, 7, 30, 100])
        taken.push(...namesOf(await claim(bench.store, "w", [{ queues: ["queue"], tasks, limit }], start)));
      assert.deepEqual(taken, expected);
    },
  ],
  [
    "one long backlog among several tasks is given out in order, too",
    async (bench) => {
      const drafts = Array.from({ length: 200 }, (_, i) => ({
        id: `j${i}`,
        task: i % 50 === 7 ? "rare" : "often",
        priority: (i * 3) % 4,
      }));
      await bench.add(...drafts);
      await bench.join("w");
      const order = drafts.map((draft, i) => ({ ...draft, i })).sort((a, b) => b.priority - a.priority || a.i - b.i);
      const tasks = ["often", "rare", "never", "nobody"];
      const taken: string[] = [];
      for (const limit of [50, 1, 140])
        taken.push(...namesOf(await claim(bench.store, "w", [{ queues: ["queue"], tasks, limit }], start)));
      assert.deepEqual(taken, namesOf(order).slice(0, 191));
    },
  ],
  [
    "a claim takes only the queues and tasks wanted, up to the limit of each want",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b", queue: "mail" }, { id: "c", task: "other" }, { id: "d" }, { id: "e" });
      await bench.join("w");
      const claimed = await claim(
        bench.store,
        "w",
        [
          { queues: ["queue"], tasks: ["task"], limit: 2 },
          { queues: ["mail"], tasks: ["task", "other"], limit: 0 },
          { queues: ["queue"], tasks: ["task", "other"], limit: 1 },
          { queues: ["nobody"], tasks: ["task"], limit: 5 },
        ],
        start,
      );
      assert.deepEqual(namesOf(claimed), ["a", "d", "c"]);
    },
  ],
  [
    "the room of a want is divided among its queues, and what one leaves goes to the others",
    async (bench) => {
      const names = (queue: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${queue}${i}`);
      for (const [queue, count] of [
        ["x", 9],
        ["y", 1],
        ["z", 9],
      ] as const)
        // oxfmt-ignore
        await bench.add(...names(queue, count).map((id) => ({ id, queue })));
      await bench.join("w");
      const take = async (queues: readonly string[], limit: number): Promise<string[]> =>
        namesOf(await claim(bench.store, "w", [{ queues, tasks: ["task"], limit }], start));
      assert.deepEqual(await take(["x", "y", "z"], 1), ["x0"]);
      assert.deepEqual(await take(["z", "x", "y"], 2), ["z0", "x1"]);
      assert.deepEqual(
        (await take(["x", "y", "z", "x"], 9)).toSorted(),
        ["x2", "x3", "x4", "y0", "z1", "z2", "z3", "z4", "z5"].toSorted(),
      );
      assert.deepEqual((await take(["nobody", "y", "z"], 99)).toSorted(), ["z6", "z7", "z8"]);
    },
  ],
  [
    "of jobs whose next crash is one too many, a worker has one at a time",
    async (bench) => {
      await bench.add(...["a", "b", "c"].map((id) => ({ id, crashLimit: 1 })), { id: "d", crashLimit: 5 });
      await bench.claim("dying");
      await bench.add({ id: "e", crashLimit: 1 });
      bench.now += leaseMs;
      await bench.store.tend(bench.now, 100);
      assert.deepEqual(namesOf(await bench.claim("w")), ["a", "d", "e"], "one of a, b, c");
      assert.deepEqual(await bench.claim("w"), []);
      assert.deepEqual(namesOf(await bench.claim("x")), ["b"]);
      const settled = await bench.store.settle("w", [{ id: "a", fence: 2, kind: "done", result: "1" }], wants(1), bench.now);
      assert.deepEqual(namesOf(settled.claimed), ["c"]);
      bench.now += leaseMs;
      const { ended } = await bench.store.tend(bench.now, 100);
      assert.deepEqual(namesOf(ended).toSorted(), ["b", "c"], "the one each worker had");
    },
  ],
  [
    "a claimed job is running with this worker, with its attempt and fence counted",
    async (bench) => {
      await bench.add({ id: "a", policy: "{}", trace: "t", parent: "p", root: "r", priority: 3 });
      bench.now += 5;
      const job = await bench.claimOne();
      assert.deepEqual(job, {
        id: "a",
        task: "task",
        queue: "queue",
        args: '["a"]',
        policy: "{}",
        attempt: 1,
        crashes: 0,
        fence: 1,
        root: "r",
        parent: "p",
        trace: "t",
        dependencies: 0,
        submittedAt: start,
      });
      const { state, worker, startedAt, readyAt, attempt, fence } = await bench.job("a");
      assert.deepEqual(
        { state, worker, startedAt, readyAt, attempt, fence },
        {
          state: "running",
          worker: "w",
          startedAt: start + 5,
          readyAt: start,
          attempt: 1,
          fence: 1,
        },
      );
      assert.deepEqual(await bench.claim(), []);
    },
  ],
  [
    "nothing is given to a worker that has not joined, or whose lease has run out",
    async (bench) => {
      await bench.add({ id: "a" });
      assert.deepEqual(await claim(bench.store, "nobody", wants(1), start), []);
      await bench.join("w");
      assert.deepEqual(await claim(bench.store, "w", wants(1), start + leaseMs), []);
      assert.deepEqual(namesOf(await claim(bench.store, "w", wants(1), start + leaseMs - 1)), ["a"]);
    },
  ],
  [
    "a job that is too late to start is not given out; one that has started before is",
    async (bench) => {
      await bench.add({ id: "a", expiresAt: start + 10 }, { id: "b", expiresAt: start + 11 }, { id: "c", priority: -1 });
      bench.now = start + 5;
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      await bench.settle({ id: "a", fence: a.fence, kind: "retry", error: "1", dueAt: start + 6 });
      bench.now = start + 11;
      await bench.store.tend(bench.now - 1, 100);
      assert.deepEqual(namesOf(await bench.claim("w", 2)), ["a", "c"]);
      assert.deepEqual(await bench.states("b"), ["ready"]);
    },
  ],
  [
    "late jobs at the head do not hide others behind them",
    async (bench) => {
      const late = Array.from({ length: 40 }, (_, i) => ({ id: `late${i}`, expiresAt: start + 1 }));
      await bench.add(
        ...late,
        { id: "a", task: "other" },
        ...late.map(({ id }) => ({ id: `more-${id}`, task: "other", expiresAt: start + 1 })),
      );
      await bench.add({ id: "b" });
      await bench.join("w");
      const claimed = await claim(bench.store, "w", [{ queues: ["queue"], tasks: ["task", "other"], limit: 3 }], start + 1);
      assert.deepEqual(namesOf(claimed), ["a", "b"]);
    },
  ],
  [
    "done keeps the result, and the time and worker of the end",
    async (bench) => {
      await bench.add({ id: "a" });
      const job = await bench.claimOne();
      bench.now += 3;
      assert.deepEqual(await bench.settle(done(job, "42")), { refused: [], ended: [], claimed: [] });
      const { state, result, error, endedAt, worker, startedAt } = await bench.job("a");
      assert.deepEqual(
        { state, result, error, endedAt, worker, startedAt },
        {
          state: "done",
          result: "42",
          error: null,
          endedAt: start + 3,
          worker: "w",
          startedAt: start,
        },
      );
    },
  ],
  [
    "failed and cancelled end the job",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      assert.deepEqual(await bench.settle(failed(a, "1"), { id: "b", fence: b.fence, kind: "cancelled" }), {
        refused: [],
        ended: [],
        claimed: [],
      });
      assert.deepEqual(await bench.states("a", "b"), ["failed", "cancelled"]);
      assert.equal((await bench.ending("a")).error, "1");
      assert.equal((await bench.ending("b")).cancelReason, null);
    },
  ],
  [
    "a retry waits until it is due, and keeps its error when it succeeds later",
    async (bench) => {
      await bench.add({ id: "a" });
      const job = await bench.claimOne();
      await bench.settle({ id: "a", fence: job.fence, kind: "retry", error: "1", dueAt: start + 10 });
      const waiting = await bench.job("a");
      assert.deepEqual([waiting.state, waiting.dueAt, waiting.worker, waiting.error], ["scheduled", start + 10, null, "1"]);
      assert.deepEqual(await bench.claim(), []);
      bench.now = start + 10;
      assert.equal((await bench.store.tend(bench.now, 10)).promoted, 1);
      const again = await bench.claimOne();
      assert.deepEqual([again.attempt, again.fence, again.crashes], [2, 2, 0]);
      await bench.settle(done(again));
      const { state, error, readyAt } = await bench.job("a");
      assert.deepEqual([state, error, readyAt], ["done", "1", start + 10]);
    },
  ],
  [
    "a retry that is due is ready at once, for the claim of the same step too",
    async (bench) => {
      await bench.add({ id: "a" });
      const job = await bench.claimOne();
      const settled = await bench.store.settle(
        "w",
        [{ id: "a", fence: job.fence, kind: "retry", error: "1", dueAt: start }],
        wants(5),
        start,
      );
      assert.deepEqual(
        settled.claimed.map(({ id, attempt, fence }) => [id, attempt, fence]),
        [["a", 2, 2]],
      );
    },
  ],
  [
    "a released attempt is not counted, and the job goes back to its place",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      await bench.settle({ id: "a", fence: a.fence, kind: "released" });
      const { attempt, crashes, fence, worker, state } = await bench.job("a");
      assert.deepEqual([attempt, crashes, fence, worker, state], [0, 0, 1, null, "ready"]);
      assert.deepEqual(
        (await bench.claim()).map(({ id, attempt: n, fence: f }) => [id, n, f]),
        [
          ["a", 1, 2],
          ["b", 1, 1],
        ],
      );
    },
  ],
  [
    "a crashed job is given out again until it has crashed too often",
    async (bench) => {
      await bench.add({ id: "a", crashLimit: 2 }, { id: "top", dependsOn: ["a"] });
      for (const crashes of [1, 2]) {
        const job = await bench.claimOne();
        assert.deepEqual((await bench.settle({ id: "a", fence: job.fence, kind: "crashed", error: `${crashes}` })).ended, []);
        const { state, crashes: counted, error, attempt } = await bench.job("a");
        assert.deepEqual([state, counted, error, attempt], ["ready", crashes, `${crashes}`, crashes]);
      }
      const job = await bench.claimOne();
      assert.equal(job.crashes, 2);
      const { ended } = await bench.settle({ id: "a", fence: job.fence, kind: "crashed", error: "3" });
      assert.deepEqual(
        ended.map(({ id, state, error, cause, crashes, worker }) => [id, state, error, cause, crashes, worker]),
        [
          ["a", "failed", "3", null, 3, "w"],
          ["top", "failed", null, "a", 0, null],
        ],
      );
    },
  ],
  [
    "an outcome counts only from the worker that runs the job, with its fence, and once",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      const outcomes = [done({ id: "a", fence: 0 }), done({ id: "nobody", fence: 1 }), done(a, "1"), done(a, "2"), failed(a)];
      assert.deepEqual((await bench.settle(...outcomes)).refused, [0, 1, 3, 4]);
      assert.equal((await bench.ending("a")).result, "1");
      assert.deepEqual((await bench.store.settle("x", [done(b), failed(b)], [], start)).refused, [0, 1]);
      await bench.settle({ id: "b", fence: b.fence, kind: "released" });
      assert.deepEqual((await bench.settle(done(b))).refused, [0]);
      const again = await bench.claimOne("x");
      assert.deepEqual((await bench.settle(done(b), failed(again))).refused, [0, 1]);
      assert.deepEqual((await bench.store.settle("x", [done(again, "late")], [], start)).refused, []);
      assert.equal((await bench.ending("b")).result, "late");
    },
  ],
  [
    "an outcome counts after the lease has run out, as long as nobody took the job back",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      bench.now += leaseMs * 2;
      assert.deepEqual((await bench.settle(done(a))).refused, []);
      assert.deepEqual((await bench.store.tend(bench.now, 10)).lost, ["w"]);
      assert.deepEqual((await bench.settle(done(b))).refused, [0]);
      assert.deepEqual(await bench.states("a", "b"), ["done", "ready"]);
    },
  ],
  [
    "settle claims in the same step what it has just made ready",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "top", dependsOn: ["a"], priority: 1 }, { id: "b" });
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      const { claimed } = await bench.store.settle("w", [done(a)], wants(1), start);
      assert.deepEqual(namesOf(claimed), ["top"]);
    },
  ],
  [
    "a claim only finds jobs once, whatever asks at the same time",
    async (bench) => {
      await bench.add(...Array.from({ length: 50 }, (_, i) => ({ id: `j${i}` })));
      await Promise.all(["w", "x", "y"].map((id) => bench.join(id)));
      const claims = ["w", "x", "y", "w"].map((id) => claim(bench.store, id, wants(20), start));
      const all = (await Promise.all(claims)).flat();
      assert.equal(new Set(namesOf(all)).size, 50);
      assert.equal(all.length, 50);
    },
  ],
  [
    "progress is kept from the attempt that runs, and from no other",
    async (bench) => {
      await bench.add({ id: "a" });
      const { fence } = await bench.claimOne();
      await bench.store.note("w", [
        ["a", fence, "[0.5]"],
        ["nobody", 1, "[1]"],
      ]);
      assert.equal((await bench.job("a")).progress, "[0.5]");
      await bench.store.note("w", [["a", fence - 1, "[0.6]"]]);
      await bench.store.note("x", [["a", fence, "[0.7]"]]);
      assert.equal((await bench.job("a")).progress, "[0.5]");
      await bench.settle(done({ id: "a", fence }));
      await bench.store.note("w", [["a", fence, "[0.9]"]]);
      assert.equal((await bench.job("a")).progress, "[0.5]");
    },
  ],
];
