// Changing and ending jobs that are there already.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, CancelledError, connect, task, UsageError } from "../../src/index.ts";
import type { Call, Hands, JobChanges } from "../../src/index.ts";
import { TestClock } from "../../src/testing/index.ts";
import * as jobs from "../fixtures/jobs.ts";
import { folder, Program, until } from "../fixtures/support.ts";

const order: string[] = [];
const note = task("control.note", (text: string) => void order.push(text));
const live = ["blocked", "scheduled", "ready", "running", "waiting"] as const;

async function onClock(t: TestContext): Promise<{ clock: TestClock; hands: Hands }> {
  const clock = new TestClock({ seed: 1 });
  const hands = await connect("memory:", { runtime: clock });
  t.after(() => clock.run(hands.close()));
  order.length = 0;
  return { clock, hands };
}

test("waiting jobs change their priority, their queue and their time", async (t) => {
  const { clock, hands } = await onClock(t);
  const texts = ["a", "b", "c", "d"];
  const futures = texts.map((text) => hands.submit(note, text));
  const ids = await clock.run(Promise.all(futures.map(({ submitted }) => submitted)));
  assert.deepEqual(await hands.change(ids[2] as string, { priority: 9 }), [ids[2]]);
  assert.deepEqual(await hands.change({ ids: [ids[0] as string] }, { delay: "1h" }), [ids[0]]);
  assert.deepEqual(await hands.change(ids[3] as string, { queue: "other" }), [ids[3]]);
  hands.work({ tasks: [note], queues: ["default"], concurrency: 1 });
  await clock.advance("1m");
  assert.deepEqual(order, ["c", "b"]);
  assert.deepEqual(await hands.change({ states: ["scheduled"] }, { delay: 0 }), [ids[0]]);
  assert.deepEqual(await hands.change({ queue: "other" }, { queue: "default", at: clock.now() + 5000 }), [ids[3]]);
  await clock.run(Promise.all(futures));
  assert.deepEqual(order, ["c", "b", "a", "d"]);
  assert.deepEqual(await hands.change({}, { priority: 1 }), [], "what has ended is left alone");
});

test("a change that says nothing, or nonsense, is refused", async (t) => {
  const { hands } = await onClock(t);
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [{}, /nothing to change/],
    [{ priorty: 1 }, /Did you mean "priority"/],
    [{ priority: 0.5 }, /change\(\) priority must be/],
    [{ queue: "no queue" }, /A queue's name/],
    [{ delay: 1, at: 2 }, /both "delay" and "at"/],
    [{ at: new Date(NaN) }, /at must be a valid Date/],
    [undefined, /takes an object/],
  ];
  for (const [changes, pattern] of refused) {
    await assert.rejects(
      hands.change("id", changes as JobChanges),
      (error) => error instanceof UsageError && pattern.test(error.message),
    );
  }
  await assert.rejects(hands.cancel("id", { wait: "soon" as never }), /cancel\(\) wait must be a duration/);
  await assert.rejects(hands.cancel("id", { reson: "x" } as never), /Did you mean "reason"/);
});

test("a cancel that waits says what became of what ran", async (t) => {
  const { clock, hands } = await onClock(t);
  hands.work({ tasks: [jobs], concurrency: 2, report: () => undefined });
  const futures = [hands.submit(jobs.patient), hands.submit(jobs.deaf), hands.submit(jobs.echo, 1)];
  for (const future of futures) future.catch(() => undefined);
  await clock.advance("1s");
  const receipt = await clock.run(hands.cancel({}, { reason: "enough", wait: true }));
  // What would not stop on an event loop is left to itself: nobody can say that it is over.
  assert.deepEqual(receipt, { waiting: 1, stopped: 1, killed: 0, requested: 1 });
  assert.equal(await hands.count({ states: ["cancelled"] }), 3);
  await assert.rejects(
    clock.run(Promise.resolve(futures[0])),
    (error) => error instanceof CancelledError && error.reason === "enough",
  );
});

test("a cancel waits no longer than it was told", async (t) => {
  const { clock, hands } = await onClock(t);
  const worker = hands.work({ tasks: [jobs], report: () => undefined });
  hands.submit(jobs.deaf).catch(() => undefined);
  await clock.run(worker.ready);
  await clock.advance("1s");
  const asked = clock.elapsed();
  assert.deepEqual(await clock.run(hands.cancel({}, { wait: 500 })), { waiting: 0, stopped: 0, killed: 0, requested: 1 });
  assert.equal(clock.elapsed() - asked, 500);
});

test("a cancelled tree of 10,000 jobs in threads, in processes, on the loop and waiting leaves nothing running", async (t) => {
  const path = folder(t);
  const files = { thread: join(path, "thread"), process: join(path, "process") };
  const beats = (file: string): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : []);
  const hands = await connect("memory:");
  t.after(() => hands.close());
  hands.work({ tasks: [jobs], threads: 2, processes: 2, concurrency: 20, report: () => undefined });
  const leaves = Array.from({ length: 10_000 }, (_, i): Call<number> => {
    if (i % 3 === 0) return call(jobs.spinThread, files.thread);
    return i % 3 === 1 ? call(jobs.spinProcess, files.process) : call(jobs.patient);
  });
  const tree = hands.submit(jobs.sum, leaves);
  tree.catch(() => undefined);
  const root = await tree.submitted;
  const spinning = (file: string): string[] => [...new Set(beats(file))];
  await until("two of both kinds spin", () => spinning(files.thread).length === 2 && spinning(files.process).length === 2);
  const pids = spinning(files.process).map((beat) => Number(beat.split(" ")[0]));
  const receipt = await hands.cancel({ root }, { wait: "30s" });
  assert.equal(receipt.requested, 0);
  assert.equal(receipt.killed, 4);
  assert.ok(receipt.stopped >= 20, `${receipt.stopped} stopped`);
  assert.equal(receipt.waiting + receipt.stopped + receipt.killed, 10_001);
  assert.equal(await hands.count({ states: live }), 0);
  assert.equal(await hands.count({ states: ["cancelled"] }), 10_001);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  const before = [beats(files.thread).length, beats(files.process).length];
  // Threads and processes do other work again, and meanwhile nobody spins.
  await hands.submit(jobs.blockThread, 200);
  assert.deepEqual([beats(files.thread).length, beats(files.process).length], before);
  await assert.rejects(Promise.resolve(tree), CancelledError);
});

test("a cancel is not lost with a restart: it outlives its caller and the worker: whoever has the job next does not run it", async (t) => {
  const path = folder(t);
  const url = `sqlite:${join(path, "hands.db")}`;
  const ran = join(path, "ran");
  const worker = new Program(t, join(import.meta.dirname, "../fixtures/worker.ts"), [url, '{"lease":"500ms"}']);
  await worker.says("ready");
  const id = await (async () => {
    await using hands = await connect(url);
    const future = hands.submit(jobs.untilAborted, ran);
    future.catch(() => undefined);
    await until("it runs", () => existsSync(ran) && readFileSync(ran, "utf8").endsWith("\n"));
    worker.kill("SIGSTOP");
    await hands.cancel(future.id, "revoked");
    return future.id;
  })();
  worker.kill("SIGKILL");
  await worker.exited;
  await using hands = await connect(url);
  hands.work({ tasks: [jobs] });
  await assert.rejects(Promise.resolve(hands.job(id)), (error) => error instanceof CancelledError && error.reason === "revoked");
  assert.equal(readFileSync(ran, "utf8"), "started\n", "it was run once");
});

test("a job that waits, one that is not due, one that nobody can take and one that is unknown are told apart", async (t) => {
  const { clock, hands } = await onClock(t);
  const ready = hands.submit(note, "x");
  const due = hands.submit(note.with({ delay: "1h" }), "x");
  await clock.run(Promise.all([ready.submitted, due.submitted]));
  const states = (await hands.jobs()).map(({ id, state }) => [id, state]);
  assert.deepEqual(states, [
    [due.id, "scheduled"],
    [ready.id, "ready"],
  ]);
  assert.deepEqual(
    (await hands.unmatched()).map(({ task, lacks }) => [task, lacks]),
    [["control.note", "queue"]],
  );
  await assert.rejects(clock.run(Promise.resolve(hands.job("nobody"))), /There is no job "nobody"/);
});

const dawdle = task("control.dawdle", async () => {
  // Heeds no signal, and ends within the grace period all the same.
  await new Promise<void>((resolve) => dawdling.push(resolve));
  return "too late";
});
let dawdling: (() => void)[] = [];

test("what a task on the event loop gives after it was asked to stop comes too late, as in a thread or process", async (t) => {
  const { clock, hands } = await onClock(t);
  dawdling = [];
  hands.work({ tasks: [dawdle] });
  const futures = [
    hands.submit(dawdle.with({ timeout: 200 })),
    hands.submit(call(dawdle), { deadline: 300 }),
    hands.submit(dawdle),
  ];
  const failures = futures.map((future) => future.then(String, (error: unknown) => (error as Error).name));
  const missed = assert.rejects(Promise.resolve(futures[1]), /was not done within its deadline of 300 ms\.$/u);
  await clock.advance(100);
  assert.equal(dawdling.length, 3);
  const receipt = hands.cancel(futures[2]?.id ?? "", { wait: "1m" });
  await clock.advance("1s");
  for (const end of dawdling) end();
  assert.deepEqual(await clock.run(Promise.all(failures)), ["TimeoutError", "TimeoutError", "CancelledError"]);
  await missed;
  assert.deepEqual(await clock.run(receipt), { waiting: 0, stopped: 1, killed: 0, requested: 0 });
});

test("what is no id, no filter and no signal's name is refused before a store is asked", async (t) => {
  const { hands } = await onClock(t);
  const any = (value: unknown): never => value as never;
  const refused: readonly (readonly [() => unknown, RegExp])[] = [
    [() => hands.job(any(5)), /^job\(\) takes an id, a text, found 5/],
    [() => hands.logs(any(null)), /^logs\(\) takes an id.*found null/],
    [() => hands.explain(any(5)), /^explain\(\) takes an id/],
    [() => hands.signal(any(5), "go"), /^signal\(\) takes an id/],
    [() => hands.drain(any({})), /^drain\(\) takes an id.*found an object/],
    [() => hands.dismiss(any(undefined)), /^dismiss\(\) takes an id.*found undefined/],
    [() => hands.cancel(any(undefined)), /^cancel\(\) takes the id of a job, or a filter .*found undefined/],
    [() => hands.retry(any(undefined)), /^retry\(\) takes the id of a job, or a filter .*found undefined/],
    [() => hands.remove(any(["a"])), /^remove\(\) takes the id of a job.*found an array of 1/],
    [() => hands.change(any(5), { priority: 1 }), /^change\(\) takes the id of a job.*found 5/],
    [() => hands.cancel({ ids: any([5]) }), /^cancel\(\): ids\[0\] must be a text, found 5/],
    [() => hands.cancel({ ids: any("x") }), /^cancel\(\): ids must be a list, found "x"/],
    [() => hands.jobs({ states: any(["ready", 5]) }), /^jobs\(\): states\[1\] must be a text, found 5/],
    [() => hands.jobs({ task: any({}) }), /^jobs\(\): task must be a text, found an object/],
    [() => hands.jobs({ queue: any(null) }), /^jobs\(\): queue must be a text, found null/],
    [() => hands.jobs({ before: any(5) }), /^jobs\(\) before takes an id, a text, found 5/],
    [() => hands.jobs(any(5)), /^jobs\(\) takes an object of options, found 5/],
    [() => hands.count({ root: any([]) }), /^count\(\): root must be a text, found an array/],
    [() => hands.events({ task: any(5) }), /^events\(\): task must be a text, found 5/],
    [() => hands.events({ signal: any(5) }), /^events\(\) signal must be an AbortSignal, found 5/],
    [() => hands.signal("id", "x".repeat(201)), /^signal\(\) takes a name of 1 to 200 characters/],
    [() => hands.signal("id", ""), /^signal\(\) takes a name of 1 to 200 characters/],
  ];
  for (const [ask, pattern] of refused) {
    await assert.rejects(
      async () => ask(),
      (error) => error instanceof UsageError && pattern.test(error.message),
      String(pattern),
    );
  }
});
