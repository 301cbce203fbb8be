// Cases of records: texts that belong to a job or to the store.
import assert from "node:assert/strict";
import { StoreError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { NewRecord, StoredRecord } from "../../store/job.ts";
import type { PastAttempt } from "../../store/machine.ts";
import { attemptRecord, attemptsKept } from "../../store/machine.ts";
import type { StoreEvent } from "../../store/store.ts";
import type { Bench, Case } from "./bench.ts";
import { done, failed, leaseMs, namesOf, newJob, start } from "./bench.ts";

const record = (job: string, name: string, text: string | null, more: Partial<NewRecord> = {}): NewRecord => {
  return { job, name, text, claim: null, tell: false, ...more };
};

const all = (bench: Bench, job: string, prefix: string = ""): Promise<readonly StoredRecord[]> =>
  bench.store.records(job, prefix, 1000);

async function attemptsOf(bench: Bench, job: string): Promise<readonly PastAttempt[]> {
  return (await all(bench, job, "attempt/")).map(({ text }) => JSON.parse(text) as PastAttempt);
}

/** The cases of `write`, `records` and `addIf`. */
export const records: readonly Case[] = [
  [
    "records are written, replaced, deleted and listed by name",
    async (bench) => {
      const { store } = bench;
      await bench.add({ id: "a" });
      const odd = '"\\{}\u0000\u0001\u001f\n \u65e5\u672c ';
      assert.deepEqual(
        await store.write(
          [
            record("a", "b/2", "two"),
            record("a", "b/1", odd),
            record("a", "a", "x".repeat(100_000)),
            record("", "b/1", "own"),
            record("a", "c", "gone"),
            record("a", "c", null),
            record("a", "nothing", null),
          ],
          start,
        ),
        Array.from({ length: 7 }, () => true),
      );
      assert.deepEqual(await all(bench, "a"), [
        { name: "a", text: "x".repeat(100_000) },
        { name: "b/1", text: odd },
        { name: "b/2", text: "two" },
      ]);
      assert.deepEqual(namesAt(await all(bench, "a", "b/")), ["b/1", "b/2"]);
      assert.deepEqual(namesAt(await store.records("a", "", 2)), ["a", "b/1"]);
      assert.deepEqual(namesAt(await store.records("a", "b", 5, "b/1")), ["b/2"]);
      assert.deepEqual(await all(bench, ""), [{ name: "b/1", text: "own" }]);
      await store.write([record("a", "b/1", "new")], start);
      assert.deepEqual(await all(bench, "a", "b/1"), [{ name: "b/1", text: "new" }]);
      assert.deepEqual(await all(bench, "nobody"), []);
    },
  ],
  [
    "what an attempt writes counts only while its claim does; what others write, while the job lives",
    async (bench) => {
      await bench.add({ id: "a" });
      const job = await bench.claimOne();
      const claim = { worker: "w", fence: job.fence };
      const write = (more: Partial<NewRecord>): Promise<readonly boolean[]> =>
        bench.store.write([record("a", "x", "1", more)], bench.now);
      assert.deepEqual(await write({ claim }), [true]);
      assert.deepEqual(await write({ claim: { worker: "v", fence: job.fence } }), [false]);
      assert.deepEqual(await write({ claim: { worker: "w", fence: job.fence + 1 } }), [false]);
      await bench.store.suspend("w", [["a", job.fence, "1"]]);
      assert.deepEqual(await write({ claim }), [true]);
      await bench.settle(done(job));
      assert.deepEqual(await write({ claim }), [false]);
      assert.deepEqual(await write({}), [false]);
      assert.deepEqual(await bench.store.write([record("nobody", "x", "1"), record("", "x", "1")], start), [false, true]);
      assert.equal((await all(bench, "a")).length, 1, "what was written stays with the ended job");
    },
  ],
  [
    "records go with their job",
    async (bench) => {
      await bench.add({ id: "a", keepMs: 10 }, { id: "b" }, { id: "c" });
      await bench.store.write(
        ["a", "b", "c"].map((id) => record(id, "x", id)),
        start,
      );
      await bench.runAll();
      await bench.store.remove({ ids: ["b"] });
      await bench.store.tend(start + 10, 10);
      assert.deepEqual([await all(bench, "a"), await all(bench, "b")], [[], []]);
      assert.equal((await all(bench, "c")).length, 1);
      await bench.add({ id: "a" });
      assert.deepEqual(await all(bench, "a"), []);
      await bench.store.retry({ ids: ["c"] }, start);
      assert.equal((await all(bench, "c")).length, 1);
    },
  ],
  [
    "records are dumped and loaded with their job",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" });
      await bench.store.write([record("a", "y", "2"), record("a", "x", "1")], start);
      const { jobs } = await bench.store.dump(null, 10);
      assert.deepEqual(jobs[0]?.records, [
        { name: "x", text: "1" },
        { name: "y", text: "2" },
      ]);
      await bench.runAll();
      await bench.store.remove({});
      await bench.store.load(jobs, start);
      assert.deepEqual((await bench.store.dump(null, 10)).jobs, jobs);
    },
  ],
  [
    "jobs are added together with a change of the store's own record, or not at all",
    async (bench) => {
      const { store } = bench;
      const set = (from: string | null, to: string | null, ...ids: string[]): Promise<unknown> =>
        store.addIf(
          { name: "tick", from, to },
          ids.map((id) => newJob({ id })),
          bench.now,
        );
      assert.deepEqual(await set(null, "1", "a"), [{ id: "a", existing: null }]);
      assert.equal(await set(null, "2", "b"), null);
      assert.equal(await set("0", "2", "b"), null);
      await assert.rejects(set("1", "2", "b", "a"), StoreError);
      assert.deepEqual(await all(bench, ""), [{ name: "tick", text: "1" }]);
      assert.deepEqual(await bench.states("a", "b"), ["ready", undefined]);
      assert.deepEqual(await set("1", "2", "b", "c"), [
        { id: "b", existing: null },
        { id: "c", existing: null },
      ]);
      const both = await Promise.all([set("2", "3", "d"), set("2", "3", "e")]);
      assert.deepEqual(
        both.map((each) => each !== null),
        [true, false],
      );
      assert.deepEqual(await set("3", null), []);
      assert.deepEqual(await all(bench, ""), []);
    },
  ],
  [
    "listeners are told of the records they are to be told of, and whether those are of a job or the store's own",
    async (bench) => {
      await bench.add({ id: "a" });
      const heard = new EventTarget();
      // What others do may be told of without a change.
      const here: StoreEvent[] = [];
      const stop = bench.store.watch((event, elsewhere) => {
        if (!elsewhere) here.push(event);
        heard.dispatchEvent(new Event(event));
      });
      const tells = async (event: StoreEvent, other: StoreEvent, act: () => Promise<unknown>): Promise<void> => {
        here.length = 0;
        const told = new Promise((resolve) => heard.addEventListener(event, resolve, { once: true }));
        await act();
        await told;
        // What was done here is told on a later turn.
        await new Promise<void>((resolve) => systemRuntime.defer(resolve));
        assert.ok(!here.includes(other), `${here.join()}: ${event} is not ${other}`);
      };
      const { store } = bench;
      try {
        await tells("written", "own", () => store.write([record("a", "x", "1", { tell: true })], start));
        await tells("own", "written", () => store.addIf({ name: "x", from: null, to: "1" }, [], start));
        await tells("own", "written", () => store.write([record("", "y", "1", { tell: true })], start));
        await tells("written", "own", () => store.write([record("a", "x", "2", { tell: true }), record("", "y", "2")], start));
      } finally {
        stop();
      }
    },
  ],
  [
    "attempts that end without ending the job leave a record: who, when, how",
    async (bench) => {
      await bench.add({ id: "a", crashLimit: 5 });
      const first = await bench.claimOne();
      bench.now = start + 3;
      const base = { id: "a", fence: first.fence };
      await bench.settle({ ...base, kind: "retry", error: '"e1"', dueAt: start });
      const second = await bench.claimOne();
      await bench.settle({ id: "a", fence: second.fence, kind: "crashed", error: '"e2"' });
      const third = await bench.claimOne("v");
      await bench.store.leave("v", bench.now);
      await bench.claimOne("x");
      bench.now += leaseMs;
      await bench.store.tend(bench.now, 10);
      assert.equal(third.fence, 3);
      assert.deepEqual(await attemptsOf(bench, "a"), [
        ["retry", "w", start, start + 3, '"e1"'],
        ["crashed", "w", start + 3, start + 3, '"e2"'],
        ["lost", "x", start + 3, bench.now, null],
      ]);
      assert.deepEqual(namesAt(await all(bench, "a")), [1, 2, 4].map(attemptRecord));
      const last = await bench.claimOne();
      await bench.settle(failed(last));
      assert.equal((await attemptsOf(bench, "a")).length, 3, "the last is the job's own");
    },
  ],
  [
    "a job keeps the records of its latest attempts",
    async (bench) => {
      await bench.add({ id: "a" });
      for (let n = 0; n < attemptsKept + 3; n += 1) {
        const { fence } = await bench.claimOne();
        await bench.settle({ id: "a", fence, kind: "retry", error: `${n}`, dueAt: start });
      }
      const kept = await all(bench, "a");
      assert.deepEqual([kept.length, kept[0]?.name], [attemptsKept, attemptRecord(4)]);
      assert.deepEqual(namesOf(await bench.claim()), ["a"]);
    },
  ],
];

function namesAt(listed: readonly StoredRecord[]): string[] {
  return listed.map(({ name }) => name);
}
