// What was done is undone, also where the last attempt ends before it has met the steps that an earlier one recorded.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CancelledError, connect, context, task, TimeoutError, UndoError } from "../../src/index.ts";
import type { Hands } from "../../src/index.ts";
import { sleep } from "../../src/core/runtime.ts";
import { simulate } from "../../src/testing/index.ts";
import { deaf, deafBefore, lengthy, slowChild, slowly, thread } from "../fixtures/undoing.ts";
import { folder, until } from "../fixtures/support.ts";
import { networks } from "../servers/fresh.ts";

async function inMemory(run: (hands: Hands) => Promise<void>): Promise<void> {
  await using hands = await connect("memory:");
  await run(hands);
}

const lines = (file: string): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : []);
const thrown = (future: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(future).then(
    () => undefined,
    (error: unknown) => error,
  );
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
const once = { retries: 1, backoff: { initial: 1 } };

/** A task that does `before` ahead of each of its steps, and ends when it is signalled. */
function saga(name: string, done: string[], before: (step: string) => unknown) {
  return task(name, async () => {
    const { step, waitFor } = context();
    for (const each of ["a", "b"]) {
      await before(each);
      await step(each, () => done.push(each), { undo: () => void done.push(`undo ${each}`) });
    }
    await waitFor("go");
    throw new Error("told to fail");
  });
}

test("a job that is cancelled before it has met its steps again undoes them", async () => {
  const done: string[] = [];
  let waits = false;
  const trip = saga("undoing.cancelled", done, async () => {
    const { signal } = context();
    if (waits) await untilAborted(signal).finally(() => (waits = false));
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    waits = true;
    await hands.signal(future.id, "other");
    await until("it runs", async () => (await hands.count({ states: ["running"] })) === 1);
    await future.cancel("rain");
    assert.ok((await thrown(future)) instanceof CancelledError);
    assert.deepEqual(done, ["a", "b", "undo b", "undo a"]);
    assert.equal((await hands.jobs())[0]?.state, "cancelled");
  });
});

test("a job whose last attempt fails before it has met its steps undoes them and fails with that error", async () => {
  const done: string[] = [];
  const failures = [false, false, true];
  const trip = saga("undoing.failed", done, () => {
    if (failures.shift()) throw new Error("no network");
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip.with({ expires: "1h" }));
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await hands.signal(future.id, "other");
    await assert.rejects(future, /no network/);
    assert.deepEqual(done, ["a", "b", "undo b", "undo a"]);
    assert.equal((await hands.jobs())[0]?.attempt, 1);
  });
});

async function failsThenIsCancelled(url: string): Promise<void> {
  const done: string[] = [];
  const goesOn = Promise.withResolvers<void>();
  let isAborted = (): boolean => false;
  const trip = task("undoing.both", async () => {
    const { step, signal } = context();
    isAborted = () => signal.aborted;
    const undo = async (): Promise<void> => {
      done.push("undoing a");
      await goesOn.promise;
      done.push("undone a");
    };
    await step("a", () => done.push("a"), { undo });
    throw new Error("no network");
  });
  await using hands = await connect(url);
  hands.work({ tasks: [trip] });
  const future = hands.submit(trip);
  const ends = assert.rejects(future, /no network/);
  await until("it undoes", () => done.includes("undoing a"));
  assert.equal((await hands.cancel(future.id, "rain")).requested, 1);
  await until("its attempt knows", () => isAborted());
  goesOn.resolve();
  await ends;
  assert.deepEqual(done, ["a", "undoing a", "undone a"]);
  const { job, reasons } = await hands.explain(future.id);
  assert.deepEqual([job.state, job.cancelReason], ["failed", "rain"]);
  assert.deepEqual(
    reasons.map(({ text }) => text),
    ["no network", "It was asked to stop as well: rain"],
  );
}

test("a job that is cancelled while it is undone, since it failed, has failed, and says both", () => {
  return failsThenIsCancelled("memory:");
});
test("the same on SQLite", (t) => failsThenIsCancelled(`sqlite:${join(folder(t), "hands.db")}`));
for (const { kind, given, fresh } of networks()) {
  test(`the same on ${kind}`, { skip: "skip" in given && given.skip }, () => failsThenIsCancelled(fresh()));
}

test("steps that the last attempt has met are undone together with those it has not", async () => {
  const done: string[] = [];
  const failures = [false, false, false, true];
  const trip = saga("undoing.partly", done, () => {
    if (failures.shift()) throw new Error("no network");
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await hands.signal(future.id, "other");
    await assert.rejects(future, /no network/);
    assert.deepEqual(done, ["a", "b", "undo b", "undo a"]);
  });
});

test("steps that are not met when the job runs once more are told of, and a retry by hand goes on with them", async () => {
  const done: string[] = [];
  let fails = false;
  const trip = saga("undoing.never", done, (step) => {
    if (fails && step === "b") throw new Error("no network");
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip.with(once));
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    fails = true;
    await hands.signal(future.id, "other");
    const error = await thrown(future);
    assert.ok(error instanceof UndoError);
    assert.deepEqual(error.steps, ["b"]);
    assert.match(error.message, /"b": .*no network/);
    assert.deepEqual(done, ["a", "b", "undo a"]);
    fails = false;
    await hands.retry(future.id);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await hands.signal(future.id, "go");
    await assert.rejects(hands.job(future.id), /told to fail/);
    assert.deepEqual(done.slice(3), ["a", "undo b", "undo a"]);
  });
});

test("a deadline that passes before the steps are met again undoes them", async () => {
  const done: string[] = [];
  let waits = false;
  const trip = saga("undoing.deadline", done, async () => {
    const { signal } = context();
    signal.throwIfAborted();
    if (waits) await untilAborted(signal).finally(() => (waits = false));
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip.with({ deadline: "400ms" }));
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    waits = true;
    await hands.signal(future.id, "other");
    assert.match(String(await thrown(future)), /^TimeoutError/);
    assert.deepEqual(done, ["a", "b", "undo b", "undo a"]);
  });
});

test("whenever sagas fail or are cancelled, nothing is left of them but what an UndoError names", async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.diagnostic(`seed ${seed}`);
  const booked = new Set<string>();
  const trip = task(
    "undoing.random",
    async (n: number) => {
      const { step, sleep, signal } = context();
      for (const name of ["a", "b", "c"]) {
        signal.throwIfAborted();
        if (chance() < 0.15) throw new Error("no network");
        await step(name, () => void booked.add(`${n} ${name}`), { undo: () => void booked.delete(`${n} ${name}`) });
        await sleep("10m", { name });
      }
    },
    { ...once, crashes: 1000, deadline: "25m" },
  );
  let state = seed;
  const chance = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  await simulate(seed, {
    tasks: [trip],
    limit: "2d",
    faults: { crash: 0, stall: 0 },
    program: async (hands, clock) => {
      const futures = Array.from({ length: 60 }, (_, n) => hands.submit(trip, n));
      await Promise.all(futures.map(({ submitted }) => submitted));
      const cancelling = futures.map(async (future, n) => {
        await sleep(clock, chance() * 30 * 60_000);
        if (n % 2 === 0) await future.cancel("rain");
      });
      const ends = await Promise.all(futures.map((future) => thrown(future)));
      await Promise.all(cancelling);
      for (const [n, error] of ends.entries()) {
        const left = ["a", "b", "c"].filter((name) => booked.has(`${n} ${name}`));
        const named = error instanceof UndoError ? error.steps : [];
        assert.deepEqual(left, error === undefined ? ["a", "b", "c"] : named.toSorted(), `seed ${seed}: ${n} ${String(error)}`);
      }
    },
  });
});

for (const on of ["thread", "process"] as const) {
  test(`a ${on} that hears nothing is ended, and its job's steps are undone`, async (t) => {
    const file = join(folder(t), "lines");
    await using hands = await connect("memory:");
    hands.work({ tasks: [deaf.with({ on }), deafBefore.with({ on })], threads: 1, processes: 1 });

    const cancelled = hands.submit(deaf.with({ on }), file);
    await until("it has booked", () => lines(file).length === 1);
    await cancelled.cancel();
    assert.match(String(await thrown(cancelled)), /^CancelledError/);
    assert.deepEqual(lines(file), ["book", "undo book"]);

    if (on === "process") return;
    rmSync(file);
    const late = hands.submit(deaf.with({ on, deadline: "1s" }), file);
    assert.match(String(await thrown(late)), /^TimeoutError/);
    assert.deepEqual(lines(file), ["book", "undo book"]);

    rmSync(file);
    const before = hands.submit(deafBefore.with({ on }), file);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    writeFileSync(`${file}.deaf`, "");
    await hands.signal(before.id, "other");
    await until("it has begun again", () => lines(file).length === 3);
    const startedAt = async (): Promise<unknown> => (await hands.jobs({ ids: [before.id] }))[0]?.startedAt;
    const second = await startedAt();
    await before.cancel();
    await until("it has been ended and begun again", async () => (await startedAt()) !== second);
    rmSync(`${file}.deaf`);
    assert.match(String(await thrown(before)), /^CancelledError/);
    assert.deepEqual(lines(file), ["begin", "book", "begin", "begin", "undo book"]);
  });
}

test("a task that ends when it is stopped keeps its thread, however long its undo takes", async (t) => {
  const file = join(folder(t), "lines");
  const on = { on: "thread" } as const;
  await inMemory(async (hands) => {
    hands.work({ tasks: [lengthy.with(on), thread.with(on)], threads: 1 });
    const cancelled = hands.submit(lengthy.with(on), file);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await cancelled.cancel();
    assert.match(String(await thrown(cancelled)), /^CancelledError/);
    assert.deepEqual(lines(file), [await hands.submit(thread.with(on)), "undone"]);
  });
});

test("a tree that is cancelled while a thread undoes with a deadline is undone to its end", async (t) => {
  const file = join(folder(t), "lines");
  await using hands = await connect("memory:");
  const parent = slowly.with({ on: "thread", deadline: "1s" });
  hands.work({ tasks: [parent, slowChild.with({ on: "thread" })], threads: 2 });
  const future = hands.submit(parent, file);
  await until("its child sleeps", async () => (await hands.count({ states: ["waiting"], task: slowChild.name })) === 1);
  await until("it undoes", () => lines(file).includes("undo begins"));
  await hands.cancel({ root: await future.submitted });
  const error = await thrown(future);
  assert.ok(error instanceof TimeoutError || error instanceof CancelledError, String(error));
  await until("all has ended", async () => (await hands.count({ states: ["waiting", "running", "ready"] })) === 0);
  assert.deepEqual(lines(file).toSorted(), ["book", "child", "undo begins", "undo child", "undone"]);
});
