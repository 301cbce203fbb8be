// `manyhands move`: everything goes from one kind of store to another and on there, or the command says why not.
import assert from "node:assert/strict";
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Comparison, verdictOn } from "../../src/cli/move/comparison.ts";
import type { MoveReport } from "../../src/cli/move/report.ts";
import { nextStep } from "../../src/cli/move/report.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { openStore } from "../../src/fleet/open.ts";
import { call, connect } from "../../src/index.ts";
import type { Job, StoredJob } from "../../src/store/job.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import type { Store } from "../../src/store/store.ts";
import { done, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
import * as jobs from "../fixtures/jobs.ts";
import { until } from "../fixtures/support.ts";
import { givenPostgres, givenRedis } from "../servers/given.ts";
import { newUrl, query, schemaOf } from "../store/postgres/schemas.ts";
import { namesOn } from "../store/redis/names.ts";
import { json, linesOf, Place } from "./command.ts";

const tasksFile = join(import.meta.dirname, "../fixtures/jobs.ts");
const [postgres, redis] = [givenPostgres(), givenRedis()];
const skip = "skip" in postgres ? postgres.skip : "skip" in redis ? redis.skip : false;
const newRedisUrl = "url" in redis ? namesOn(redis.url) : (): string => "";

async function use<T>(url: string, body: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(url, { runtime: systemRuntime });
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

function sqliteUrl(place: Place, name: string): string {
  return `sqlite:${join(place.path, name)}`;
}

/** Adds so many jobs that a move takes a while. */
async function addMany(url: string, count: number): Promise<void> {
  await use(url, async (store) => {
    for (let at = 0; at < count; at += 1000) {
      await store.add(
        Array.from({ length: 1000 }, (_, index) => newJob({ id: `j${at + index}` })),
        store.now(),
      );
    }
  });
}

function total(line: Record<string, unknown> | undefined): number {
  const counts = line?.["counts"] as Record<string, number>;
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

test("a flow moves through all kinds of store and is finished in the last", { skip, timeout: 120_000 }, async (t) => {
  const place = new Place(t);
  const urls = [sqliteUrl(place, "first.db"), newUrl(), newRedisUrl(), newUrl(), sqliteUrl(place, "last.db")];
  const last = urls.at(-1) ?? "";
  const hands = await connect(urls[0] ?? "");
  const worker = hands.work({ tasks: [jobs], queues: ["default"] });
  const echoed = hands.submit(call(jobs.echo, new Map([["a", 1n]])));
  const failing = hands.submit(call(jobs.boom, "no"));
  const above = hands.submit(call(jobs.add, 1, call(jobs.boom, "below")));
  await Promise.allSettled([echoed, failing, above]);
  await worker.stop();
  const graph = hands.submit(call(jobs.add, call(jobs.add, 1, 2), call(jobs.add, 3, call(jobs.add, 4, 32))));
  const later = hands.submit(jobs.echo.with({ delay: "1h" }), "later");
  await Promise.all([graph.submitted, later.submitted]);
  await hands.queue("mail").pause();
  const ids = [echoed, failing, above, graph, later].map(({ id }) => id);
  await hands.close();
  for (const [index, to] of urls.slice(1).entries()) {
    const from = urls[index] ?? "";
    const { code, out, err } = await place.run("move", "--from", from, "--to", to, "--json");
    assert.equal(code, 0, err);
    const [report] = json(out);
    assert.deepEqual([report?.["copied"], report?.["complete"], report?.["paused"]], [9, true, ["mail"]]);
    assert.deepEqual(report?.["counts"], { same: 9, further: 0, missing: 0, different: 0 });
    assert.ok(!out.includes("p@ss") && !out.includes("p%40ss"));
  }
  const [first, moved] = await Promise.all([urls[0] ?? "", last].map((url) => use(url, (store) => store.dump(null, 100))));
  assert.deepEqual(moved, first);
  const working = place.start("worker", tasksFile, "--queues", "default,mail", "--store", last);
  await use(last, (store) => until("the flow is done", async () => (await store.endings([graph.id])).length === 1));
  const shows = await Promise.all(ids.map((id) => place.run("show", id, "--json", "--store", last)));
  const shown = shows.flatMap(({ out }) => json(out));
  assert.deepEqual(
    shown.map(({ state }) => state),
    ["done", "failed", "failed", "done", "scheduled"],
  );
  assert.deepEqual([shown[0]?.["result"], shown[3]?.["result"]], [{ a: "1" }, 42]);
  assert.match((await place.run("queues", "--store", last)).out, /^mail \(paused\)/m);
  await working.insist("SIGTERM");
});

test("for people there is a table, and what to do next", async (t) => {
  const place = new Place(t);
  await use(sqliteUrl(place, "a.db"), async (store) => {
    await store.add(
      [newJob({ id: "a" }), newJob({ id: "b", queue: "mail" }), newJob({ id: "c", dependsOn: ["a"] })],
      store.now(),
    );
    await store.pause("mail", true);
  });
  const moved = await place.run("move", "--from", "sqlite:a.db", "--to", "sqlite:b.db");
  assert.equal(moved.code, 0, moved.err);
  assert.deepEqual(
    linesOf(moved.out).map((line) => line.split(/ {2,}/)),
    [
      ["QUEUE", "STATE", "SOURCE", "DESTINATION"],
      ["mail (paused)", "ready", "1", "1"],
      ["queue", "blocked", "1", "1"],
      ["queue", "ready", "1", "1"],
    ],
  );
  assert.match(moved.err, /^3 jobs: 3 copied\. All are in the destination\.$/m);
  assert.match(moved.err, /^sqlite:a\.db is as it was\. Use it no more; then delete it\.$/m);
  const again = await place.run("move", "--from", "sqlite:a.db", "--to", "sqlite:b.db");
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, /^3 jobs: 0 copied, 3 were there already\./m);
});

test("what cannot be moved is refused, and nothing is made", async (t) => {
  const place = new Place(t);
  const refused = async (reason: RegExp, ...args: string[]): Promise<void> => {
    const { code, out, err } = await place.run("move", ...args);
    assert.deepEqual([code, out], [2, ""], err);
    assert.match(err, reason);
  };
  await refused(/--to <url>/, "--from", "sqlite:a.db");
  await refused(/names no store/, "--from", "mysql://x", "--to", "sqlite:b.db");
  await refused(/There is no store to move from at sqlite:a\.db/, "--from", "sqlite:a.db", "--to", "sqlite:b.db");
  await refused(/"memory:"/, "--from", "memory:", "--to", "sqlite:b.db");
  assert.ok(!existsSync(join(place.path, "a.db")));
  await use(sqliteUrl(place, "a.db"), (store) => store.add([newJob({ id: "a" })], start));
  await refused(/one store/, "--from", "sqlite:a.db", "--to", sqliteUrl(place, "a.db"));
  symlinkSync(place.path, join(place.path, "other"));
  await refused(/one store/, "--from", "sqlite:a.db", "--to", "sqlite:other/a.db");
  await refused(/names no store/, "--from", "sqlite:a.db", "--to", "mysql://x");
  assert.deepEqual(await use(sqliteUrl(place, "a.db"), (store) => store.workers()), []);
});

test("a server without the store is refused as a source, and left as it is", { skip }, async (t) => {
  const place = new Place(t);
  const missing = newUrl();
  for (const from of [missing, newRedisUrl()]) {
    const { code, err } = await place.run("move", "--from", from, "--to", "sqlite:b.db");
    assert.equal(code, 2);
    assert.match(err, /There is no store to move from at/);
    assert.ok(!err.includes("p%40ss"));
  }
  assert.deepEqual(await query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schemaOf(missing)]), []);
  assert.ok(!existsSync(join(place.path, "b.db")));
  const url = newUrl();
  await use(url, (store) => store.add([newJob({ id: "a" })], start));
  const alias = url.replace("127.0.0.1", "localhost");
  assert.match((await place.run("move", "--from", url, "--to", alias)).err, /one store/);
});

test("a store on which a worker lives is not moved; --wait waits for its end", async (t) => {
  const place = new Place(t);
  const from = sqliteUrl(place, "a.db");
  const worker = place.start("worker", "tasks.ts", "--store", from);
  await worker.says("joined");
  await place.run("submit", "tasks.ts#mark", "hold it", "--store", from);
  await until("the job runs", () => place.lines("ran").includes("hold it"));
  const refused = await place.run("move", "--from", from, "--to", "sqlite:b.db");
  assert.equal(refused.code, 2);
  assert.match(refused.err, /has 1 live worker with 1 running job: \S+ \(process \d+ on .*manyhands drain/);
  assert.ok(!existsSync(join(place.path, "b.db")));
  const moving = place.start("move", "--from", from, "--to", "sqlite:b.db", "--wait", "--json");
  await moving.says("waiting for 1 live worker with 1 running job");
  worker.child.kill("SIGTERM");
  place.write("release", "");
  const { code, out, err } = await moving.ended;
  assert.equal(code, 0, err);
  assert.deepEqual(json(out)[0]?.["states"], [{ queue: "default", state: "done", source: 1, destination: 1 }]);
});

test("a store on which a worker lives is not moved to; --wait waits for its end", async (t) => {
  const place = new Place(t);
  const to = sqliteUrl(place, "b.db");
  await use(sqliteUrl(place, "a.db"), (store) => store.add([newJob({ id: "a" })], start));
  const worker = place.start("worker", "tasks.ts", "--store", to);
  await worker.says("joined");
  const refused = await place.run("move", "--from", "sqlite:a.db", "--to", to);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /b\.db has 1 live worker with 0 running jobs: .*Nothing was moved/);
  assert.equal(await use(to, (store) => store.count({})), 0);
  const moving = place.start("move", "--from", "sqlite:a.db", "--to", to, "--wait", "--json");
  await moving.says("waiting for 1 live worker");
  worker.child.kill("SIGTERM");
  const { code, out, err } = await moving.ended;
  assert.equal(code, 0, err);
  assert.equal(json(out)[0]?.["copied"], 1);
});

/** Has a worker do the next job, and deletes it as if its time to be kept were over. */
async function doNext(store: Store): Promise<void> {
  await store.join(newWorker("w"), store.now() + 60_000);
  const { claimed } = await store.settle("w", [], wants(1), store.now());
  for (const job of claimed) await store.settle("w", [done(job)], [], store.now());
  await store.remove({ ids: claimed.map(({ id }) => id) });
  await store.leave("w", store.now());
}

test("what may have been done and deleted in the destination is not copied again", async (t) => {
  const place = new Place(t);
  const [from, to] = [sqliteUrl(place, "a.db"), sqliteUrl(place, "b.db")];
  const args = ["move", "--from", from, "--to", to, "--json"];
  await use(from, (store) => store.add([newJob({ id: "a" }), newJob({ id: "b" })], start));
  assert.equal((await place.run(...args)).code, 0);
  await use(to, doNext);
  const refused = await place.run(...args);
  assert.equal(refused.code, 2, refused.err);
  assert.match(
    refused.err,
    /1 are not in .*b\.db, where others have been worked on or deleted since they were copied: a\. .*Nothing was moved/,
  );
  const [{ doubtful, complete } = {}] = json(refused.out);
  assert.deepEqual([doubtful, complete], [["a"], false]);
  assert.equal(await use(to, (store) => store.count({})), 1);
  await use(from, (store) => store.cancel({ ids: ["a"] }, null, store.now()));
  const { code, out, err } = await place.run(...args);
  assert.equal(code, 0, err);
  assert.deepEqual(json(out)[0]?.["counts"], { same: 2, further: 0, missing: 0, different: 0 });
});

test("jobs that went on in the destination between two moves are as they should be", async (t) => {
  const place = new Place(t);
  const [from, to] = [sqliteUrl(place, "a.db"), sqliteUrl(place, "b.db")];
  const args = ["move", "--from", from, "--to", to, "--json"];
  await use(from, (store) => store.add([newJob({ id: "a" }), newJob({ id: "b" })], start));
  assert.equal((await place.run(...args)).code, 0);
  await use(to, async (store) => {
    await store.join(newWorker("w"), store.now() + 60_000);
    const { claimed } = await store.settle("w", [], wants(1), store.now());
    for (const job of claimed) await store.settle("w", [done(job)], [], store.now());
    await store.leave("w", store.now());
  });
  const { code, out } = await place.run(...args);
  assert.deepEqual([code, json(out)[0]?.["counts"]], [0, { same: 1, further: 1, missing: 0, different: 0 }]);
  await use(from, (store) => store.add([newJob({ id: "c" })], store.now()));
  assert.match((await place.run(...args)).err, /1 are not in .*: c\. .*Submit there what was not done/);
});

test("whoever may do a job twice is not told to move again", () => {
  const comparison = new Comparison();
  const report: MoveReport = {
    from: "a",
    to: "b",
    copied: 1,
    schedules: 0,
    paused: [],
    comparison,
    changed: false,
    begun: false,
  };
  comparison.counts.missing = 1;
  assert.match(nextStep(report), /Run the same command again/);
  assert.match(nextStep({ ...report, begun: true }), /would run again .* submit there what was not done/);
  comparison.counts.further = 1;
  assert.equal(nextStep(report), nextStep({ ...report, begun: true }));
});

test("JSON names every job that is missing", async () => {
  const [source, empty] = [memoryStore(), memoryStore()];
  const ids = Array.from({ length: 30 }, (_, index) => `j${index}`);
  await source.add(
    ids.map((id) => newJob({ id })),
    start,
  );
  const { jobs: stored } = await source.dump(null, 100);
  const comparison = new Comparison();
  await comparison.look(stored, empty);
  assert.deepEqual(
    comparison.named.map(({ id }) => id),
    ids,
  );
  await Promise.all([source.close(), empty.close()]);
});

test("jobs of workers that died are taken back first", async (t) => {
  const place = new Place(t);
  await use(sqliteUrl(place, "a.db"), async (store) => {
    const now = store.now() - 60_000;
    await store.add([newJob({ id: "a" })], now);
    await store.join(newWorker("dead"), now + 1000);
    await store.settle("dead", [], wants(1), now);
  });
  const { code, out } = await place.run("move", "--from", "sqlite:a.db", "--to", "sqlite:b.db", "--json");
  assert.equal(code, 0);
  assert.deepEqual(json(out)[0]?.["states"], [{ queue: "queue", state: "ready", source: 1, destination: 1 }]);
});

for (const signal of ["SIGKILL", "SIGINT"] as const) {
  test(`after ${signal} half-way the same command goes on`, { skip, timeout: 120_000 }, async (t) => {
    const place = new Place(t);
    const count = 20_000;
    const [from, to] = [sqliteUrl(place, "a.db"), newUrl()];
    await addMany(from, count);
    const args = ["move", "--from", from, "--to", to, "--json"];
    const command = place.start(...args);
    await use(to, (store) => until("some jobs are there", async () => (await store.count({})) > 0));
    command.child.kill(signal);
    const stopped = await command.ended;
    assert.equal(stopped.code, signal === "SIGINT" ? 130 : "SIGKILL");
    if (signal === "SIGINT")
      assert.match(stopped.err, /stopped: [\d,]+ of 20,000 jobs copied; the same command goes on from there/);
    const { code, out, err } = await place.run(...args);
    assert.equal(code, 0, err);
    const [report] = json(out);
    assert.deepEqual([total(report), report?.["complete"]], [count, true]);
    const copied = Number(report?.["copied"]);
    assert.ok(copied > 0 && copied < count, `${copied} were copied by the second`);
  });
}

test("jobs that went on in the source after they were copied are told, and those added are copied by the next", async (t) => {
  const place = new Place(t);
  const args = ["move", "--from", "sqlite:a.db", "--to", "sqlite:b.db", "--json"];
  const from = sqliteUrl(place, "a.db");
  await use(from, (store) => store.add([newJob({ id: "a" }), newJob({ id: "b" })], start));
  assert.equal((await place.run(...args)).code, 0);
  await use(from, async (store) => {
    await store.join(newWorker("w"), store.now() + 60_000);
    const { claimed } = await store.settle("w", [], wants(1), store.now());
    for (const job of claimed) await store.settle("w", [done(job)], [], store.now());
    await store.leave("w", store.now());
    await store.add([newJob({ id: "c" })], store.now());
  });
  const { code, out, err } = await place.run(...args);
  assert.equal(code, 1, err);
  const [report] = json(out);
  assert.deepEqual([report?.["copied"], report?.["complete"]], [1, false]);
  assert.deepEqual(report?.["named"], [{ id: "a", source: "done", destination: "ready" }]);
  assert.match(err, /"warning"/);
});

test("a job that went on in the destination is as it should be, one that went on in the source is not", async () => {
  const store = memoryStore();
  await store.add([newJob({ id: "a", keepMs: 100 }), newJob({ id: "b", dependsOn: ["a"] })], start);
  const [a, b] = (await store.dump(null, 2)).jobs as [StoredJob, StoredJob];
  const failed: StoredJob = { ...a, state: "failed", fence: 1, attempt: 1, error: '"no"', startedAt: start, endedAt: start };
  const again = { ...failed, attempt: 0, error: null, startedAt: null, endedAt: null };
  const below: StoredJob = { ...b, state: "failed", cause: "a", endedAt: start };
  const cancelled: StoredJob = { ...a, state: "cancelled", endedAt: start + 5 };
  const over: StoredJob = { ...a, state: "done", fence: 1, attempt: 1, result: '"1"', endedAt: start };
  const cases: [StoredJob, Job | undefined, string][] = [
    [a, a, "same"],
    [a, over, "further"],
    [a, { ...a, fence: 1 }, "further"],
    [a, { ...a, state: "cancelled", endedAt: start }, "further"],
    [b, { ...b, state: "ready" }, "further"],
    [{ ...b, state: "ready" }, b, "different"],
    [over, a, "different"],
    [over, { ...over, result: '"2"' }, "different"],
    [a, { ...a, args: "[]" }, "different"],
    [a, undefined, "missing"],
    [over, undefined, "missing"],
    [failed, { ...again, state: "ready" }, "further"],
    [failed, { ...again, state: "done", fence: 2 }, "further"],
    [failed, a, "different"],
    [below, { ...b, cause: null }, "further"],
    [cancelled, a, "different"],
    [cancelled, { ...a, readyAt: start + 9 }, "further"],
    [{ ...over, state: "cancelled" }, { ...over, state: "expired" }, "different"],
  ];
  for (const [source, found, verdict] of cases) {
    assert.equal(verdictOn(source, found), verdict, JSON.stringify([source.state, found?.state]));
  }
  await store.close();
});
