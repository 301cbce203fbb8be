// Cases of what people do to jobs: cancel, retry, remove.
import assert from "node:assert/strict";
import type { Gate } from "../../store/job.ts";
import type { Case } from "./bench.ts";
import { claim, done, failed, leaseMs, namesOf, start } from "./bench.ts";

/** The cases of cancel, retry and remove. */
export const changing: readonly Case[] = [
  [
    "cancel ends what has not started, with the reason",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b", dueAt: start + 9 }, { id: "c", dependsOn: ["b"] });
      const cancelled = await bench.store.cancel({}, "why", start + 2);
      assert.deepEqual(cancelled, { cancelled: ["a", "b", "c"], requested: [], failed: [] });
      const { state, cancelReason, cancelAt, endedAt, cause, worker } = await bench.job("c");
      assert.deepEqual(
        [state, cancelReason, cancelAt, endedAt, cause, worker],
        ["cancelled", "why", null, start + 2, null, null],
      );
      assert.deepEqual(await bench.claim(), []);
      assert.deepEqual(await bench.store.cancel({}, "again", start), { cancelled: [], requested: [], failed: [] });
    },
  ],
  [
    "cancel of a running job is a wish its worker learns of, and the first wish counts",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      await bench.claim();
      assert.deepEqual(await bench.store.cancel({ ids: ["b"] }, "why", start + 2), {
        cancelled: [],
        requested: ["b"],
        failed: [],
      });
      assert.deepEqual(await bench.store.cancel({ ids: ["b"] }, "other", start + 3), {
        cancelled: [],
        requested: ["b"],
        failed: [],
      });
      const { state, cancelAt, cancelReason } = await bench.job("b");
      assert.deepEqual([state, cancelAt, cancelReason], ["running", start + 2, "why"]);
      assert.deepEqual(await bench.store.renew("w", start + leaseMs), { alive: true, cancels: ["b"], drain: false });
      await bench.settle({ id: "b", fence: 1, kind: "cancelled" });
      assert.deepEqual([(await bench.ending("b")).state, (await bench.ending("b")).cancelReason], ["cancelled", "why"]);
      assert.deepEqual((await bench.store.renew("w", start + leaseMs)).cancels, []);
    },
  ],
  [
    "a job with a wish ends as cancelled instead of being given out again, but done is done",
    async (bench) => {
      const ids = ["done", "failed", "retry", "crashed", "released"];
      await bench.add(...ids.map((id) => ({ id })), { id: "top", dependsOn: ["retry"] });
      await bench.claim();
      await bench.store.cancel({ ids }, "why", start);
      const { refused, ended } = await bench.settle(
        done({ id: "done", fence: 1 }),
        failed({ id: "failed", fence: 1 }),
        { id: "retry", fence: 1, kind: "retry", error: "1", dueAt: start + 1 },
        { id: "crashed", fence: 1, kind: "crashed", error: "2" },
        { id: "released", fence: 1, kind: "released" },
      );
      assert.deepEqual(refused, []);
      assert.deepEqual(
        ended.map(({ id, state, error, cancelReason, crashes, cause }) => [id, state, error, cancelReason, crashes, cause]),
        [
          ["retry", "cancelled", "1", "why", 0, null],
          ["crashed", "cancelled", "2", "why", 1, null],
          ["released", "cancelled", null, "why", 0, null],
          ["top", "failed", null, null, 0, "retry"],
        ],
      );
      assert.deepEqual(await bench.states("done", "failed"), ["done", "failed"]);
    },
  ],
  [
    "a wish outlives the worker: its loss ends the job as cancelled",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      await bench.claim();
      await bench.store.cancel({ ids: ["a"] }, "why", start);
      const { ended, recovered } = await bench.store.tend(start + leaseMs, 10);
      assert.equal(recovered, 2);
      assert.deepEqual(
        ended.map(({ id, state, cancelReason, crashes }) => [id, state, cancelReason, crashes]),
        [["a", "cancelled", "why", 1]],
      );
      await bench.claim("x");
      await bench.store.cancel({ ids: ["b"] }, "bye", start);
      await bench.store.leave("x", start);
      assert.deepEqual(await bench.states("b"), ["cancelled"]);
    },
  ],
  [
    "cancel fails what lies above",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "side" }, { id: "mid", dependsOn: ["a", "side"] }, { id: "top", dependsOn: ["mid"] });
      assert.deepEqual(await bench.store.cancel({ ids: ["a"] }, "why", start), {
        cancelled: ["a"],
        requested: [],
        failed: ["mid", "top"],
      });
      const { state, cause, cancelReason } = await bench.job("top");
      assert.deepEqual([state, cause, cancelReason], ["failed", "a", null]);
      assert.deepEqual(await bench.states("side"), ["ready"]);
    },
  ],
  [
    "cancel reaches what lies below and nothing else needs",
    async (bench) => {
      const root = "top";
      await bench.add(
        { id: "deep", root },
        { id: "shared", root },
        { id: "run", root, priority: 1 },
        { id: "late", root, dueAt: start + 5 },
      );
      await bench.add(
        { id: "mid", root, dependsOn: ["deep", "shared"] },
        { id: "top", dependsOn: ["mid", "run", "late", "mid"] },
      );
      await bench.add({ id: "other", dependsOn: ["shared"] });
      await bench.claim("w", 1);
      assert.deepEqual(await bench.store.cancel({ ids: ["top"] }, "why", start), {
        cancelled: ["top", "mid", "late", "deep"],
        requested: ["run"],
        failed: [],
      });
      assert.deepEqual(await bench.states("shared", "other", "run"), ["ready", "blocked", "running"]);
      assert.deepEqual(await bench.store.cancel({ ids: ["other"] }, null, start), {
        cancelled: ["other", "shared"],
        requested: [],
        failed: [],
      });
    },
  ],
  [
    "a dependency of a cancelled job is cancelled also when the others that needed it have failed with it",
    async (bench) => {
      const root = "top";
      await bench.add({ id: "deep", root }, { id: "a", root, dependsOn: ["deep"] }, { id: "top", dependsOn: ["a", "deep"] });
      assert.deepEqual(await bench.store.cancel({ ids: ["a"] }, null, start), {
        cancelled: ["a", "deep"],
        requested: [],
        failed: ["top"],
      });
    },
  ],
  [
    "a dependency that was submitted by itself is left alone",
    async (bench) => {
      await bench.add({ id: "own" }, { id: "top", dependsOn: ["own"] });
      assert.deepEqual(await bench.store.cancel({ ids: ["top"] }, null, start), {
        cancelled: ["top"],
        requested: [],
        failed: [],
      });
      assert.deepEqual(await bench.states("own"), ["ready"]);
    },
  ],
  [
    "a cancelled job frees its unique key",
    async (bench) => {
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "a", unique });
      await bench.store.cancel({ ids: ["a"] }, null, start);
      assert.equal((await bench.add({ id: "b", unique }))[0]?.existing, null);
    },
  ],
  [
    "retry makes failed, cancelled and expired jobs live with a fresh budget, and no others",
    async (bench) => {
      await bench.add(
        { id: "a", crashLimit: 0, priority: 3 },
        { id: "b", priority: 2, dueAt: start - 5 },
        { id: "c", expiresAt: start + 10 },
      );
      await bench.add({ id: "d", priority: 1, keepMs: 1 }, { id: "e", dueAt: start + 99 });
      const [a, b, d] = await bench.claim("w", 3);
      assert.ok(a && b && d);
      await bench.store.note("w", [["a", 1, "[1]"]]);
      await bench.settle(
        { id: "a", fence: 1, kind: "crashed", error: "1" },
        { id: "b", fence: 1, kind: "retry", error: "2", dueAt: start + 50 },
        done(d),
      );
      await bench.store.tend(start + 10, 10);
      await bench.store.cancel({ ids: ["b", "e"] }, "why", start + 10);
      assert.deepEqual(await bench.states("a", "b", "c", "d", "e"), ["failed", "cancelled", "expired", undefined, "cancelled"]);
      bench.now = start + 20;
      assert.deepEqual(await bench.store.retry({}, bench.now), ["a", "b", "c", "e"]);
      assert.deepEqual(await bench.states("a", "b", "c", "e"), ["ready", "ready", "ready", "scheduled"]);
      const fresh = await bench.job("a");
      const { attempt, crashes, fence, error, endedAt, startedAt, progress, worker, readyAt } = fresh;
      assert.deepEqual(
        [attempt, crashes, fence, error, endedAt, startedAt, progress, worker, readyAt],
        [0, 0, 1, null, null, null, null, null, start + 20],
      );
      const { cancelAt, cancelReason, dueAt, expiresAt } = await bench.job("b");
      assert.deepEqual([cancelAt, cancelReason, dueAt, expiresAt], [null, null, null, null]);
      assert.equal((await bench.job("c")).expiresAt, start + 30);
      assert.equal((await bench.job("e")).dueAt, start + 99);
      assert.deepEqual(await bench.store.retry({}, bench.now), []);
      assert.deepEqual(await bench.runAll(), ["a", "b", "c"]);
    },
  ],
  [
    "the expiry of a job is as long after each retry as it was at submit, and after its call was replaced as long as that of the new one",
    async (bench) => {
      const due = { dueAt: start + 10_000 };
      await bench.add({ id: "a", expiresAt: start + 10 }, { id: "b", expiresAt: start + 10, ...due });
      for (const at of [100, 1000, 1500]) {
        await bench.store.tend(start + at - 1, 10);
        assert.deepEqual(await bench.states("a", "b"), ["expired", "expired"]);
        bench.now = start + at;
        assert.deepEqual(await bench.store.retry({}, bench.now), ["a", "b"]);
        assert.equal((await bench.job("a")).expiresAt, start + at + 10);
      }
      const submittedAt = start + 1505;
      const call = { args: "[2]", policy: null, gates: [], expiresAt: submittedAt + 25, submittedAt };
      assert.deepEqual(await bench.store.change({ ids: ["b"] }, { call, ...due }, submittedAt), ["b"]);
      await bench.store.tend(start + 1999, 10);
      await bench.store.retry({}, start + 2000);
      assert.deepEqual([(await bench.job("a")).expiresAt, (await bench.job("b")).expiresAt], [start + 2010, start + 2025]);
    },
  ],
  [
    "retry reaches down to dependencies that did not end as done, and not up",
    async (bench) => {
      await bench.add(
        { id: "ok" },
        { id: "bad", priority: -1 },
        { id: "mid", dependsOn: ["ok", "bad"] },
        { id: "top", dependsOn: ["mid"] },
        { id: "peer", dependsOn: ["bad"] },
      );
      const [ok, bad] = await bench.claim();
      assert.ok(ok && bad);
      await bench.settle(done(ok, "1"), failed(bad));
      assert.deepEqual(await bench.states("mid", "top", "peer"), ["failed", "failed", "failed"]);
      assert.deepEqual(await bench.store.retry({ ids: ["mid"] }, start), ["bad", "mid"]);
      const { state, pending, cause } = await bench.job("mid");
      assert.deepEqual([state, pending, cause], ["blocked", 1, null]);
      assert.deepEqual(await bench.states("top", "peer"), ["failed", "failed"]);
      assert.deepEqual(await bench.runAll(), ["bad", "mid"]);
      assert.deepEqual(await bench.store.inputs(["mid"]), [["1", '"bad done"']]);
      assert.deepEqual(await bench.store.retry({ ids: ["top"] }, start), ["top"]);
      assert.deepEqual(await bench.states("top"), ["ready"]);
    },
  ],
  [
    "retry leaves alone what could only fail again",
    async (bench) => {
      const unique = { key: "k", until: "ended" } as const;
      await bench.add(
        { id: "gone" },
        { id: "x", dependsOn: ["gone"] },
        { id: "u", unique },
        { id: "y", dependsOn: ["u"] },
        { id: "z", dependsOn: ["y"] },
      );
      const claimed = await bench.claim();
      await bench.settle(...claimed.map((job) => failed(job)));
      await bench.store.remove({ ids: ["gone"] });
      await bench.add({ id: "v", unique });
      assert.deepEqual(await bench.store.retry({ states: ["failed"] }, start), []);
      assert.deepEqual(await bench.states("x", "u", "y", "z"), ["failed", "failed", "failed", "failed"]);
      await bench.store.cancel({ ids: ["v"] }, null, start);
      assert.deepEqual(await bench.store.retry({}, start), ["u", "y", "z"]);
      assert.deepEqual(await bench.states("v"), ["cancelled"]);
    },
  ],
  [
    "remove deletes ended jobs, but not those a live job still needs",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "b" },
        { id: "top", dependsOn: ["a", "c", "b"].filter((id) => id !== "c") },
        { id: "d", priority: 1 },
      );
      const [d, a] = await bench.claim("w", 2);
      assert.ok(a && d);
      await bench.settle(done(a, "1"), done(d));
      assert.equal(await bench.store.remove({}), 1);
      assert.deepEqual(namesOf(await bench.store.list({}, { limit: 9 })), ["top", "b", "a"]);
      await bench.runAll();
      assert.equal(await bench.store.remove({ states: ["done", "ready"] }), 3);
      assert.equal(await bench.store.count({}), 0);
    },
  ],
  [
    "change moves waiting jobs to another queue, priority or time, and no others",
    async (bench) => {
      const { store } = bench;
      await bench.add({ id: "r" }, { id: "a" }, { id: "b" }, { id: "s", dueAt: start + 50 }, { id: "top", dependsOn: ["r"] });
      const [running] = await bench.claim("w", 1);
      assert.ok(running);
      const change = (ids: string[], changes: Parameters<typeof store.change>[1]): Promise<readonly string[]> =>
        store.change({ ids }, changes, bench.now);
      assert.deepEqual(await change(["r", "b", "nobody"], { priority: 5 }), ["b"]);
      assert.deepEqual(await change(["s"], { dueAt: null }), ["s"]);
      assert.deepEqual(await bench.states("s"), ["ready"]);
      assert.deepEqual(await change(["a"], { dueAt: start + 9, queue: "mail" }), ["a"]);
      assert.deepEqual(await change(["top"], { queue: "mail", priority: 2, dueAt: start + 20 }), ["top"]);
      assert.deepEqual(await bench.states("a", "top"), ["scheduled", "blocked"]);
      assert.deepEqual(namesOf(await bench.claim()), ["b", "s"]);
      assert.equal((await bench.job("b")).priority, 5);
      await bench.settle(done(running));
      assert.deepEqual(await bench.states("top"), ["scheduled"]);
      bench.now = start + 20;
      await store.tend(bench.now, 10);
      const mail = [{ queues: ["mail"], tasks: ["task"], limit: 5 }];
      assert.deepEqual(namesOf(await claim(store, "w", mail, bench.now)), ["top", "a"]);
      assert.deepEqual(namesOf(await store.list({ queue: "mail" }, { limit: 5 })), ["top", "a"]);
      assert.deepEqual(await change(["top", "a", "b"], { priority: 1 }), []);
    },
  ],
  [
    "a job that was changed there and back is given out once",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      await bench.store.change({ ids: ["a"] }, { queue: "mail" }, start);
      await bench.store.change({}, { queue: "queue", priority: 1 }, start);
      await bench.store.change({ ids: ["a"] }, { priority: 0 }, start);
      assert.deepEqual(namesOf(await bench.claim()), ["b", "a"]);
    },
  ],
  [
    "another call takes the place of one that was never given out: the job keeps its id, its key and its place",
    async (bench) => {
      const { store } = bench;
      const gate = (name: string): Gate => ({ name, room: 1, everyMs: null, until: "stopped" });
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "a", unique, gates: [gate("x")], args: `["${"a".repeat(600)}"]`, expiresAt: start + 5 }, { id: "b" });
      await bench.add({ id: "c", gates: [gate("x")] });
      const call = {
        args: "[2]",
        policy: '{"retries":1}',
        gates: [gate("y"), gate("z")],
        expiresAt: start + 9,
        submittedAt: start + 1,
      };
      assert.deepEqual(await bench.states("a", "c"), ["ready", "blocked"]);
      assert.deepEqual(await store.change({ ids: ["a"] }, { call, dueAt: start + 3 }, start + 1), ["a"]);
      // What it had of its gates was given back.
      assert.deepEqual(await bench.states("a", "c"), ["scheduled", "ready"]);
      const { id: _, uniqueKey, fence, state: __, ...job } = await bench.job("a");
      assert.deepEqual({ uniqueKey, fence }, { uniqueKey: "k", fence: 0 });
      assert.partialDeepStrictEqual(job, { ...call, dueAt: start + 3 });
      assert.equal((await bench.add({ id: "d", unique }))[0]?.existing, "a");
      const third = { ...call, args: "[3]", submittedAt: start + 2 };
      assert.deepEqual(await store.change({ ids: ["a"] }, { call: third, dueAt: start + 5, priority: 2 }, start + 2), ["a"]);
      assert.partialDeepStrictEqual(await bench.job("a"), {
        ...third,
        state: "scheduled",
        dueAt: start + 5,
        priority: 2,
        queue: "queue",
      });
      bench.now = start + 7;
      await store.tend(bench.now, 10);
      assert.deepEqual(await bench.states("a"), ["ready"]);
      assert.equal((await store.gates(["x", "y", "z"])).length, 3);
      const long = `["${"b".repeat(600)}"]`;
      const plain = { ...call, args: long, gates: [], expiresAt: null };
      assert.deepEqual(await store.change({ ids: ["a"] }, { call: plain, priority: 1, queue: "queue" }, bench.now), ["a"]);
      assert.equal((await store.gates(["y", "z"])).length, 0);
      const claimed = await bench.claim();
      assert.deepEqual(claimed.map(({ id, args, policy, submittedAt }) => [id, args, policy, submittedAt])[0], [
        "a",
        long,
        '{"retries":1}',
        start + 1,
      ]);
      assert.deepEqual(namesOf(claimed), ["a", "b", "c"]);
    },
  ],
  [
    "a job that was given out, depends on others or has ended gets no other call",
    async (bench) => {
      const { store } = bench;
      const call = { args: "[2]", policy: null, gates: [], expiresAt: null, submittedAt: start };
      await bench.add({ id: "run" }, { id: "back" }, { id: "retry" }, { id: "done" }, { id: "top", dependsOn: ["run"] });
      await bench.claim("w", 4);
      await bench.settle(
        { id: "back", fence: 1, kind: "released" },
        { id: "retry", fence: 1, kind: "retry", error: "1", dueAt: start + 9 },
        done({ id: "done", fence: 1 }),
      );
      assert.deepEqual(await bench.states("run", "back", "retry", "done", "top"), [
        "running",
        "ready",
        "scheduled",
        "done",
        "blocked",
      ]);
      for (const id of ["run", "back", "retry", "done", "top", "nobody"]) {
        assert.deepEqual(await store.change({ ids: [id] }, { call }, start), [], id);
      }
      assert.equal((await bench.job("back")).args, `["back"]`);
    },
  ],
  [
    "the lines that have ready jobs are told, with what jobs require; a filter names the task alone",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "b", task: "task\ngpu" },
        { id: "c", task: "tasks", queue: "mail" },
        { id: "d", dueAt: start + 9 },
      );
      await bench.add({ id: "e", queue: "mail" }, { id: "f", queue: "mail" });
      await bench.store.pause("mail", true);
      const lines = async (limit: number): Promise<string[]> =>
        (await bench.store.lines(limit)).map(({ queue, task }) => `${queue} ${JSON.stringify(task)}`).toSorted();
      assert.deepEqual(await lines(10), ['mail "task"', 'mail "tasks"', 'queue "task"', 'queue "task\\ngpu"']);
      assert.equal((await lines(2)).length, 2);
      assert.deepEqual(namesOf(await bench.claim()), ["a"]);
      assert.deepEqual((await lines(10)).includes('queue "task"'), false);
      assert.deepEqual(namesOf(await bench.store.list({ task: "task" }, { limit: 10 })), ["f", "e", "d", "b", "a"]);
      assert.equal(await bench.store.count({ task: "task", queue: "queue", states: ["ready"] }), 1);
      const wanted = [{ queues: ["queue"], tasks: ["task\ngpu"], limit: 1 }];
      const [job] = await claim(bench.store, "w", wanted, start);
      assert.deepEqual([job?.id, job?.task], ["b", "task\ngpu"]);
      assert.deepEqual((await bench.store.cancel({ task: "task" }, null, start)).cancelled.toSorted(), ["d", "e", "f"]);
    },
  ],
];
