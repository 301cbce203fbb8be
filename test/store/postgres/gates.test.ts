// Gates that many workers touch at once: nobody passes too many, nobody is forgotten, nobody waits for another in a circle.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClaimedJob, Gate } from "../../../src/store/job.ts";
import type { PostgresStore } from "../../../src/store/postgres/store.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { done, leaseMs, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { connect, newUrl, skip } from "./schemas.ts";

const keys = 7;
const gatesOf = (n: number): Gate[] => {
  const key: Gate = { name: `key ${n % keys}`, room: 2, everyMs: null, until: "stopped" };
  const all: Gate = { name: "all", room: 9, everyMs: null, until: "stopped" };
  const pace: Gate = { name: `a pace ${n % 3}`, room: 4, everyMs: null, until: "started" };
  // Not in the order of their names, in which they are locked, so that workers come to the same gates by different ways.
  return (
    [
      [key, all, pace],
      [key, pace],
      [key, all],
    ][n % 3] ?? []
  );
};

/** Runs what there is until everything is done, and sees that no key has too much at a time. */
async function work(store: PostgresStore, worker: string, running: Map<string, number>, left: { jobs: number }): Promise<void> {
  await store.join(newWorker(worker), start + leaseMs);
  let mine: readonly ClaimedJob[] = [];
  for (let idle = 0; left.jobs > 0 && idle < 2000; idle = mine.length === 0 ? idle + 1 : 0) {
    for (const { args } of mine) running.set(args, (running.get(args) ?? 0) - 1);
    left.jobs -= mine.length;
    const outcomes = mine.map((job) => done(job));
    ({ claimed: mine } = await store.settle(worker, outcomes, wants(3), start));
    for (const { args } of mine) {
      const now = (running.get(args) ?? 0) + 1;
      assert.ok(now <= 2, `${args} has room for 2, not for ${now}`);
      running.set(args, now);
    }
  }
}

describe("gates of a PostgreSQL store", { skip }, () => {
  test("are passed by many workers at once", async () => {
    const url = newUrl();
    const stores = await Promise.all(Array.from({ length: 5 }, () => postgresStore(url)));
    const [first] = stores;
    assert.ok(first);
    try {
      const left = { jobs: 0 };
      const running = new Map<string, number>();
      const submit = async (store: PostgresStore, from: number): Promise<void> => {
        for (let n = from; n < from + 120; n += 4) {
          left.jobs += 4;
          const jobs = [n, n + 1, n + 2, n + 3].map((at) =>
            newJob({ id: `j${at}`, args: `key ${at % keys}`, gates: gatesOf(at) }),
          );
          await store.add(jobs, start);
        }
      };
      left.jobs += 1;
      const adding = Promise.all(stores.slice(0, 3).map((store, at) => submit(store, at * 1000)));
      const working = Promise.all(stores.map((store, at) => work(store, `w${at}`, running, left)));
      await adding;
      left.jobs -= 1;
      await working;
      assert.equal(await first.count({ states: ["done"] }), 360);
      assert.deepEqual(await first.gates(["all", ...Array.from({ length: keys }, (_, n) => `key ${n}`)]), []);
    } finally {
      await Promise.all(stores.map((store) => store.close()));
    }
  });

  test("are not held up by a transaction that stays open after a submit", async () => {
    const url = newUrl();
    const store = await postgresStore(url);
    const client = await connect(url);
    const gates: Gate[] = [{ name: "g", room: 1, everyMs: null, until: "stopped" }];
    try {
      await store.join(newWorker("w"), start + leaseMs);
      await store.add([newJob({ id: "a", gates })], start);
      await client.query("BEGIN");
      await store.addIn(client, [newJob({ id: "in", gates })], start);
      await store.add([newJob({ id: "b", gates })], start);
      const order: string[] = [];
      let job = (await store.settle("w", [], wants(1), start)).claimed[0];
      for (; job; [job] = (await store.settle("w", [done(job)], wants(1), start)).claimed) order.push(job.id);
      assert.deepEqual(order, ["a", "b"]);
      await client.query("COMMIT");
      assert.equal((await store.tend(start, 10)).promoted, 0);
      assert.deepEqual((await store.settle("w", [], wants(1), start)).claimed[0]?.id, "in");
    } finally {
      await client.end();
      await store.close();
    }
  });
});
