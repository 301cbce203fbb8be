// Group commit, as far as it can be seen from outside.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Runtime } from "../../src/core/runtime.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { sqliteStore } from "../../src/store/index.ts";
import { claim, done, leaseMs, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
import { newPath } from "./files.ts";

/** A runtime that counts the turns on which something was to be done. */
function counting(): { readonly runtime: Runtime; turns: number } {
  const counter = {
    turns: 0,
    runtime: {
      ...systemRuntime,
      defer: (run: () => void) => {
        counter.turns += 1;
        systemRuntime.defer(run);
      },
    },
  };
  return counter;
}

test("verbs called on one turn are one commit", async () => {
  const counter = counting();
  const store = await sqliteStore(newPath(), { runtime: counter.runtime });
  const adds = Array.from({ length: 500 }, (_, i) => store.add([newJob({ id: `a${i}` })], start));
  const joined = store.join(newWorker("w"), start + leaseMs);
  const claimed = claim(store, "w", wants(100), start);
  await Promise.all([...adds, joined]);
  assert.equal((await claimed).length, 100);
  assert.equal(counter.turns, 1);
  await store.close();
});

test("a group is capped, so that neither this program nor others wait long", async () => {
  const counter = counting();
  const store = await sqliteStore(newPath(), { runtime: counter.runtime });
  await Promise.all(Array.from({ length: 3500 }, (_, i) => store.add([newJob({ id: `a${i}` })], start)));
  assert.equal(counter.turns, 4);
  assert.equal(await store.count({}), 3500);
  await store.close();
});

test("progress and leases do not wait for the disk, everything else does", async () => {
  const store = await sqliteStore(newPath());
  const level = async (): Promise<unknown> => (await store.info()).settings["synchronous"];
  await store.add([newJob({ id: "a" })], start);
  assert.equal(await level(), 2);
  await store.join(newWorker("w"), start + leaseMs);
  const [job] = await claim(store, "w", wants(1), start);
  assert.ok(job);
  await Promise.all([store.note("w", [["a", job.fence, "[1]"]]), store.renew("w", start + leaseMs)]);
  assert.equal(await level(), 1);
  await Promise.all([store.note("w", [["a", job.fence, "[1]"]]), store.settle("w", [done(job)], [], start)]);
  assert.equal(await level(), 2);
  await store.close();
});

test("of many verbs called at once only those that are wrong are rejected, whatever the order", async () => {
  const store = await sqliteStore(newPath());
  const wrong = newJob({ id: "wrong", dependsOn: ["nobody"] });
  const calls = Array.from({ length: 60 }, (_, i) => store.add([i % 7 === 3 ? wrong : newJob({ id: `a${i}` })], start));
  const outcomes = await Promise.allSettled(calls);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    outcomes.map((_, i) => (i % 7 === 3 ? "rejected" : "fulfilled")),
  );
  const stored = outcomes.filter(({ status }) => status === "fulfilled").length;
  assert.equal(await store.count({}), stored);
  await store.close();
});

test("a wait for the lock that came to nothing is over", async () => {
  const path = newPath();
  let skew = 0;
  const runtime: Runtime = { ...systemRuntime, elapsed: () => systemRuntime.elapsed() + skew };
  const store = await sqliteStore(path, { runtime });
  await store.join(newWorker("w"), start + leaseMs);
  await store.add([newJob({ id: "a" })], start);
  const other = new DatabaseSync(path, { timeout: 0 });
  other.exec("BEGIN IMMEDIATE");
  const waiting = claim(store, "w", wants(1), start);
  for (let i = 0; i < 10; i++) await turn();
  other.exec("UPDATE job SET state = 'running', worker = 'x', fence = fence + 1");
  other.exec("COMMIT");
  assert.deepEqual(await waiting, [], "another worker took it");
  skew += 60_000;
  other.exec("BEGIN IMMEDIATE");
  const renewing = store.renew("w", start + leaseMs);
  for (let i = 0; i < 10; i++) await turn();
  other.exec("COMMIT");
  assert.equal((await renewing).alive, true, "not refused for a wait of a minute ago");
  other.close();
  await store.close();
});
