// Cases of jobs that depend on jobs: joins, failures that spread, and graphs that are deep or wide.
import assert from "node:assert/strict";
import { StoreError } from "../../core/errors.ts";
import type { Case } from "./bench.ts";
import { claim, done, failed, namesOf, start, wants } from "./bench.ts";

/** The cases of dependencies. */
export const graphs: readonly Case[] = [
  [
    "a job becomes ready when its last dependency is done, and gets their results in order",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" }, { id: "top", dependsOn: ["b", "a"] });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      await bench.settle(done(a, "1"));
      assert.deepEqual([(await bench.job("top")).state, (await bench.job("top")).pending], ["blocked", 1]);
      await assert.rejects(bench.store.inputs(["top"]), StoreError);
      bench.now += 7;
      await bench.settle(done(b, "2"));
      const { state, pending, readyAt } = await bench.job("top");
      assert.deepEqual([state, pending, readyAt], ["ready", 0, start + 7]);
      assert.equal((await bench.claimOne()).dependencies, 2);
      assert.deepEqual(await bench.store.inputs(["top", "a"]), [["2", "1"], []]);
      await assert.rejects(bench.store.inputs(["nobody"]), StoreError);
    },
  ],
  [
    "a job may depend on one stored before, done or not",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      await bench.settle(done(a, "1"));
      await bench.add({ id: "top", dependsOn: ["a", "b"] }, { id: "free", dependsOn: ["a"] });
      assert.deepEqual(await bench.states("top", "free"), ["blocked", "ready"]);
      assert.equal((await bench.job("top")).pending, 1);
      await bench.runAll();
      assert.deepEqual(await bench.store.inputs(["top", "free"]), [["1", '"b done"'], ["1"]]);
    },
  ],
  [
    "what a settle releases it may claim, in the order added; what it leaves is there for others",
    async (bench) => {
      await bench.add(
        ...["a", "b", "c"].flatMap((id) => [
          { id, root: `${id}2` },
          { id: `${id}1`, dependsOn: [id], root: `${id}2` },
          { id: `${id}2`, dependsOn: [`${id}1`] },
        ]),
        { id: "late" },
        { id: "urgent", dependsOn: ["b1"], priority: 1 },
        { id: "fan", dependsOn: ["b1"] },
        { id: "other", dependsOn: ["b1"], queue: "other" },
      );
      const [a, b] = await bench.claim("w", 2);
      assert.ok(a && b);
      bench.now += 5;
      const first = await bench.store.settle("w", [done(b), done(a)], wants(3), bench.now);
      assert.deepEqual(namesOf(first.claimed), ["a1", "b1", "c"]);
      assert.deepEqual([first.claimed[1]?.fence, first.claimed[1]?.attempt, first.claimed[1]?.dependencies], [1, 1, 1]);
      assert.equal((await bench.job("b1")).readyAt, start + 5);
      const [a1, b1] = first.claimed;
      assert.ok(a1 && b1);
      bench.now += 5;
      await bench.settle(done(a1), done(b1));
      assert.deepEqual(await bench.states("a2", "b2", "urgent", "fan", "other", "c1"), [
        ...Array.from({ length: 5 }, () => "ready"),
        "blocked",
      ]);
      assert.deepEqual([(await bench.job("fan")).readyAt, (await bench.job("fan")).pending], [start + 10, 0]);
      assert.deepEqual(
        (await bench.store.queues()).map(({ queue, counts, oldestReadyAt }) => [
          queue,
          counts.ready,
          counts.blocked,
          oldestReadyAt,
        ]),
        [
          ["other", 1, 0, start + 10],
          ["queue", 5, 2, start + 10],
        ],
      );
      assert.deepEqual(namesOf(await bench.store.list({ root: "b2" }, { limit: 9 })), ["b2", "b1", "b"]);
      assert.deepEqual(namesOf(await bench.claim("v", 9)), ["urgent", "a2", "b2", "late", "fan"]);
      assert.deepEqual(await bench.store.inputs(["fan", "a2"]), [['"b1 done"'], ['"a1 done"']]);
    },
  ],
  [
    "jobs of several tasks that are released and claimed together are counted as what they are",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "c" },
        { id: "a1", dependsOn: ["a"] },
        { id: "p", task: "other" },
        { id: "c1", dependsOn: ["c"], task: "other", keepMs: 7 },
      );
      const [a, c] = await bench.claim("w", 2);
      assert.ok(a && c);
      const wanted = [{ queues: ["queue"], tasks: ["task", "other"], limit: 9 }];
      const { claimed } = await bench.store.settle("w", [done(c), done(a)], wanted, start);
      assert.deepEqual(
        claimed.map(({ id, task }) => [id, task]),
        [
          ["a1", "task"],
          ["p", "other"],
          ["c1", "other"],
        ],
      );
      await bench.settle(...claimed.map((job) => done(job)));
      assert.equal(await bench.store.count({ task: "other", states: ["done"] }), 2);
      assert.equal(await bench.store.count({ task: "task", states: ["done"] }), 3);
      await bench.store.tend(start + 7, 9);
      assert.deepEqual(await bench.states("c1", "p", "a1"), [undefined, "done", "done"]);
    },
  ],
  [
    "a job that was changed, cancelled or brought back while it waits for another is released as it stands then",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "changed", dependsOn: ["a"] },
        { id: "cancelled", dependsOn: ["a"] },
        { id: "back", dependsOn: ["a"] },
        { id: "left", dependsOn: ["a"] },
      );
      const a = await bench.claimOne();
      await bench.store.change({ ids: ["changed"] }, { priority: 5 }, start);
      await bench.store.cancel({ ids: ["cancelled", "back"] }, null, start);
      await bench.store.retry({ ids: ["back"] }, start);
      const { claimed } = await bench.store.settle("w", [done(a)], wants(9), start);
      assert.deepEqual(namesOf(claimed), ["changed", "back", "left"]);
      assert.deepEqual(await bench.states("cancelled"), ["cancelled"]);
      await bench.settle({ id: "left", fence: 1, kind: "released" });
      assert.deepEqual(
        (await bench.claim("v", 9)).map(({ id, fence, attempt }) => [id, fence, attempt]),
        [["left", 2, 1]],
      );
    },
  ],
  [
    "a delay counts after the dependencies are done, too",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "top", dependsOn: ["a"], dueAt: start + 50 });
      await bench.settle(done(await bench.claimOne()));
      assert.deepEqual(await bench.states("top"), ["scheduled"]);
      assert.equal((await bench.store.tend(start + 50, 10)).promoted, 1);
      assert.deepEqual(await bench.states("top"), ["ready"]);
    },
  ],
  [
    "what needs a failed job fails, all the way up, and names the one that failed by itself",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "b" },
        { id: "mid", dependsOn: ["b", "a"] },
        { id: "top", dependsOn: ["mid"] },
        { id: "free", dependsOn: ["b"] },
      );
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      bench.now += 4;
      const { ended } = await bench.settle(failed(a, "1"));
      const base = {
        task: "task",
        state: "failed",
        result: null,
        error: null,
        cause: "a",
        cancelReason: null,
        crashes: 0,
        worker: null,
      };
      assert.deepEqual(ended, [
        { ...base, id: "mid" },
        { ...base, id: "top" },
      ]);
      assert.deepEqual(await bench.states("b", "mid", "top", "free"), ["ready", "failed", "failed", "blocked"]);
      assert.equal((await bench.job("top")).endedAt, start + 4);
      assert.deepEqual(await bench.runAll(), ["b", "free"]);
    },
  ],
  [
    "of several dependencies that fail at once the first counts",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "b" },
        { id: "top", dependsOn: ["a", "b"] },
        { id: "c" },
        { id: "x", dependsOn: ["top", "c"] },
      );
      const jobs = new Map((await bench.claim()).map((job) => [job.id, job]));
      const [a, b, c] = ["a", "b", "c"].map((id) => jobs.get(id));
      assert.ok(a && b && c);
      const { ended } = await bench.settle(failed(b), done(c), failed(a));
      assert.deepEqual(
        ended.map(({ id, cause }) => [id, cause]),
        [
          ["top", "b"],
          ["x", "b"],
        ],
      );
    },
  ],
  [
    "a diamond is joined once",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "l", dependsOn: ["a"] },
        { id: "r", dependsOn: ["a"] },
        { id: "top", dependsOn: ["l", "r", "a"] },
      );
      assert.deepEqual(await bench.runAll(), ["a", "l", "r", "top"]);
      assert.equal((await bench.job("top")).attempt, 1);
    },
  ],
  [
    "dependencies done by several workers at once join exactly once",
    async (bench) => {
      const leaves = Array.from({ length: 40 }, (_, i) => `leaf${i}`);
      await bench.add(...leaves.map((id) => ({ id })), { id: "top", dependsOn: leaves });
      const workers = ["w", "x", "y", "z"];
      const held = await Promise.all(workers.map((id) => bench.claim(id, 10)));
      const settled = await Promise.all(
        held.flatMap((jobs, i) => jobs.map((job) => bench.store.settle(workers[i] ?? "", [done(job)], wants(1), start))),
      );
      assert.deepEqual(namesOf(settled.flatMap(({ claimed }) => claimed)), ["top"]);
    },
  ],
  [
    "a chain 2,000 deep runs, and fails, from one end to the other",
    async (bench) => {
      const chain = (prefix: string): { id: string; dependsOn: string[] }[] =>
        Array.from({ length: 2000 }, (_, i) => ({ id: `${prefix}${i}`, dependsOn: i === 0 ? [] : [`${prefix}${i - 1}`] }));
      await bench.add(...chain("a"));
      let claimed = await bench.claim("w", 1);
      let ran = 0;
      for (; claimed[0]; ran++) claimed = (await bench.store.settle("w", [done(claimed[0])], wants(1), start)).claimed;
      assert.equal(ran, 2000);
      await bench.add(...chain("b"));
      const { ended } = await bench.settle(failed(await bench.claimOne()));
      assert.equal(ended.length, 1999);
      assert.deepEqual([ended.at(-1)?.id, ended.at(-1)?.cause], ["b1999", "b0"]);
      await bench.add(...chain("c"));
      assert.equal((await bench.store.cancel({ ids: ["c0"] }, null, start)).failed.length, 1999);
      await bench.add(...chain("d").map((job) => ({ ...job, root: "d1999" })));
      assert.equal((await bench.store.cancel({ ids: ["d1999"] }, null, start)).cancelled.length, 2000);
      assert.equal((await bench.store.retry({ ids: ["b1999"] }, start)).length, 2000);
    },
  ],
  [
    "a join of 100,000 is counted right, and its inputs come in order",
    async (bench) => {
      const ids = Array.from({ length: 100_000 }, (_, i) => `leaf${i}`);
      await bench.add(...ids.map((id) => ({ id, args: "[]", root: "top" })), { id: "top", dependsOn: ids });
      await bench.join("w");
      let count = 0;
      let claimed = await claim(bench.store, "w", wants(2000), start);
      while (claimed[0] && claimed[0].id !== "top") {
        count += claimed.length;
        const outcomes = claimed.map(({ id, fence }) => done({ id, fence }, id.slice(4)));
        claimed = (await bench.store.settle("w", outcomes, wants(2000), start)).claimed;
      }
      assert.deepEqual(namesOf(claimed), ["top"]);
      assert.equal(count, 100_000);
      const [inputs] = await bench.store.inputs(["top"]);
      assert.equal(inputs?.length, 100_000);
      assert.ok(inputs?.every((input, i) => input === `${i}`));
    },
  ],
  [
    "one job that 100,000 others need releases them all, or fails them all",
    async (bench) => {
      const above = (below: string): { id: string; dependsOn: string[] }[] =>
        Array.from({ length: 100_000 }, (_, i) => ({ id: `${below}${i}`, dependsOn: [below] }));
      await bench.add({ id: "a" }, ...above("a"));
      await bench.settle(done(await bench.claimOne()));
      assert.equal(await bench.store.count({ states: ["ready"] }), 100_000);
      assert.equal((await bench.store.cancel({ states: ["ready"] }, null, start)).cancelled.length, 100_000);
      await bench.add({ id: "b" }, ...above("b"));
      assert.equal((await bench.settle(failed(await bench.claimOne()))).ended.length, 100_000);
    },
  ],
  [
    "a chain fails with its first job, as does what waits for others, too; with it all of them live again",
    async (bench) => {
      const { store } = bench;
      await bench.add(
        { id: "a" },
        { id: "x" },
        { id: "b", dependsOn: ["a"], priority: 3, keepMs: 5000 },
        { id: "both", dependsOn: ["a", "x"], task: "other" },
        { id: "c", dependsOn: ["b"], root: "top", queue: "mail" },
        { id: "top", dependsOn: ["c", "x"] },
        { id: "any", dependsOn: ["c"], tolerates: ["c"] },
      );
      await bench.add({ id: "later", dependsOn: ["c"] });
      const [a, x] = await bench.claim();
      assert.ok(a && x);
      const { ended } = await bench.settle(failed(a));
      const failing = ["b", "both", "c", "later", "top"];
      assert.deepEqual(namesOf(ended).sort(), failing);
      for (const { id, state, cause, error, task } of ended) {
        assert.deepEqual([state, cause, error, task], ["failed", "a", null, id === "both" ? "other" : "task"], id);
      }
      assert.deepEqual(await store.endings(namesOf(ended)), ended);
      const { readyAt, startedAt, endedAt, attempt, priority, keepMs } = await bench.job("b");
      assert.deepEqual([readyAt, startedAt, endedAt, attempt, priority, keepMs], [null, null, start, 0, 3, 5000]);
      assert.equal(await store.count({ states: ["failed"] }), 6);
      assert.deepEqual(await bench.states("any"), ["ready"]);
      assert.deepEqual(namesOf(await store.list({ states: ["failed"] }, { limit: 3 })), ["later", "top", "c"]);
      assert.deepEqual((await store.retry({ ids: ["top", "both"] }, start)).toSorted(), ["a", "b", "both", "c", "top"]);
      assert.deepEqual(await bench.states("a", "b", "c", "top", "later"), ["ready", "blocked", "blocked", "blocked", "failed"]);
      await bench.settle(done(x));
      assert.deepEqual(await bench.runAll(), ["a", "any", "b"]);
      assert.deepEqual(await bench.states("both"), ["ready"]);
      const [c] = await claim(store, "w", [{ queues: ["mail"], tasks: ["task"], limit: 9 }], start);
      assert.equal(c?.id, "c");
    },
  ],
  [
    "a job tells which jobs it waits for",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" }, { id: "c", dueAt: start + 9 }, { id: "top", dependsOn: ["c", "a", "c", "b"] });
      assert.deepEqual(await bench.store.awaited("top", 10), ["c", "a", "b"]);
      assert.deepEqual(await bench.store.awaited("top", 1), ["c"]);
      const [a] = await bench.claim("w", 1);
      assert.ok(a);
      await bench.settle(done(a));
      assert.deepEqual(await bench.store.awaited("top", 10), ["c", "b"]);
      assert.deepEqual([await bench.store.awaited("a", 10), await bench.store.awaited("nobody", 10)], [[], []]);
    },
  ],
];
