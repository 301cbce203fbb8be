// One worker in this program, or one in another, on a real SQLite file.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { TestContext } from "node:test";
import {
  call,
  CancelledError,
  connect,
  DependencyFailedError,
  DuplicateJobError,
  ExpiredError,
  snooze,
  StoreLostError,
  task,
  TimeoutError,
  UsageError,
  WorkerDiedError,
} from "../../src/index.ts";
import type { Hands, WorkerEvent } from "../../src/index.ts";
import * as jobs from "../fixtures/jobs.ts";
import { folder, Program, until } from "../fixtures/support.ts";

const workerProgram = join(import.meta.dirname, "../fixtures/worker.ts");

async function fleet(t: TestContext): Promise<{ hands: Hands; url: string; path: string }> {
  const path = folder(t);
  const url = `sqlite:${join(path, "hands.db")}`;
  const hands = await connect(url);
  t.after(() => hands.close());
  return { hands, url, path };
}

const lines = (file: string): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : []);

test("a submit resolves when durable, its future with the result", async (t) => {
  const { hands } = await fleet(t);
  const future = hands.submit(jobs.add, 2, 3);
  assert.equal(await future.submitted, future.id);
  assert.equal((await hands.jobs())[0]?.state, "ready");
  hands.work({ tasks: [jobs] });
  assert.equal(await future, 5);
  assert.equal(future.state, "done");
  const [job] = await hands.jobs({ states: ["done"] });
  assert.deepEqual(job?.args, [2, 3]);
  assert.equal(job?.result, 5);
});

test("work without end on a store in memory leaves the event loop to others", { timeout: 5000 }, async () => {
  await using hands = await connect("memory:");
  let isOver = false;
  const again = task("worker.again", () => {
    if (!isOver) throw snooze(0);
    return "over";
  });
  hands.work({ tasks: [again] });
  const future = hands.submit(again);
  await future.submitted;
  await new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
  isOver = true;
  assert.equal(await future, "over");
});

test("a paused worker joins, and takes jobs when it is resumed", async (t) => {
  const { hands } = await fleet(t);
  const worker = hands.work({ tasks: [jobs], paused: true });
  await worker.ready;
  assert.equal((await hands.workers())[0]?.id, worker.id);
  const future = hands.submit(jobs.add, 2, 3);
  await future.submitted;
  await hands.submit(jobs.add.with({ delay: 5 }), 1, 1).submitted;
  await until("the upkeep has been done", async () => (await hands.count({ states: ["ready"] })) === 2);
  worker.resume();
  assert.equal(await future, 5);
});

test("nested calls fan out and in", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const shared = call(jobs.add, 1, 1);
  assert.equal(await hands.submit(jobs.sum, [shared, call(jobs.add, shared, 5), 10]), 19);
});

test("an error keeps its kind, its code and its message", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs] });
  await assert.rejects(
    Promise.resolve(hands.submit(jobs.boom, "bang")),
    (error: RangeError & { code?: string }) => error instanceof RangeError && error.message === "bang" && error.code === "BOOM",
  );
});

test("a failed dependency fails the join at once, with its error as cause", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const failing = hands.submit(jobs.sum, [call(jobs.sum, [call(jobs.boom, "deep")])]);
  await assert.rejects(Promise.resolve(failing), (error: unknown) => {
    return error instanceof DependencyFailedError && (error.cause as Error).message === "deep";
  });
});

test("retries, with backoff, until it works", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const backoff = { initial: 5, jitter: 0 };
  assert.equal(await hands.submit(jobs.flaky.with({ retries: 3, backoff }), 3), 3);
  await assert.rejects(Promise.resolve(hands.submit(jobs.flaky.with({ retries: 1, backoff }), 3)), /attempt 2 fails/);
  const [job] = await hands.jobs({ states: ["failed"] });
  assert.equal(job?.attempt, 2);
});

test("a promise that never settles meets its timeout", async (t) => {
  const { hands, path } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const future = hands.submit(jobs.untilAborted.with({ timeout: 50 }), join(path, "started"));
  await assert.rejects(Promise.resolve(future), (error: unknown) => error instanceof TimeoutError && error.afterMs === 50);
});

test("a delayed job starts when it is due, not before", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const future = hands.submit(jobs.echo.with({ delay: 150 }), "late");
  await future.submitted;
  assert.equal(future.state, "scheduled");
  assert.equal(await future, "late");
  const [job] = await hands.jobs();
  assert.ok((job?.startedAt ?? 0) >= (job?.dueAt ?? Infinity), "started before it was due");
});

test("a job that is not started in time expires", async (t) => {
  const { hands } = await fleet(t);
  const future = hands.submit(jobs.echo.with({ expires: 1 }), "too late");
  await future.submitted;
  await until("its time is over", async () => Date.now() > ((await hands.jobs())[0]?.expiresAt ?? Infinity));
  hands.work({ tasks: [jobs] });
  await assert.rejects(Promise.resolve(future), ExpiredError);
});

test("unique: a second submit gets the job there is, or is refused", async (t) => {
  const { hands } = await fleet(t);
  const unique = jobs.echo.with({ unique: { key: "one" } });
  const first = hands.submit(unique, 1);
  const second = hands.submit(unique, 2);
  assert.equal(await second.submitted, await first.submitted);
  const rejecting = jobs.echo.with({ unique: { key: "one", onConflict: "reject" } });
  await assert.rejects(
    hands.submit(rejecting, 3).submitted,
    (error: unknown) => error instanceof DuplicateJobError && error.existingId === first.id,
  );
  hands.work({ tasks: [jobs] });
  assert.deepEqual(await Promise.all([first, second]), [1, 1]);
  assert.equal(await hands.submit(rejecting, 4), 4, "the key is free again when the job has ended");
});

test("cancel stops waiting and running jobs, and what lies below", async (t) => {
  const { hands, path } = await fleet(t);
  const waiting = hands.submit(jobs.sum, [call(jobs.add, 1, 2), call(jobs.add, 3, 4)]);
  const receipt = await waiting.cancel("not needed");
  assert.equal(receipt.waiting, 3);
  await assert.rejects(
    Promise.resolve(waiting),
    (error: unknown) => error instanceof CancelledError && error.reason === "not needed",
  );
  hands.work({ tasks: [jobs] });
  const started = join(path, "started");
  const running = hands.submit(jobs.untilAborted, started);
  void running.submitted;
  await until("the job runs", () => lines(started).length > 0);
  assert.equal((await running.cancel()).requested, 1);
  await assert.rejects(Promise.resolve(running), CancelledError);
});

test("a job that runs in another process is cancelled within seconds", async (t) => {
  const { hands, url, path } = await fleet(t);
  const worker = new Program(t, workerProgram, [url]);
  await worker.says("ready");
  const started = join(path, "started");
  const running = hands.submit(jobs.untilAborted, started);
  await running.submitted;
  await until("the job runs", () => lines(started).length > 0);
  await running.cancel("enough");
  await assert.rejects(Promise.resolve(running), CancelledError);
});

test("the result of a job run by another process arrives", async (t) => {
  const { hands, url } = await fleet(t);
  const worker = new Program(t, workerProgram, [url]);
  const results = await Promise.all(Array.from({ length: 200 }, (_, i) => hands.submit(jobs.add, i, 1)));
  assert.deepEqual(
    results,
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  worker.kill("SIGTERM");
  assert.equal(await worker.exited, 0);
  assert.match(worker.output, /stopped/);
});

test("SIGTERM gives back what cannot finish, and the attempt is not counted", async (t) => {
  const { hands, url, path } = await fleet(t);
  const worker = new Program(t, workerProgram, [url, JSON.stringify({ grace: 50 })]);
  const started = join(path, "started");
  const running = hands.submit(jobs.untilAborted, started);
  await running.submitted;
  await until("the job runs", () => lines(started).length > 0);
  worker.kill("SIGTERM");
  assert.equal(await worker.exited, 0, worker.errors);
  const [job] = await hands.jobs();
  assert.deepEqual([job?.state, job?.attempt, job?.crashes], ["ready", 0, 0]);
  assert.deepEqual(await hands.workers(), []);
});

test("the jobs of a worker killed with SIGKILL run again, with default settings within 15 s", { timeout: 60_000 }, async (t) => {
  const { hands, url, path } = await fleet(t);
  const worker = new Program(t, workerProgram, [url]);
  const started = join(path, "started");
  const futures = Array.from({ length: 20 }, (_, i) => hands.submit(jobs.slowMark, started, `job ${i}`, i < 10 ? 0 : 3_600_000));
  await Promise.all(futures.map((future) => future.submitted));
  await until(
    "ten jobs are done and ten run",
    async () => (await hands.count({ states: ["running"] })) === 10 && lines(started).length === 10,
  );
  worker.kill("SIGKILL");
  await worker.exited;
  const killedAt = performance.now();
  hands.work({ tasks: [jobs] });
  await until(
    "the ten jobs run again",
    async () => (await hands.jobs({ states: ["running"] })).filter((job) => job.attempt === 2).length === 10,
  );
  const tookMs = performance.now() - killedAt;
  t.diagnostic(`taken back after ${Math.round(tookMs)} ms`);
  assert.ok(tookMs < 15_000);
  await hands.cancel({ states: ["running"] });
});

test("a job that kills its worker again and again is set aside", async (t) => {
  const { hands, url } = await fleet(t);
  const future = hands.submit(jobs.die);
  await future.submitted;
  for (let i = 0; i < 2; i++) {
    const worker = new Program(t, workerProgram, [url, JSON.stringify({ lease: 300 })]);
    assert.equal(await worker.exited, 7);
  }
  const last = new Program(t, workerProgram, [url, JSON.stringify({ lease: 300 })]);
  await last.says("ready");
  await assert.rejects(
    Promise.resolve(future),
    (error: unknown) => error instanceof WorkerDiedError && error.reason === "lease-lost",
  );
});

test("the neighbours of a job that kills its worker are done all the same", { timeout: 60_000 }, async (t) => {
  const { hands, url, path } = await fleet(t);
  const file = join(path, "marks");
  const texts = Array.from({ length: 20 }, (_, i) => `line ${i}`);
  const neighbours = texts.map((line) => hands.submit(jobs.slowMark.with({ crashes: 1 }), file, line, 20));
  const dying = assert.rejects(Promise.resolve(hands.submit(jobs.die)), WorkerDiedError);
  const later = hands.submit(jobs.slowMark.with({ crashes: 1 }), file, "later", 20);
  for (let i = 0; i < 2; i++) {
    const worker = new Program(t, workerProgram, [url, JSON.stringify({ lease: 300 })]);
    assert.equal(await worker.exited, 7);
  }
  const last = new Program(t, workerProgram, [url, JSON.stringify({ lease: 300 })]);
  await last.says("ready");
  await dying;
  assert.deepEqual(await Promise.all([...neighbours, later]), [...texts, "later"]);
  assert.deepEqual(
    (await hands.jobs({ states: ["failed"] })).map(({ task }) => task),
    ["jobs.die"],
  );
});

test("a worker whose store is deleted ends, and says why", async (t) => {
  const { hands, path } = await fleet(t);
  const events: WorkerEvent[] = [];
  const worker = hands.work({ tasks: [jobs], report: (event) => events.push(event) });
  await worker.ready;
  for (const name of readdirSync(path)) rmSync(join(path, name));
  await assert.rejects(worker.stopped, (error) => error instanceof StoreLostError && /was deleted/.test(error.message));
  assert.deepEqual(
    events.map(({ kind }) => kind).filter((kind) => kind !== "store-failed"),
    ["store-lost"],
  );
  await worker.stop();
  await hands.close();
  assert.deepEqual(readdirSync(path), [], "nothing was made in its place");
});

test("what is awaited when the store is deleted fails", async (t) => {
  const { hands, path } = await fleet(t);
  const worker = hands.work({ tasks: [jobs], report: () => undefined });
  const future = hands.submit(jobs.untilAborted, join(path, "started"));
  await until("it runs", () => existsSync(join(path, "started")));
  for (const name of readdirSync(path)) rmSync(join(path, name));
  await assert.rejects(worker.stopped, StoreLostError);
  await assert.rejects(Promise.resolve(future), StoreLostError);
});

test("what a worker cannot report to is refused at once", async (t) => {
  const { hands } = await fleet(t);
  assert.throws(() => hands.work({ tasks: [jobs], report: 5 as never }), /report must be a function of an event, found 5/);
});

test("a worker that cannot start has stopped, too", async (t) => {
  const { hands } = await fleet(t);
  const worker = hands.work({ tasks: [Promise.reject(new Error("no such module"))] });
  await assert.rejects(worker.ready, /no such module/);
  await assert.rejects(worker.stopped, /no such module/);
});

test("a worker is dismissed while others write, and its jobs have crashed", async (t) => {
  const { hands, url, path } = await fleet(t);
  const worker = new Program(t, workerProgram, [url]);
  await worker.says("ready");
  const future = hands.submit(jobs.slowMark, join(path, "marks"), "once", 60_000);
  await future.submitted;
  await until("it runs", async () => (await hands.count({ states: ["running"] })) === 1);
  worker.kill("SIGKILL");
  await worker.exited;
  const other = new DatabaseSync(join(path, "hands.db"));
  other.exec("BEGIN IMMEDIATE");
  const dismissed = hands.dismiss((await hands.workers())[0]?.id ?? "");
  const began = performance.now();
  await until("the lock was held for long", () => performance.now() - began > 300);
  other.exec("COMMIT");
  other.close();
  await dismissed;
  const [job] = await hands.jobs();
  assert.deepEqual([job?.state, job?.crashes], ["ready", 1]);
  await hands.cancel({});
});

test("a lock that is held for longer than the lease costs no worker its jobs", { timeout: 60_000 }, async (t) => {
  const { hands, url, path } = await fleet(t);
  const worker = new Program(t, workerProgram, [url, JSON.stringify({ lease: 600 })]);
  await worker.says("ready");
  const future = hands.submit(jobs.slowMark, join(path, "marks"), "once", 3000);
  await future.submitted;
  await until("it runs", async () => (await hands.count({ states: ["running"] })) === 1);
  const other = new DatabaseSync(join(path, "hands.db"));
  other.exec("BEGIN IMMEDIATE");
  const began = performance.now();
  await until("the lock was held for long", () => performance.now() - began > 1800);
  other.exec("COMMIT");
  other.close();
  assert.equal(await future, "once");
  assert.deepEqual([(await hands.jobs())[0]?.crashes, worker.errors], [0, ""]);
});

test("process.exit() in a process task crashes that job only", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs], processes: 1 });
  const dying = hands.submit(jobs.exit, 3);
  await assert.rejects(
    Promise.resolve(dying),
    (error: unknown) => error instanceof WorkerDiedError && error.reason === "exit" && error.detail === 3,
  );
  assert.equal((await hands.jobs({ states: ["failed"] }))[0]?.crashes, 2);
  assert.equal(await hands.submit(jobs.add, 1, 1), 2);
});

test("a blocked event loop is reported with task and line, and loses nothing", { timeout: 60_000 }, async (t) => {
  const { hands, url } = await fleet(t);
  const worker = new Program(t, workerProgram, [url, JSON.stringify({ lease: 1500 })]);
  await worker.says("ready");
  assert.equal(await hands.submit(jobs.block, 5000), true);
  assert.match(worker.errors, /blocked for .* by task "jobs\.block", in .*jobs\.ts:\d+/);
  assert.equal((await hands.jobs())[0]?.attempt, 1);
});

test("a worker that sleeps past its lease is refused, and joins again", { timeout: 60_000 }, async (t) => {
  const { hands, url, path } = await fleet(t);
  const options = JSON.stringify({ lease: 400 });
  const sleeper = new Program(t, workerProgram, [url, options]);
  await sleeper.says("ready");
  const file = join(path, "marks");
  const future = hands.submit(jobs.slowMark, file, "once", 200);
  await future.submitted;
  await until("it runs", async () => (await hands.count({ states: ["running"] })) === 1);
  sleeper.kill("SIGSTOP");
  const events: WorkerEvent[] = [];
  hands.work({ tasks: [jobs], report: (event) => events.push(event) });
  assert.equal(await future, "once");
  sleeper.kill("SIGCONT");
  await until("the sleeper has joined again", async () => (await hands.workers()).length === 2);
  await until("the sleeper says so", () => /taken for lost/.test(sleeper.errors));
  const [job] = await hands.jobs();
  assert.deepEqual([job?.state, job?.crashes], ["done", 1]);
});

test("progress reaches the store", async (t) => {
  const { hands, path } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const release = join(path, "release");
  const future = hands.submit(jobs.progress, release);
  await future.submitted;
  await until("progress is stored", async () => (await hands.jobs())[0]?.progress?.fraction === 0.5);
  assert.equal((await hands.jobs())[0]?.progress?.note, "half way");
  writeFileSync(release, "");
  assert.equal(await future, "ok");
});

test("retry by hand, listing, counting and removing", async (t) => {
  const { hands } = await fleet(t);
  hands.work({ tasks: [jobs] });
  const future = hands.submit(jobs.sum, [call(jobs.flaky, 2)]);
  await assert.rejects(Promise.resolve(future), DependencyFailedError);
  assert.equal(await hands.count({ states: ["failed"] }), 2);
  assert.equal((await hands.retry(future.id)).length, 2);
  await assert.rejects(Promise.resolve(hands.job(future.id)), DependencyFailedError);
  assert.equal(await hands.remove({ states: ["failed"] }), 2);
  assert.deepEqual(await hands.jobs(), []);
  await assert.rejects(
    Promise.resolve(hands.job(future.id)),
    (error: unknown) => error instanceof UsageError && /no job/.test(error.message),
  );
  await assert.rejects(hands.jobs({ states: ["redy" as never] }), /Did you mean "ready"/);
});

test("a fleet closed while results are awaited says so, and the jobs go on", async (t) => {
  const { hands, url } = await fleet(t);
  const future = hands.submit(jobs.add, 1, 2);
  const waiting = assert.rejects(Promise.resolve(future), /hands\.job\(id\)/);
  await future.submitted;
  await hands.close();
  await waiting;
  await using again = await connect(url);
  again.work({ tasks: [jobs] });
  assert.equal(await again.job(future.id), 3);
});

test("values that cannot be stored are refused before anything is", async (t) => {
  const { hands } = await fleet(t);
  assert.throws(() => hands.submit(jobs.echo, { onDone: () => 1 }), /args\[0\]\.onDone is a function/);
  assert.equal(await hands.count(), 0);
});

test("a worker without tasks, or with a module without tasks, says so", async (t) => {
  const { hands } = await fleet(t);
  await assert.rejects(hands.work({ tasks: [{ nothing: 1 }] }).ready, /module without tasks/);
  await assert.rejects(hands.work({ tasks: [] }).ready, /needs tasks/);
  assert.throws(() => hands.work({ concurency: 3 } as never), /Did you mean "concurrency"/);
});

test("URLs that name no store are refused with what to do", async () => {
  await assert.rejects(connect("sqlit:x"), /Did you mean "sqlite"/);
  await assert.rejects(connect("mysql://me:secret@localhost/x"), (error: Error) => {
    return /"mysql:\/\/me:\*\*\*@localhost\/x" names no store/.test(error.message);
  });
  await assert.rejects(connect("memory:", { unavailableAfter: "soon" as never }), /unavailableAfter/);
  await assert.rejects(connect("sqlite:"), /needs a file/);
  await assert.rejects(connect("hands.db"), /names no store/);
  await assert.rejects(connect("memory:mine"), /has no name/);
  await assert.rejects(connect("sqlite:hands.db?mode=ro"), /takes no parameters, found "\?mode=ro"/);
  await assert.rejects(connect("sqlite:/proc/none/hands.db"), /cannot be opened/);
});

test("a filter that says nothing by mistake selects nothing", async (t) => {
  const { hands } = await fleet(t);
  const id = await hands.submit(jobs.echo, 1).submitted;
  const nothing = undefined as never;
  for (const filter of [{ task: nothing }, { root: nothing }, { ids: nothing }, nothing, { states: "done" as never }]) {
    await assert.rejects(hands.cancel(filter), UsageError);
    await assert.rejects(hands.remove(filter), UsageError);
    await assert.rejects(hands.retry(filter), UsageError);
  }
  assert.deepEqual((await hands.jobs({ states: ["ready"] })).map((job) => job.id), [id]); // oxfmt-ignore
});

test("wrong options of work() are refused at once", async (t) => {
  const { hands } = await fleet(t);
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ threads: -1 }, /threads/],
    [{ processes: "many" }, /processes/],
    [{ concurrency: 0 }, /concurrency/],
    [{ lease: 5 }, /lease/],
    [{ queue: ["a"] }, /Did you mean "queues"/],
  ];
  for (const [options, message] of wrong) assert.throws(() => hands.work({ tasks: [jobs], ...options }), message);
});
