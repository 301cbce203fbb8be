// Group commit, as far as it can be seen from outside.
import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Runtime } from "../../src/core/runtime.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { sqliteStore } from "../../src/store/index.ts";
import { Commits } from "../../src/store/sqlite/commits.ts";
import { openFile } from "../../src/store/sqlite/open.ts";
import { steps } from "../../src/store/sqlite/schema.ts";
import { claim, leaseMs, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
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

/** Runs `action`; returns how often this program itself had the disk flush a file meanwhile. */
async function flushesIn(action: () => Promise<unknown>): Promise<number> {
  const { fdatasyncSync } = fs;
  let flushes = 0;
  fs.fdatasyncSync = (file) => {
    flushes += 1;
    fdatasyncSync(file);
  };
  syncBuiltinESMExports();
  try {
    await action();
    return flushes;
  } finally {
    fs.fdatasyncSync = fdatasyncSync;
    syncBuiltinESMExports();
  }
}

for (const durability of ["full", "normal"] as const) {
  test(`with durability ${durability} adds are ${durability === "full" ? "" : "not "}flushed once a group before they are acknowledged`, async () => {
    const store = await sqliteStore(newPath(), { durability });
    const flushes = await flushesIn(() =>
      Promise.all([store.add([newJob({ id: "a" })], start), store.add([newJob({ id: "b" })], start)]),
    );
    assert.equal(flushes, durability === "full" ? 1 : 0);
    assert.equal((await store.info()).settings["durability"], durability);
    await store.close();
  });
}

test("SQLite flushes what must be on the disk before anyone sees it, and nothing else", async () => {
  const db = await openFile(newPath(), { durability: "full", runtime: systemRuntime, steps });
  const nothing = (): void => undefined;
  let flushes = 0;
  const flushLog = (): void => void (flushes += 1);
  const told = {
    checkPresence: nothing,
    begun: nothing,
    record: nothing,
    afterCommit: nothing,
    afterRollback: nothing,
    flushLog,
  };
  const commits = new Commits({ db, runtime: systemRuntime, version: steps.length, durability: "full", ...told });
  const verb = (flush?: "acknowledged" | "never"): Promise<unknown> => {
    const run = (): unknown => db.get<{ synchronous: number }>("PRAGMA synchronous")?.synchronous;
    return commits.write(flush === undefined ? { weight: 1, run } : { weight: 1, run, flush });
  };
  const [full, normal] = [2, 1];
  assert.deepEqual([await verb(), flushes], [full, 0]);
  assert.deepEqual([await verb("never"), flushes], [normal, 0]);
  assert.deepEqual([await verb("acknowledged"), flushes], [normal, 1]);
  assert.deepEqual([...(await Promise.all([verb("acknowledged"), verb("never"), verb()])), flushes], [full, full, full, 1]);
  assert.deepEqual(
    [...(await Promise.all([verb("acknowledged"), verb("never"), verb("acknowledged")])), flushes],
    [normal, normal, normal, 2],
  );
  await commits.close();
  db.close();
});

test("an add whose flush fails is rejected", async () => {
  const store = await sqliteStore(newPath());
  const { fdatasyncSync } = fs;
  fs.fdatasyncSync = () => {
    throw new Error("EIO: i/o error, fdatasync");
  };
  syncBuiltinESMExports();
  try {
    await assert.rejects(store.add([newJob({ id: "a" })], start), /could not be flushed to the disk: EIO.*check the disk/);
  } finally {
    fs.fdatasyncSync = fdatasyncSync;
    syncBuiltinESMExports();
  }
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
