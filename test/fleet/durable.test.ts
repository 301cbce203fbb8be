// Durable steps, sleeps, signals and undoing: what a task remembers over crashes, retries and days.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { CancelledError, CodecError, connect, context, task, TimeoutError, UndoError, UsageError } from "../../src/index.ts";
import type { Hands, WorkerEvent } from "../../src/index.ts";
import { simulate } from "../../src/testing/index.ts";
import { late, undoing } from "../fixtures/asking.ts";
import { folder, until } from "../fixtures/support.ts";

const hour = 36e5;

async function inMemory(run: (hands: Hands) => Promise<void>): Promise<void> {
  await using hands = await connect("memory:");
  await run(hands);
}

test("a step runs once, however often its task does", async () => {
  const ran: string[] = [];
  const order = task("durable.order", async (item: string) => {
    const { step, attempt } = context();
    const paid = await step("pay", () => ran.push(`pay ${item}`));
    const sent = await step("send", async () => ({ item, at: new Date(paid) }));
    if (attempt === 1) throw new Error("the first attempt fails");
    await step("pay", () => ran.push("pay again"));
    return sent;
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [order] });
    const sent = await hands.submit(order.with({ retries: 1, backoff: { initial: 1 } }), "book");
    assert.deepEqual(sent, { item: "book", at: new Date(1) });
    assert.deepEqual(ran, ["pay book", "pay again"], "the second step of that name is another");
  });
});

test("steps that are called as others are counted, or as what is not the task's, are not taken for those", async () => {
  const named = task("durable.named", async () => {
    const { step } = context();
    await assert.rejects(
      step("!undoing", () => 0),
      /Give it another name/,
    );
    return [await step("a", () => 1), await step("a#2", () => 2), await step("a", () => 3), await step("a#2", () => 4)];
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [named] });
    assert.deepEqual(await hands.submit(named), [1, 2, 3, 4]);
  });
});

test("a step that is called as a wait is recorded is not taken for it, nor one wait for another", async () => {
  const named = task("durable.waits", async () => {
    const { step, sleep, waitFor } = context();
    const steps = [await step("wait x", () => 1), await step("until wait x", () => 2), await step("sleep 1ms", () => 3)];
    await sleep("1ms");
    const signals = [await waitFor("x", { timeout: "1h" }), await waitFor("x"), await waitFor("x#2")];
    return [...steps, ...signals];
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [named] });
    const future = hands.submit(named);
    for (const [signal, payload] of [
      ["x", "a"],
      ["x", "b"],
      ["x#2", "c"],
    ] as const) {
      await hands.signal(future.id, signal, payload);
    }
    assert.deepEqual(await future, [1, 2, 3, "a", "b", "c"]);
  });
});

test("what a step gives is a copy, and must be something that can be stored", async () => {
  class Money {
    readonly amount = 5;
  }
  const given = task("durable.copy", async () => {
    const { step } = context();
    const list = [1, 2];
    const copy = await step("list", () => list);
    await assert.rejects(
      step("money", () => new Money()),
      CodecError,
    );
    await assert.rejects(
      step("", () => 1),
      UsageError,
    );
    return copy !== list;
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [given] });
    assert.equal(await hands.submit(given), true);
  });
});

test("a long sleep survives crashes of the workers and holds no slot", async () => {
  const sleeper = task("durable.sleeper", async (n: number) => {
    const { step, sleep } = context();
    const before = await step("before", () => n);
    await sleep("3h");
    await sleep("10m");
    return before + 1;
  });
  const hardy = sleeper.with({ crashes: 1000 });
  const seed = Date.now() % 2 ** 31;
  const { value, elapsedMs } = await simulate(seed, {
    tasks: [hardy],
    limit: "1d",
    faults: { crash: 0.05 },
    program: async (hands) => {
      // Many more than there are slots: none of them holds one while it sleeps.
      const futures = Array.from({ length: 40 }, (_, n) => hands.submit(hardy, n));
      return Promise.all(futures);
    },
  });
  assert.deepEqual(
    value,
    Array.from({ length: 40 }, (_, n) => n + 1),
  );
  assert.ok(elapsedMs >= 3 * hour && elapsedMs < 4 * hour, `seed ${seed}: ${elapsedMs} ms`);
});

test("a short sleep is spent in memory, and a time that has passed does not wait", async () => {
  let runs = 0;
  const nap = task("durable.nap", async () => {
    runs += 1;
    const { sleep } = context();
    await sleep(20);
    await sleep(new Date(0));
    return runs;
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [nap] });
    assert.equal(await hands.submit(nap), 1);
  });
});

test("a job waits for a signal, sent before it asks or after it was suspended; each signal is given once", async () => {
  let runs = 0;
  const approval = task("durable.approval", async () => {
    runs += 1;
    const { waitFor } = context();
    const first = await waitFor("approve");
    const second = await waitFor("approve", { timeout: "1d" });
    return [first, second];
  });
  await inMemory(async (hands) => {
    const future = hands.submit(approval);
    await hands.signal(future.id, "approve", { by: "ann" });
    hands.work({ tasks: [approval] });
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await hands.signal(future.id, "other");
    await hands.signal(future.id, "approve", { by: "bob" });
    assert.deepEqual(await future, [{ by: "ann" }, { by: "bob" }]);
    assert.ok(runs >= 2);
    await assert.rejects(hands.signal(future.id, "approve"), UsageError);
    await assert.rejects(hands.signal("nobody", "approve"), /no such job/);
    await assert.rejects(
      hands.signal(future.id, "x", () => 1),
      CodecError,
    );
  });
});

test("a signal brings whatever an argument may be, also nothing", async () => {
  const asking = task("durable.payloads", async (count: number) => {
    const got: unknown[] = [];
    for (let n = 0; n < count; n++) got.push(await context().waitFor("go"));
    return got;
  });
  const sent = [undefined, null, new Date(0), new Map([["a", 1n]]), Number.NaN, { a: undefined }, "text"];
  await inMemory(async (hands) => {
    const future = hands.submit(asking, sent.length);
    for (const payload of sent) await hands.signal(future.id, "go", payload);
    hands.work({ tasks: [asking] });
    assert.deepEqual(await future, sent);
  });
});

test("a wait for a signal may end by its time", async () => {
  const impatient = task("durable.impatient", async () => {
    try {
      await context().waitFor("never", { timeout: "2h" });
    } catch (error) {
      return error instanceof TimeoutError ? error.afterMs : 0;
    }
    return 0;
  });
  const { value, elapsedMs } = await simulate(7, {
    tasks: [impatient],
    limit: "1d",
    program: (hands) => hands.submit(impatient),
  });
  assert.equal(value, 2 * hour);
  assert.ok(elapsedMs >= 2 * hour);
});

test("a sleep beside a step that runs waits in memory until that has ended", async () => {
  let runs = 0;
  const both = task("durable.both", async () => {
    runs += 1;
    const { sleep, step, waitFor } = context();
    const { promise, resolve } = Promise.withResolvers<string>();
    setImmediate(() => resolve("stepped"));
    const [stepped, , signal] = await Promise.all([step("slow", () => promise), sleep("2s"), waitFor("go")]);
    return [stepped, signal];
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [both] });
    const future = hands.submit(both);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await hands.signal(future.id, "go", 1);
    assert.deepEqual(await future, ["stepped", 1]);
    assert.ok(runs >= 2);
  });
});

test("the first of a signal and a sleep wakes a job, on a store that takes its time", async (t) => {
  const raced = task("durable.raced", async () => {
    const { sleep, waitFor } = context();
    return Promise.race([waitFor("x"), sleep("1500ms").then(() => "slept")]);
  });
  await using hands = await connect(`sqlite:${join(folder(t), "hands.db")}`);
  hands.work({ tasks: [raced] });
  assert.equal(await hands.submit(raced), "slept");
});

test("a sleep that was not awaited to its end keeps no program alive", () => {
  const source = JSON.stringify(new URL("../../src/pool/index.ts", import.meta.url).href);
  const face = JSON.stringify(new URL("../../src/index.ts", import.meta.url).href);
  const program = `
    import { context, task } from ${face};
    import { InlinePool } from ${source};
    const raced = task("durable.left", () => Promise.race([context().sleep("1h"), context().step("quick", () => "quick")]));
    await using pool = new InlinePool();
    console.log(await pool.submit(raced));`;
  const ran = spawnSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8", timeout: 30_000 });
  assert.deepEqual([ran.status, ran.stdout.trim()], [0, "quick"], ran.stderr);
});

test("a signal that nobody waits for wakes no sleeper, over and over", async () => {
  let runs = 0;
  const deaf = task("durable.deaf", async () => {
    runs += 1;
    const { sleep, waitFor } = context();
    await waitFor("go");
    await sleep("1500ms");
    return sleep("1600ms");
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [deaf] });
    const future = hands.submit(deaf);
    for (let n = 0; n < 3; n++) await hands.signal(future.id, "go");
    await future;
    assert.ok(runs <= 8, `it ran ${runs} times`);
  });
});

test("a suspended attempt takes no further step", async () => {
  let effects = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const split = task("durable.split", async () => {
    const { step, waitFor } = context();
    const late = promise.then(() => step("effect", () => (effects += 1)));
    const [signal] = await Promise.all([waitFor("go"), late]);
    return signal;
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [split] });
    const future = hands.submit(split);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    resolve();
    await until("a turn has passed", async () => (await hands.count()) === 1);
    assert.equal(effects, 0);
    await hands.signal(future.id, "go", 1);
    assert.equal(await future, 1);
    assert.equal(effects, 1);
  });
});

test("an attempt that fails ends only when its steps have, so that none runs twice at a time", async () => {
  let most = 0;
  let now = 0;
  const slow = async (): Promise<number> => {
    now += 1;
    most = Math.max(most, now);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return (now -= 1);
  };
  const both = task("durable.both-steps", async () => {
    const { step, attempt } = context();
    const bad = (): number => {
      if (attempt === 1) throw new Error("the first time");
      return 1;
    };
    return Promise.all([step("slow", slow), step("bad", bad)]);
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [both] });
    assert.deepEqual(await hands.submit(both.with({ retries: 1, backoff: { initial: 0 } })), [0, 1]);
    assert.equal(most, 1);
  });
});

function saga(done: string[], fails: () => boolean, name: string) {
  return task(name, async () => {
    const { step, sleep } = context();
    const undo = (what: string) => (result: unknown) => void done.push(`undo ${what} ${String(result)}`);
    await step("flight", () => done.push("flight") && "F1", { undo: undo("flight") });
    await step("hotel", () => done.push("hotel") && "H1", { undo: undo("hotel") });
    await step("mail", () => done.push("mail"));
    if (fails()) throw new Error("the card was refused");
    await sleep("1h");
    return "booked";
  });
}

test("steps are refused what they do not know", async () => {
  const told: string[] = [];
  const telling = async (run: () => Promise<unknown>): Promise<void> => {
    await run().catch((error: unknown) => told.push(error instanceof UsageError ? error.message : `${String(error)}!`));
  };
  const wrong = task("durable.wrong", async () => {
    const { step, sleep, waitFor } = context() as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>;
    assert.ok(step && sleep && waitFor);
    await telling(() => step("pay", () => 1, { Undo: () => 1 }));
    await telling(() => step("pay", () => 1, { undo: 5 }));
    await telling(() => step("pay", () => 1, null));
    await telling(() => step("pay", 7));
    await telling(() => waitFor("x", { timeOut: "1s" }));
    await telling(() => sleep("1s", { nam: "x" }));
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [wrong] });
    await hands.submit(wrong);
  });
  const expected = [/"Undo".*Did you mean "undo"/, /undo must be a function, found 5/, /object of options, found null/];
  for (const [i, pattern] of [...expected, /takes a function, found 7/, /Did you mean "timeout"/, /"nam"/].entries()) {
    assert.match(told[i] ?? "nothing", pattern);
  }
});

for (const on of ["loop", "thread"] as const) {
  test(
    `steps of a task that has ended are refused, and one that is called in an undo, on the ${on}`,
    { timeout: 20_000 },
    async () => {
      await inMemory(async (hands) => {
        hands.work({ tasks: [late, undoing], threads: 1 });
        const place = on === "thread" ? { on } : {};
        await hands.submit(late.with(place));
        const refused = (await hands.submit(late.with(place))).map(String);
        assert.equal(refused.length, 2);
        for (const each of refused)
          assert.match(each, /UsageError: context\(\).(step|submit)\(\) was called when its task had ended/);
        const failed = hands.submit(undoing.with(place));
        await assert.rejects(Promise.resolve(failed), (error: unknown) => {
          assert.ok(error instanceof UndoError, String(error));
          assert.match(error.message, /"second": context\(\).step\(\) was called when its task had ended/);
          return true;
        });
        const { lines } = await hands.logs(failed.id);
        assert.deepEqual(
          lines.map(({ line }) => line),
          [`undone by ${failed.id}`],
        );
      });
    },
  );
}

test("steps are undone in reverse order when the job fails for good, and not while there are retries", async () => {
  const done: string[] = [];
  let left = 2;
  const trip = saga(done, () => left-- > 0, "durable.trip");
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    await assert.rejects(hands.submit(trip.with({ retries: 1, backoff: { initial: 1 } })), /the card was refused/);
    assert.deepEqual(done, ["flight", "hotel", "mail", "undo hotel H1", "undo flight F1"]);
    const [job] = await hands.jobs({ states: ["failed"] });
    assert.equal(job?.attempt, 2);
    // A retry by hand does again what was undone, and only that.
    const id = job?.id ?? "";
    await hands.retry(id);
    await until("it sleeps", async () => (await hands.count({ states: ["waiting"] })) === 1);
    assert.deepEqual(done.slice(5), ["flight", "hotel"]);
  });
});

test("a suspended job that is cancelled undoes its steps", async () => {
  const done: string[] = [];
  const trip = saga(done, () => false, "durable.cancelled-trip");
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip);
    await until("it sleeps", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await future.cancel("rain");
    await assert.rejects(future, (error: unknown) => error instanceof CancelledError && error.reason === "rain");
    assert.deepEqual(done, ["flight", "hotel", "mail", "undo hotel H1", "undo flight F1"]);
  });
});

test("a running job that is cancelled undoes its steps", async () => {
  const done: string[] = [];
  const stuck = task("durable.stuck", async () => {
    const { step, signal } = context();
    await step("one", () => 1, { undo: (one) => void done.push(`undo ${one}`) });
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [stuck] });
    const future = hands.submit(stuck);
    await until("it runs", async () => (await hands.count({ states: ["running"] })) === 1);
    await until("the step is recorded", async () => (await future.cancel("enough")).requested === 1);
    await assert.rejects(future, (error: unknown) => error instanceof CancelledError && error.reason === "enough");
    assert.deepEqual(done, ["undo 1"]);
  });
});

test("a job that waits for its retry undoes its steps when it is cancelled, and begins anew when it is retried by hand", async () => {
  const done: string[] = [];
  let fails = true;
  const trip = saga(done, () => fails, "durable.retried-trip");
  await inMemory(async (hands) => {
    hands.work({ tasks: [trip] });
    const future = hands.submit(trip.with({ retries: 3, backoff: { initial: "1h" } }));
    await until("it waits for its retry", async () => (await hands.count({ states: ["scheduled"] })) === 1);
    await future.cancel("rain");
    await future.cancel("more rain");
    await assert.rejects(future, CancelledError);
    assert.deepEqual(done, ["flight", "hotel", "mail", "undo hotel H1", "undo flight F1"]);
    fails = false;
    await hands.retry(future.id);
    await until("it sleeps", async () => (await hands.count({ states: ["waiting"] })) === 1);
    assert.deepEqual(done.slice(5), ["flight", "hotel"]);
  });
});

test("a step that cannot be undone is told of", async () => {
  const bad = task("durable.bad", async () => {
    const { step } = context();
    const undo = (): never => {
      throw new Error("no way back");
    };
    await step("a", () => 1, { undo: () => undefined });
    await step("b", () => 1, { undo });
    throw new Error("why");
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [bad] });
    const error: unknown = await hands.submit(bad).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof UndoError);
    assert.deepEqual(error.steps, ["b"]);
    assert.match(error.message, /"b": no way back.*why/);
    assert.equal((error.cause as Error).message, "why");
  });
});

test("with workers that crash, every step of every saga is undone exactly as often as it counts", async () => {
  const seed = Date.now() % 2 ** 31;
  const state = new Map<string, number>();
  const add = (key: string, by: number): void => void state.set(key, (state.get(key) ?? 0) + by);
  const trip = task("durable.crashing-trip", async (n: number) => {
    const { step, sleep } = context();
    for (const name of ["a", "b", "c"]) {
      // What is done twice because a crash came before it was recorded is done for the same key: effects are at least once.
      await step(name, () => state.set(`${n} ${name}`, 1) && name, { undo: () => void state.set(`${n} ${name}`, 0) });
      await sleep("10m", { name });
    }
    add(`end ${n}`, 1);
    if (n % 2 === 0) throw new Error("refused");
  });
  const crashing = trip.with({ crashes: 1000 });
  await simulate(seed, {
    tasks: [crashing],
    limit: "2d",
    // A worker that only stalls goes on with a step after others have undone it: what it does then, no store can prevent.
    faults: { crash: 0.05, stall: 0 },
    program: async (hands) => {
      const futures = Array.from({ length: 20 }, (_, n) => hands.submit(crashing, n));
      const settled = await Promise.allSettled(futures);
      for (const [n, { status }] of settled.entries()) {
        assert.equal(status, n % 2 === 0 ? "rejected" : "fulfilled", `seed ${seed}`);
        for (const name of ["a", "b", "c"]) assert.equal(state.get(`${n} ${name}`), n % 2, `seed ${seed}: ${n} ${name}`);
      }
    },
  });
});

test("a changed program is met by the names of its steps, and what it lacks is told", async () => {
  const events: WorkerEvent[] = [];
  const ran: string[] = [];
  const version = (names: readonly string[]) =>
    task(`durable.changed`, async () => {
      const { step, waitFor } = context();
      for (const name of names) await step(name, () => ran.push(name));
      return waitFor("go");
    });
  const [old, renewed] = [version(["a", "b", "c"]), version(["x", "c", "a"])];
  await inMemory(async (hands) => {
    const first = hands.work({ tasks: [old] });
    const future = hands.submit(old);
    await until("it waits", async () => (await hands.count({ states: ["waiting"] })) === 1);
    await first.stop();
    hands.work({ tasks: [renewed], report: (event) => void events.push(event) });
    await hands.signal(future.id, "go", "end");
    assert.equal(await future, "end");
    assert.deepEqual(ran, ["a", "b", "c", "x"]);
    const changed = events.find(({ kind }) => kind === "steps-changed");
    assert.deepEqual(changed, {
      kind: "steps-changed",
      id: future.id,
      task: "durable.changed",
      gone: ["b"],
      fresh: ["x", "wait go"],
    });
  });
});
