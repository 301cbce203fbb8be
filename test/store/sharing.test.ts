// Several processes and threads at one SQLite file: they wake each other, none is starved, leases are renewed from elsewhere,
// and a lock that is held for too long is an error and not a hang.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { StoreError, UsageError } from "../../src/core/errors.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { openLease, sqliteStore } from "../../src/store/index.ts";
import { openSqliteLease } from "../../src/store/sqlite/lease.ts";
import type { StoreEvent } from "../../src/store/store.ts";
import { steps } from "../../src/store/sqlite/schema.ts";
import { claim, done, leaseMs, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
import { newPath } from "./files.ts";

function child(t: TestContext, ...args: string[]): ChildProcess {
  const process_ = spawn(process.execPath, [join(import.meta.dirname, "child.ts"), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => process_.kill("SIGKILL"));
  return process_;
}

async function output(of: ChildProcess): Promise<string> {
  let text = "";
  of.stdout?.on("data", (chunk) => (text += String(chunk)));
  await once(of, "close");
  return text;
}

test("several processes may make one new store at once", { timeout: 60_000 }, async (t) => {
  for (let round = 0; round < 4; round++) {
    const path = newPath();
    const said = await Promise.all(["a", "b", "c", "d"].map((name) => output(child(t, path, "compete", name, "1"))));
    for (const text of said) assert.match(text, /rounds \d+/);
  }
});

test("no process is starved by others that write all the time", { timeout: 60_000 }, async (t) => {
  const path = newPath();
  await (await sqliteStore(path)).close();
  const said = await Promise.all(["a", "b", "c"].map((name) => output(child(t, path, "compete", name))));
  const rounds = said.map((text) => Number(/rounds (\d+)/.exec(text)?.[1] ?? 0));
  t.diagnostic(`rounds ${rounds.join(", ")}`);
  assert.ok(Math.min(...rounds) > Math.max(...rounds) / 10, `one was starved: ${rounds.join(", ")}`);
});

test("several processes may make the same new store at once", { timeout: 60_000 }, async (t) => {
  const path = newPath();
  const said = await Promise.all(["a", "b", "c", "d"].map((name) => output(child(t, path, "open", name))));
  for (const text of said) assert.match(text, new RegExp(`^opened ${steps.length}$`, "m"));
});

test("a listener hears at once of what another process did", { timeout: 60_000 }, async (t) => {
  const store = await sqliteStore(newPath());
  t.after(() => store.close());
  const other = child(t, store.leaseUrl?.slice("sqlite:".length) ?? "", "ring", "ringer");
  assert.ok(other.stdout && other.stdin);
  await once(other.stdout, "data");
  const rings = 20;
  const begin = performance.now();
  for (let i = 1; i <= rings; i++) {
    const heard = new Promise<void>((resolve) => {
      const stop = store.watch((event) => {
        if (event !== "ready") return;
        stop();
        resolve();
      });
    });
    other.stdin.write("ring\n");
    await heard;
    assert.equal(await store.count({}), i);
  }
  // The slow check alone would take about a second for each.
  assert.ok(performance.now() - begin < (rings * 1000) / 2, "it was heard by notice, not by the slow check");
  other.stdin.end();
  await once(other, "exit");
});

test("a listener hears of changes also when the notice is lost", { timeout: 60_000 }, async (t) => {
  const path = newPath();
  const store = await sqliteStore(path);
  t.after(() => store.close());
  const heard = new Promise<void>((resolve) => store.watch((event) => event === "ready" && resolve()));
  rmSync(`${path}-bell`);
  const other = await sqliteStore(path);
  await other.add([newJob({ id: "a" })], start);
  await heard;
  await other.close();
});

test("a listener is told whether a change may have come from elsewhere", { timeout: 60_000 }, async (t) => {
  const path = newPath();
  const [here, there] = await Promise.all([sqliteStore(path), sqliteStore(path)]);
  t.after(() => Promise.all([here.close(), there.close()]));
  const next = (): Promise<boolean> =>
    new Promise((resolve) => {
      const stop = here.watch((event, elsewhere) => {
        if (event !== "ready") return;
        stop();
        resolve(elsewhere);
      });
    });
  const own = next();
  await here.add([newJob({ id: "a" })], start);
  assert.equal(await own, false);
  const other = next();
  await there.add([newJob({ id: "b" })], start);
  assert.equal(await other, true);
});

test("a listener hears of a record written elsewhere, if listeners are to be told of it", { timeout: 60_000 }, async (t) => {
  const path = newPath();
  const [here, there] = await Promise.all([sqliteStore(path), sqliteStore(path)]);
  t.after(() => Promise.all([here.close(), there.close()]));
  const told: string[] = [];
  const hears = (awaited: StoreEvent): Promise<void> =>
    new Promise((resolve) => {
      const stop = here.watch((event, elsewhere) => {
        told.push(`${event} ${elsewhere}`);
        if (event !== awaited) return;
        stop();
        resolve();
      });
    });
  const record = { job: "", name: "quiet", text: "1", claim: null };
  const ready = hears("ready");
  await there.write([{ ...record, tell: false }], start);
  await there.add([newJob({ id: "a" })], start);
  await ready;
  assert.deepEqual(new Set(told), new Set(["ready true"]));
  const own = hears("own");
  await there.write([{ ...record, name: "loud", tell: true }], start);
  await own;
  assert.equal(told.at(-1), "own true");
  const written = hears("written");
  await there.write([{ ...record, job: "a", tell: true }], start);
  await written;
  assert.deepEqual(
    told.filter((each) => each.startsWith("own")),
    ["own true"],
    "it is of a job",
  );
  assert.deepEqual(await here.records("", "", 10), [
    { name: "loud", text: "1" },
    { name: "quiet", text: "1" },
  ]);
});

test("a listener keeps no process alive", { timeout: 60_000 }, async (t) => {
  assert.match(await output(child(t, newPath(), "listen", "listener")), /listening/);
});

test("endings are seen through another connection, also when very many commits lie between", async () => {
  const path = newPath();
  const [a, b] = await Promise.all([sqliteStore(path, { durability: "normal" }), sqliteStore(path, { durability: "normal" })]);
  await a.add([newJob({ id: "first" }), newJob({ id: "last", priority: -1 })], start);
  assert.deepEqual(await b.endings(["first", "last"]), []);
  await a.join(newWorker("w"), start + leaseMs);
  const one = async (): Promise<void> => {
    const [job] = await claim(a, "w", wants(1), start);
    assert.ok(job);
    await a.settle("w", [done(job)], [], start);
  };
  await one();
  assert.deepEqual(
    (await b.endings(["first", "last"])).map(({ id }) => id),
    ["first"],
  );
  for (let i = 0; i < 1200; i++) {
    await a.add([newJob({ id: `j${i}` })], start);
    await one();
  }
  await one();
  assert.deepEqual(
    (await b.endings(["first", "last"])).map(({ id }) => id),
    ["first", "last"],
  );
  await Promise.all([a.close(), b.close()]);
});

test("a lease is renewed through its URL, and says what the worker must know", async () => {
  const path = newPath();
  const store = await sqliteStore(path);
  const url = store.leaseUrl ?? "";
  await store.add([newJob({ id: "a" }), newJob({ id: "b" })], start);
  await store.join(newWorker("w"), start + leaseMs);
  await claim(store, "w", wants(2), start);
  const lease = openSqliteLease(url, "w", { now: () => start });
  assert.deepEqual(await lease.renew(2 * leaseMs), { alive: true, cancels: [], drain: false });
  assert.deepEqual((await store.tend(start + leaseMs, 10)).lost, []);
  await store.cancel({ ids: ["b"] }, null, start);
  assert.deepEqual(await lease.renew(2 * leaseMs), { alive: true, cancels: ["b"], drain: false });
  assert.deepEqual((await store.tend(start + 2 * leaseMs, 10)).lost, ["w"]);
  assert.deepEqual(await lease.renew(9 * leaseMs), { alive: false, cancels: [], drain: false });
  await lease.close();
  await store.close();
  await assert.rejects(
    openLease("mysql://name:secret@host", "w"),
    (error) => error instanceof UsageError && !/secret/.test(error.message),
  );
  await assert.rejects(openLease(`sqlite:${newPath()}`, "w"), StoreError);
});

test("a lease is renewed from a thread while this one is blocked", { timeout: 60_000 }, async (t) => {
  const store = await sqliteStore(newPath());
  await store.join(newWorker("w"), start);
  // [stop, renewals so far]
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const module = new URL("../../src/store/sqlite/lease.ts", import.meta.url).href;
  const code = `
    const { workerData: { url, shared } } = require("node:worker_threads");
    import(${JSON.stringify(module)}).then(({ openSqliteLease }) => {
      const lease = openSqliteLease(url, "w", { now: () => ${start} + Atomics.add(shared, 1, 1) + 1 });
      while (Atomics.load(shared, 0) === 0) {
        lease.renew(0);
        Atomics.wait(shared, 0, 0, 20);
      }
      lease.close();
    });`;
  const thread = new Worker(code, { eval: true, workerData: { url: store.leaseUrl, shared } });
  const ended = once(thread, "exit");
  t.after(async () => {
    Atomics.store(shared, 0, 1);
    Atomics.notify(shared, 0);
    await ended;
    await store.close();
  });
  await once(thread, "online");
  const deadline = performance.now() + 30_000;
  while (Atomics.load(shared, 1) < 5) assert.ok(performance.now() < deadline, "the thread renewed while this one was blocked");
  const [worker] = await store.workers();
  assert.ok((worker?.leaseUntil ?? 0) >= start + 4);
});

test("a write waits for a lock that another program holds, without blocking this one, and gives up in the end", async (t) => {
  const path = newPath();
  // A clock that runs 200 times as fast, so that the 30 s of patience are soon over.
  const hurried: Runtime = { ...systemRuntime, elapsed: () => systemRuntime.elapsed() * 200 };
  const [patient, impatient] = await Promise.all([sqliteStore(path), sqliteStore(path, { runtime: hurried })]);
  const holder = new DatabaseSync(path);
  t.after(() => holder.close());
  holder.exec("BEGIN IMMEDIATE");
  const added = patient.add([newJob({ id: "a" })], start);
  let turns = 0;
  const over = new AbortController();
  const counted = (async () => {
    for (; !over.signal.aborted; turns++) await turn();
  })();
  await assert.rejects(
    impatient.add([newJob({ id: "b" })], start),
    (error) => error instanceof StoreError && /another program has held its lock/.test(error.message),
  );
  over.abort();
  await counted;
  assert.ok(turns > 10, "the event loop turned while it waited");
  holder.exec("ROLLBACK");
  assert.equal(await patient.count({}), 1, "a read called after the write waits for it");
  assert.deepEqual(await added, [{ id: "a", existing: null }]);
  await impatient.add([newJob({ id: "b" })], start);
  await Promise.all([patient.close(), impatient.close()]);
});
