// The SQLite store passes the store suite. (With durability "normal" only a setting differs; the model test uses that.) And what only
// it could do wrong: where a job that has passed its gates stands among others, whose seqs may be used again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sqliteStore } from "../../src/store/index.ts";
import type { Gate } from "../../src/store/job.ts";
import { storeConformance } from "../../src/testing/store-suite.ts";
import { claim, done, leaseMs, namesOf, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
import { prunesPastAheadOf } from "./ahead.ts";
import { newPath } from "./files.ts";

storeConformance("sqlite", () => sqliteStore(newPath()));

test("events of a clock that was ahead hold up no others", () => {
  return prunesPastAheadOf((runtime) => sqliteStore(newPath(), { runtime }));
});

const gate = (room: number): Gate => ({ name: "g", room, everyMs: null, until: "stopped" });

test("a job added later stands behind one that has passed its gates, also when the job added last was deleted", async () => {
  const store = await sqliteStore(newPath());
  await store.join(newWorker("w"), start + leaseMs);
  await store.add([newJob({ id: "a", gates: [gate(1)] }), newJob({ id: "b", gates: [gate(1)] }), newJob({ id: "x" })], start);
  const outcomes = (await claim(store, "w", wants(2), start)).map((job) => done(job));
  assert.deepEqual(namesOf(outcomes), ["x", "a"], "who passes is as old as its passing");
  await store.settle("w", outcomes, [], start);
  assert.equal(await store.remove({ ids: ["x"] }), 1);
  await store.add([newJob({ id: "c" }), newJob({ id: "d", args: `["${"x".repeat(1000)}"]` })], start);
  assert.deepEqual(namesOf(await store.list({}, { limit: 9 })), ["d", "c", "b", "a"]);
  assert.deepEqual(namesOf(await claim(store, "w", wants(9), start)), ["b", "c", "d"]);
  await store.close();
});

test("jobs that passed together are given out as they were added, however many pages a claim reads", async () => {
  const store = await sqliteStore(newPath());
  await store.join(newWorker("w"), start + leaseMs);
  const jobs = Array.from({ length: 200 }, (_, i) => {
    return newJob({ id: `j${i}`, task: `t${i < 60 ? 0 : i % 3}`, priority: i % 50 === 0 ? 1 : 0, gates: [gate(1000)] });
  });
  await store.add(jobs, start);
  const claimed = await claim(store, "w", [{ queues: ["queue"], tasks: ["t0", "t1", "t2"], limit: 150 }], start);
  const urgentFirst = jobs.toSorted((a, b) => b.priority - a.priority);
  assert.deepEqual(namesOf(claimed), namesOf(urgentFirst).slice(0, 150));
  await store.close();
});
