// Cases of `add` and of the questions about jobs.
import assert from "node:assert/strict";
import { StoreError } from "../../core/errors.ts";
import type { Case } from "./bench.ts";
import { claim, done, failed, namesOf, newJob, start } from "./bench.ts";

/** The cases of add and the questions about jobs. */
export const adding: readonly Case[] = [
  [
    "a job is stored with every field as given",
    async ({ store }) => {
      const given = newJob({
        id: "a",
        task: "tâsk",
        queue: "mail",
        priority: -7,
        args: '[{"text":"naïve \\u0000 日本 🙂"}]',
        policy: '{"retries":2}',
        crashLimit: 9,
        dueAt: start + 0.5,
        expiresAt: start + 5000,
        keepMs: 1e15,
        root: "r",
        parent: "p",
        trace: "00-1-2-01",
        unique: { key: "k\u0000é", until: "started" },
        submittedAt: start - 3,
      });
      assert.deepEqual(await store.add([given], start), [{ id: "a", existing: null }]);
      const { unique, dependsOn, tolerates: _none, ...facts } = given;
      const expected = {
        ...facts,
        state: "scheduled",
        uniqueKey: unique?.key,
        dependencies: dependsOn.length,
        pending: 0,
        attempt: 0,
        crashes: 0,
        fence: 0,
        worker: null,
        readyAt: null,
        startedAt: null,
        endedAt: null,
        result: null,
        error: null,
        cause: null,
        cancelAt: null,
        cancelReason: null,
        progress: null,
        waits: null,
        gate: null,
      };
      assert.deepEqual(await store.get(["a", "nobody"]), [expected]);
    },
  ],
  [
    "long texts come back as they were",
    async (bench) => {
      for (const length of [500, 511, 512, 513, 4096, 300_000]) {
        const args = `["${"ä".repeat(length)}"]`;
        await bench.add({ id: `a${length}`, args });
        assert.equal((await bench.job(`a${length}`)).args, args);
        const [claimed] = await bench.claim();
        assert.equal(claimed?.args, args);
        await bench.settle(done({ id: `a${length}`, fence: 1 }, args));
        assert.equal((await bench.ending(`a${length}`)).result, args);
      }
    },
  ],
  [
    "a job arrives ready, scheduled or blocked",
    async (bench) => {
      await bench.add(
        { id: "now" },
        { id: "past", dueAt: start - 1 },
        { id: "just", dueAt: start },
        { id: "later", dueAt: start + 1 },
      );
      await bench.add({ id: "above", dependsOn: ["now", "later"], dueAt: start + 1 });
      assert.deepEqual(await bench.states("now", "past", "just", "later", "above"), [
        "ready",
        "ready",
        "ready",
        "scheduled",
        "blocked",
      ]);
      const { pending, dependencies, readyAt } = await bench.job("above");
      assert.deepEqual({ pending, dependencies, readyAt }, { pending: 2, dependencies: 2, readyAt: null });
      assert.equal((await bench.job("now")).readyAt, start);
    },
  ],
  [
    "an id that is stored or named twice rejects the whole batch",
    async (bench) => {
      await bench.add({ id: "a" });
      await assert.rejects(bench.add({ id: "b" }, { id: "a" }, { id: "c" }), StoreError);
      await assert.rejects(bench.add({ id: "b" }, { id: "b" }), StoreError);
      await bench.add({ id: "u", unique: { key: "k", until: "ended" } });
      await assert.rejects(bench.add({ id: "b" }, { id: "a", unique: { key: "k", until: "ended" } }), StoreError);
      assert.deepEqual(namesOf(await bench.store.list({}, { limit: 10 })), ["u", "a"]);
    },
  ],
  [
    "a dependency that is not stored, or comes later, rejects the whole batch",
    async (bench) => {
      await assert.rejects(bench.add({ id: "a" }, { id: "b", dependsOn: ["nobody"] }), /nobody/);
      await assert.rejects(bench.add({ id: "a", dependsOn: ["b"] }, { id: "b" }), StoreError);
      await assert.rejects(bench.add({ id: "a", dependsOn: ["a"] }), StoreError);
      assert.equal(await bench.store.count({}), 0);
    },
  ],
  [
    "one verb that is refused does not touch others called with it",
    async (bench) => {
      const all = [
        bench.add({ id: "a" }),
        bench.add({ id: "a" }),
        bench.add({ id: "b" }),
        bench.add({ id: "b" }),
        bench.add({ id: "c" }),
      ];
      const outcomes = await Promise.allSettled(all);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"],
      );
      assert.deepEqual(namesOf(await bench.store.list({}, { limit: 10 })), ["c", "b", "a"]);
    },
  ],
  [
    "verbs take effect in the order they are called",
    async (bench) => {
      await bench.join("w");
      const added = bench.add({ id: "a" });
      const counted = bench.store.count({});
      const claimed = claim(bench.store, "w", [{ queues: ["queue"], tasks: ["task"], limit: 1 }], start);
      assert.deepEqual(await Promise.all([added, counted]), [[{ id: "a", existing: null }], 1]);
      assert.deepEqual(namesOf(await claimed), ["a"]);
    },
  ],
  [
    "adding nothing does nothing",
    async ({ store }) => {
      assert.deepEqual(await store.add([], start), []);
      assert.equal(await store.count({}), 0);
    },
  ],
  [
    "a unique key is taken until its job ends",
    async (bench) => {
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "a", unique });
      assert.deepEqual(await bench.add({ id: "b", unique }, { id: "c", unique }), [
        { id: "b", existing: "a" },
        { id: "c", existing: "a" },
      ]);
      const job = await bench.claimOne();
      assert.equal((await bench.add({ id: "d", unique }))[0]?.existing, "a");
      await bench.settle(failed(job));
      assert.deepEqual(await bench.add({ id: "e", unique }, { id: "f", unique }), [
        { id: "e", existing: null },
        { id: "f", existing: "e" },
      ]);
      assert.deepEqual(await bench.states("a", "b", "c", "d", "e", "f"), [
        "failed",
        undefined,
        undefined,
        undefined,
        "ready",
        undefined,
      ]);
      assert.equal((await bench.job("a")).uniqueKey, "k");
    },
  ],
  [
    "a unique key until the start is free once the job was started, and stays free",
    async (bench) => {
      const unique = { key: "k", until: "started" } as const;
      await bench.add({ id: "a", unique });
      const job = await bench.claimOne();
      assert.equal((await bench.add({ id: "b", unique }))[0]?.existing, null);
      await bench.settle({ id: "a", fence: job.fence, kind: "released" });
      assert.equal((await bench.add({ id: "c", unique }))[0]?.existing, "b");
      assert.deepEqual(
        (await bench.claim()).map(({ id }) => id),
        ["a", "b"],
      );
    },
  ],
  [
    "jobs that depend on one not added depend on the one that holds its key",
    async (bench) => {
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "a", unique });
      await bench.add({ id: "b", unique }, { id: "x" }, { id: "top", dependsOn: ["b", "x", "a"] });
      assert.equal((await bench.job("top")).pending, 3);
      await bench.runAll();
      assert.deepEqual(await bench.store.inputs(["top"]), [['"a done"', '"x done"', '"a done"']]);
      assert.equal((await bench.job("top")).state, "done");
    },
  ],
  [
    "what only jobs that are not added need is not added either",
    async (bench) => {
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "there", unique });
      const added = await bench.add(
        { id: "deep" },
        { id: "shared" },
        { id: "only", dependsOn: ["deep"] },
        { id: "double", unique, dependsOn: ["only", "shared"] },
        { id: "other", dependsOn: ["shared"] },
        { id: "alone" },
      );
      assert.deepEqual(
        added.map(({ existing }) => existing),
        ["there", null, "there", "there", null, null],
      );
      assert.deepEqual(namesOf(await bench.store.list({}, { limit: 10 })), ["alone", "other", "shared", "there"]);
    },
  ],
  [
    "a job whose dependency has failed already fails at once, and names the one that failed by itself",
    async (bench) => {
      await bench.add({ id: "a" });
      await bench.settle(failed(await bench.claimOne()));
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "b", dependsOn: ["a"], unique }, { id: "c", dependsOn: ["b"] }, { id: "d", unique });
      assert.deepEqual(await bench.states("b", "c", "d"), ["failed", "failed", "ready"]);
      const { cause, error, endedAt, attempt } = await bench.job("c");
      assert.deepEqual({ cause, error, endedAt, attempt }, { cause: "a", error: null, endedAt: start, attempt: 0 });
    },
  ],
  [
    "a listing is newest first, page by page, also from a job that is gone",
    async (bench) => {
      for (const id of ["a", "b", "c", "d", "e"]) await bench.add({ id });
      const page = async (before?: string): Promise<string[]> =>
        namesOf(await bench.store.list({}, { limit: 2, ...(before !== undefined && { before }) }));
      assert.deepEqual([await page(), await page("d"), await page("b"), await page("a")], [["e", "d"], ["c", "b"], ["a"], []]);
      await bench.store.cancel({ ids: ["c"] }, null, start);
      await bench.store.remove({ ids: ["c"] });
      assert.deepEqual(await page("c"), ["b", "a"]);
    },
  ],
  [
    "a filter selects what fits all its fields",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "b", queue: "mail" },
        { id: "c", task: "other", root: "b" },
        { id: "d", dueAt: start + 1 },
      );
      await bench.settle(failed((await bench.claim("w", 1))[0] ?? { id: "", fence: 0 }));
      const select = async (filter: Parameters<typeof bench.store.list>[0]): Promise<string> => {
        const found = namesOf(await bench.store.list(filter, { limit: 10 })).join("");
        assert.equal(await bench.store.count(filter), found.length);
        return found;
      };
      assert.equal(await select({}), "dcba");
      assert.equal(await select({ queue: "queue" }), "dca");
      assert.equal(await select({ task: "other" }), "c");
      assert.equal(await select({ root: "b" }), "cb");
      assert.equal(await select({ states: ["failed"] }), "a");
      assert.equal(await select({ states: ["failed", "ready", "scheduled"], queue: "queue" }), "dca");
      assert.equal(await select({ states: ["failed", "expired"] }), "a");
      assert.equal(await select({ states: [] }), "");
      assert.equal(await select({ states: ["waiting"] }), "");
      assert.equal(await select({ states: ["waiting", "ready"] }), "cb");
      assert.equal(await select({ ids: [] }), "");
      assert.equal(await select({ ids: ["a", "c", "nobody", "a"], queue: "queue" }), "ca");
    },
  ],
  [
    "endings names the ended ones among those asked, in the order asked, as often as asked",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" }, { id: "c" });
      const jobs = await bench.claim();
      assert.deepEqual(await bench.store.endings(["a", "b", "c", "nobody"]), []);
      const [a, b, c] = jobs;
      assert.ok(a && b && c);
      await bench.settle(done(b, "2"));
      assert.deepEqual(namesOf(await bench.store.endings(["c", "b", "a"])), ["b"]);
      await bench.settle(done(a), failed(c));
      assert.deepEqual(namesOf(await bench.store.endings(["c", "b", "a"])), ["c", "b", "a"]);
      assert.deepEqual(namesOf(await bench.store.endings(["c", "b", "a"])), ["c", "b", "a"]);
      const expected = {
        id: "b",
        task: "task",
        state: "done",
        result: "2",
        error: null,
        cause: null,
        cancelReason: null,
        crashes: 0,
        worker: "w",
      };
      assert.deepEqual(await bench.ending("b"), expected);
      await bench.store.retry({ ids: ["c"] }, start);
      assert.deepEqual(namesOf(await bench.store.endings(["c", "b"])), ["b"]);
      await bench.runAll();
      assert.deepEqual(namesOf(await bench.store.endings(["c", "b"])), ["c", "b"]);
    },
  ],
  [
    "queues counts the jobs of each queue by state",
    async (bench) => {
      assert.deepEqual(await bench.store.queues(), []);
      await bench.add({ id: "a" }, { id: "b", queue: "mail", dueAt: start + 1 }, { id: "c", dependsOn: ["a"] }, { id: "d" });
      await bench.settle(done((await bench.claim("w", 1))[0] ?? { id: "", fence: 0 }));
      await bench.claim("w", 1);
      const none = { blocked: 0, scheduled: 0, ready: 0, running: 0, waiting: 0, done: 0, failed: 0, cancelled: 0, expired: 0 };
      assert.deepEqual(await bench.store.queues(), [
        { queue: "mail", counts: { ...none, scheduled: 1 }, paused: false, oldestReadyAt: null },
        { queue: "queue", counts: { ...none, ready: 1, running: 1, done: 1 }, paused: false, oldestReadyAt: start },
      ]);
      await bench.store.pause("empty", true);
      await bench.store.pause("mail", true);
      await bench.store.pause("queue", false);
      assert.deepEqual(
        (await bench.store.queues()).map(({ queue, paused }) => [queue, paused]),
        [
          ["empty", true],
          ["mail", true],
          ["queue", false],
        ],
      );
    },
  ],
];
