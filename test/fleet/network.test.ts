// Fleets through a server: programs with wrong clocks, workers that die, steering from elsewhere, and answers that get lost.
import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { call, connect, StoreUnavailable } from "../../src/index.ts";
import type { WorkerEvent } from "../../src/index.ts";
import { Hands } from "../../src/fleet/hands.ts";
import { openStore } from "../../src/fleet/open.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import type { Store } from "../../src/store/store.ts";
import * as jobs from "../fixtures/jobs.ts";
import { folder, Program, until } from "../fixtures/support.ts";
import { networks } from "../servers/fresh.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";

const workerProgram = join(import.meta.dirname, "../fixtures/worker.ts");

async function open(t: TestContext, url: string, runtime?: Runtime): Promise<Hands> {
  const hands = await connect(url, runtime ? { runtime } : {});
  t.after(() => hands.close());
  return hands;
}

for (const { kind, given, fresh } of networks()) {
  const skip = "skip" in given ? given.skip : false;
  void describe(`a fleet on ${kind}`, { skip }, () => {
    void test("a graph of calls runs on a worker in another program", async (t) => {
      const url = fresh();
      const hands = await open(t, url);
      await new Program(t, workerProgram, [url]).says("ready");
      const shared = call(jobs.add, 1, 1);
      assert.equal(await hands.submit(jobs.sum, [shared, call(jobs.add, shared, 5), 10]), 19);
      assert.deepEqual(await hands.map(jobs.echo, [1, "two", [3]]), [1, "two", [3]]);
      await assert.rejects(Promise.resolve(hands.submit(jobs.boom, "bang")), (error: Error) => error instanceof RangeError);
    });

    void test("the jobs of a worker that is killed are run again by another", async (t) => {
      const url = fresh();
      const hands = await open(t, url);
      const file = join(folder(t), "marks");
      const killed = new Program(t, workerProgram, [url, '{"lease":"1s"}']);
      await killed.says("ready");
      const future = hands.submit(jobs.slowMark, file, "ran", 300);
      await until("the job runs", async () => (await hands.count({ states: ["running"] })) === 1);
      killed.child.kill("SIGKILL");
      hands.work({ tasks: [jobs] });
      assert.equal(await future, "ran");
      const [job] = await hands.jobs({ ids: [future.id] });
      assert.deepEqual([job?.crashes, job?.attempt], [1, 2]);
    });

    void test("a worker whose clock is an hour wrong does no harm", async (t) => {
      const url = fresh();
      const right = await open(t, url);
      for (const hour of [3_600_000, -3_600_000]) {
        const wrong = await open(t, url, { ...systemRuntime, now: () => systemRuntime.now() + hour });
        const events: WorkerEvent[] = [];
        const report = (event: WorkerEvent): void => void (event.kind === "ended" || events.push(event));
        const workers = [right.work({ tasks: [jobs], report }), wrong.work({ tasks: [jobs], report })];
        await Promise.all(workers.map(({ ready }) => ready));
        const later = right.submit(jobs.echo.with({ delay: "10m" }), 1);
        const alsoLater = wrong.submit(jobs.echo.with({ delay: "10m" }), 2);
        await Promise.all([later.submitted, alsoLater.submitted]);
        const soon = wrong.submit(jobs.echo.with({ delay: "50ms", expires: "30s" }), 3);
        assert.equal(await soon, 3);
        assert.equal((await right.workers()).length, 2, "nobody was taken for lost");
        assert.deepEqual(await right.count({ states: ["scheduled"] }), 2, "nothing was due too early");
        await right.cancel({ states: ["scheduled"] });
        await Promise.all(workers.map((worker) => worker.stop()));
        assert.deepEqual(events, []);
        assert.ok(Math.abs(wrong.now() - systemRuntime.now()) < 5000);
      }
    });

    void test("a store that connects anew goes on as before", async (t) => {
      const url = fresh();
      const store = await openStore(url, { runtime: systemRuntime });
      const hands = new Hands(store, systemRuntime);
      t.after(() => hands.close());
      const events: WorkerEvent[] = [];
      const worker = hands.work({ tasks: [jobs], report: (event) => void (event.kind === "ended" || events.push(event)) });
      await worker.ready;
      for (let round = 1; round <= 5; round++) {
        const results = Array.from({ length: 20 }, (_, i) => hands.submit(jobs.echo, i));
        await Promise.all(results.map(({ submitted }) => submitted));
        store.reconnect();
        assert.equal(await hands.submit(jobs.echo, round), round);
        assert.deepEqual(await Promise.all(results), [...results.keys()]);
      }
      assert.ok(events.every(({ kind }) => kind === "store-failed" || kind === "store-back"));
    });

    void test("a running job is cancelled, and a worker drained, from another program", async (t) => {
      const url = fresh();
      const hands = await open(t, url);
      const worker = new Program(t, workerProgram, [url]);
      await worker.says("ready");
      const started = join(folder(t), "started");
      const future = hands.submit(jobs.untilAborted, started);
      await until("it runs", async () => (await hands.count({ states: ["running"] })) === 1);
      assert.equal((await future.cancel("enough")).requested, 1);
      await assert.rejects(Promise.resolve(future), /cancelled/);
      const [{ id } = { id: "" }] = await hands.workers();
      assert.equal(await hands.drain(id), true);
      await until("the worker has left", async () => (await hands.workers()).length === 0);
    });

    void test("a paused queue rests until it is resumed", async (t) => {
      const hands = await open(t, fresh());
      await hands.queue("default").pause();
      const worker = hands.work({ tasks: [jobs] });
      await worker.ready;
      const future = hands.submit(jobs.add, 1, 2);
      await future.submitted;
      assert.deepEqual((await hands.queue("default").stats())?.paused, true);
      assert.equal(await hands.count({ states: ["ready"] }), 1);
      await hands.queue("default").resume();
      assert.equal(await future, 3);
    });

    void test("unique and throttled jobs have keys of any length", async (t) => {
      const hands = await open(t, fresh());
      const long = randomBytes(6000).toString("base64");
      const unique = jobs.echo.with({ unique: {} });
      const [one, same, other, plain] = await Promise.all(
        [unique, unique, unique, jobs.echo].map((task, n) => hands.submit(task, n === 2 ? `${long}!` : long).submitted),
      );
      assert.equal(same, one);
      assert.equal(new Set([one, other, plain]).size, 3);
      const characters = Array.from({ length: 200 }, () => String.fromCodePoint(randomInt(0x4e00, 0x9fff))).join("");
      const throttled = jobs.echo.with({ throttle: { per: "1m", key: characters } });
      assert.equal(await hands.submit(throttled, 1).submitted, await hands.submit(throttled, 2).submitted);
    });

    void test("a URL says in one line why it cannot be connected to, and never the password", async () => {
      const url = "url" in given ? given.url : "";
      const secret = "s3cr3t-w0rd";
      const nowhere = new URL(url);
      nowhere.port = "1";
      nowhere.password = secret;
      await assert.rejects(connect(nowhere.href), (error: Error) => {
        assert.doesNotMatch(error.message, new RegExp(`${secret}|\n`));
        assert.match(error.message, /127\.0\.0\.1:1\b/);
        return true;
      });
      const unknown = new URL(url);
      unknown.hostname = "no-such-host.invalid";
      await assert.rejects(connect(unknown.href), (error: Error) => /no-such-host\.invalid/.test(error.message));
    });
  });
}

for (const { kind, given, fresh } of networks().slice(0, 1)) {
  const skip = "skip" in given ? given.skip : false;
  void test(`a submit that ${kind} refuses takes none of its turn with it`, { skip }, async (t) => {
    const inner = await openStore(fresh(), { runtime: systemRuntime });
    // What no index of PostgreSQL has room for.
    const key = randomBytes(6000).toString("base64");
    const add: Store["add"] = (added, now) =>
      inner.add(
        added.map((job) => (job.args.includes("13") ? { ...job, unique: { key, until: "ended" } } : job)),
        now,
      );
    const store = new Proxy(inner, {
      get: (target, name: keyof Store): unknown => {
        const member = name === "add" ? add : target[name];
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    const hands = new Hands(store, systemRuntime);
    t.after(() => hands.close());
    const settled = await Promise.allSettled([12, 13, 14].map((n) => hands.submit(jobs.echo, n).submitted));
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    assert.equal(await hands.count(), 2);
  });
}

const ownServer = {
  postgres: () => startPostgres({ fsync: false }),
  redis: () => startRedis({ appendfsync: "always" }),
};

for (const { kind, given } of networks()) {
  const skip = "skip" in given ? given.skip : false;
  void test(`a fleet outlives an outage of ${kind}`, { skip }, async (t) => {
    const server = await ownServer[kind]();
    const patient = await connect(server.url, { unavailableAfter: "60s" });
    const hasty = await connect(server.url, { unavailableAfter: "200ms" });
    t.after(async () => {
      await Promise.all([patient.close(), hasty.close()]);
      await server.close();
    });
    const events: string[] = [];
    patient.work({ tasks: [jobs], report: ({ kind: event }) => void (event === "ended" || events.push(event)) });
    assert.equal(await patient.submit(jobs.add, 1, 1), 2);
    const kept = await patient.submit(jobs.echo.with({ delay: "1s" }), "kept").submitted;

    await server.process.stop("SIGKILL");
    await assert.rejects(hasty.submit(jobs.add, 2, 2).submitted, (error) => {
      return error instanceof StoreUnavailable && error.code === "STORE_UNAVAILABLE" && /127\.0\.0\.1/.test(error.message);
    });
    const waiting = patient.submit(jobs.add, 20, 22);
    await server.process.start();

    assert.equal(await waiting, 42);
    assert.equal(await patient.job(kept), "kept");
    assert.equal(await hasty.submit(jobs.add, 3, 3), 6);
    assert.ok(
      events.every((event) => ["store-failed", "store-back", "lease-lost"].includes(event)),
      events.join(", "),
    );
  });
}
