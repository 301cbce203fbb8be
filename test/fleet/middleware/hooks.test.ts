// Middleware around submits and attempts, and those who only listen.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { batchTask, call, CancelledError, connect, context, task, UsageError } from "../../../src/index.ts";
import type { About, Middleware, WorkerEvent } from "../../../src/index.ts";
import { sleep, systemRuntime } from "../../../src/core/runtime.ts";
import { Hands } from "../../../src/fleet/hands.ts";
import { Hooks } from "../../../src/fleet/middleware/hooks.ts";
import { memoryStore } from "../../../src/store/memory/store.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { until } from "../../fixtures/support.ts";

async function fleet(t: TestContext, ...use: Middleware[]): Promise<Hands> {
  const hands = await connect("memory:", { use });
  t.after(() => hands.close());
  return hands;
}

const boom = { retries: 1, backoff: { initial: 1 } } as const;

test("submits go through middleware in order, and back in reverse", async (t) => {
  const log: string[] = [];
  const logging = (name: string): Middleware => ({
    name,
    submit: async ({ task, args }, next) => {
      log.push(`${name}: ${task}(${args.join()})`);
      log.push(`${name}: ${await next()}`);
    },
  });
  const hands = await fleet(t, logging("a"), logging("b"));
  const future = hands.submit(jobs.add, 1, 2);
  const id = await future.submitted;
  assert.deepEqual(log, ["a: jobs.add(1,2)", "b: jobs.add(1,2)", `b: ${id}`, `a: ${id}`]);
});

test("middleware chooses queue, priority and trace, of all calls or of each", async (t) => {
  const trace = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const seen: unknown[] = [];
  const hands = await fleet(
    t,
    { name: "tenant", submit: (_, next) => next({ queue: "acme", trace }) },
    { name: "urgent", submit: (_, next) => next(({ task }) => (task === "jobs.sum" ? { priority: 5 } : {})) },
    { name: "looks", submit: ({ calls, ...root }, next) => (seen.push(root.task, ...calls.map(({ queue }) => queue)), next()) },
  );
  await hands.submit(jobs.sum, [call(jobs.add, 1, 2), call(jobs.add, 3, 4)]).submitted;
  assert.deepEqual(seen, ["jobs.sum", "acme", "acme", "acme"]);
  const stored = await hands.jobs();
  assert.deepEqual(
    stored.map(({ task, queue, priority }) => [task, queue, priority]),
    [
      ["jobs.sum", "acme", 5],
      ["jobs.add", "acme", 0],
      ["jobs.add", "acme", 0],
    ],
  );
});

test("middleware refuses a submit, and nothing is stored", async (t) => {
  const refuse = new RangeError("too much");
  const hands = await fleet(t, {
    name: "guard",
    submit: async ({ args }, next) => {
      if (Number(args[0]) > 9) throw refuse;
      return next();
    },
  });
  const refused = hands.submit(jobs.add, 10, 1);
  await assert.rejects(refused.submitted, refuse);
  await assert.rejects(refused, refuse);
  await hands.submit(jobs.add, 1, 1).submitted;
  const mapped = hands.map(jobs.echo, [10]);
  await assert.rejects(async () => mapped, refuse);
  assert.equal(await hands.count(), 1);
});

test("middleware must call next exactly once", async (t) => {
  const never = await fleet(t, { name: "lazy", submit: () => undefined });
  await assert.rejects(never.submit(jobs.add, 1, 1).submitted, /"lazy" submit\(\) neither called next\(\) nor threw/);
  const twice = await fleet(t, { name: "eager", submit: async (_, next) => [await next(), await next()] });
  await assert.rejects(twice.submit(jobs.add, 1, 1).submitted, /called next\(\) twice/);
  const none = await fleet(t, { name: "idle", run: () => undefined });
  none.work({ tasks: [jobs] });
  await assert.rejects(async () => none.submit(jobs.add, 1, 1), /"idle" run\(\) neither called next/);
});

test("what middleware gets wrong in next() fails the submit", async (t) => {
  for (const [changes, message] of [
    [{ queue: "no queue!" }, /queue/],
    [{ trace: "x" }, /traceparent/],
    [{ priority: 0.5 }, /priority/],
    [{ prority: 1 }, /Did you mean "priority"/],
  ] as const) {
    const hands = await fleet(t, { name: "wrong", submit: (_, next) => next(changes as object) });
    await assert.rejects(hands.submit(jobs.add, 1, 1).submitted, message);
  }
});

test("the run hook is around each attempt, and maps errors", async (t) => {
  const log: string[] = [];
  const hands = await fleet(
    t,
    {
      name: "maps",
      run: async ({ attempt }, next) => {
        try {
          log.push(`${attempt} ${await next()}`);
        } catch (error) {
          throw new TypeError(`mapped: ${(error as Error).message}`, { cause: error });
        }
      },
    },
    { name: "swallows", run: async (_, next) => void (await next().catch(() => "an attempt that failed stays failed")) },
  );
  hands.work({ tasks: [jobs] });
  assert.equal(await hands.submit(jobs.flaky.with(boom), 2), 2);
  assert.deepEqual(log, ["2 done"]);
  await assert.rejects(async () => hands.submit(jobs.boom, "no"), { name: "TypeError", message: "mapped: no" });
});

test("the run hook runs in the worker's program also for tasks in threads; a loop's task sees its async context", async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const places: string[] = [];
  const traced = task("hooks.traced", () => storage.getStore());
  const hands = await fleet(t, {
    name: "traces",
    run: ({ on, args }, next) => (places.push(`${on} ${String(args)}`), storage.run("span", next)),
  });
  hands.work({ tasks: [traced, jobs.blockThread], threads: 1 });
  assert.equal(await hands.submit(traced), "span");
  assert.equal(await hands.submit(jobs.blockThread, 1), true);
  assert.deepEqual(places, ["loop ", "thread 1"]);
});

test("middleware that throws before the attempt, or after it, fails the attempt", async (t) => {
  let ran = 0;
  const counts = task("hooks.counts", () => void (ran += 1));
  const before = await fleet(t, { name: "before", run: () => Promise.reject(new RangeError("before")) });
  before.work({ tasks: [counts] });
  await assert.rejects(async () => before.submit(counts), RangeError);
  assert.equal(ran, 0);
  const after = await fleet(t, {
    name: "after",
    run: async (_, next) => {
      await next();
      throw new RangeError("after");
    },
  });
  after.work({ tasks: [counts] });
  await assert.rejects(async () => after.submit(counts), RangeError);
  assert.equal(ran, 1);
});

test("a job is cancelled while its middleware hangs", async (t) => {
  let isIn = false;
  const hangs = await fleet(t, { name: "hangs", run: () => ((isIn = true), new Promise(() => undefined)) });
  hangs.work({ tasks: [jobs] });
  const future = hangs.submit(jobs.add, 1, 1);
  await future.submitted;
  await until("the middleware hangs", () => isIn);
  await future.cancel();
  await assert.rejects(future, CancelledError);
});

test("an attempt that is suspended goes on, whatever middleware makes of it", async (t) => {
  const came: string[] = [];
  const sleeper = task("hooks.sleeper", async () => {
    await context().waitFor("go");
    return "gone";
  });
  const hands = await fleet(t, {
    name: "watches",
    run: async (_, next) => {
      came.push(await next());
      if (came.length === 1) throw new Error("this is no end");
    },
  });
  hands.work({ tasks: [sleeper] });
  const future = hands.submit(sleeper);
  const id = await future.submitted;
  await until("it waits", async () => (await hands.jobs({ ids: [id] }))[0]?.state === "waiting");
  await hands.signal(id, "go");
  assert.equal(await future, "gone");
  assert.deepEqual(came, ["waiting", "done"]);
});

test("jobs of a batch have middleware each, and run together once it has let them go on", async (t) => {
  const batches: (readonly number[])[] = [];
  const double = batchTask(
    "hooks.double",
    (inputs: readonly number[]) => {
      batches.push(inputs);
      return inputs.map((input) => (input === 4 ? new Error("four") : input * 2));
    },
    { batch: { size: 6, wait: "10s" } },
  );
  const ended: string[] = [];
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const hands = await fleet(t, {
    name: "guards",
    run: async ({ args: [input] }, next) => {
      if (input === 2) throw new RangeError("two");
      if (input === 5) await held;
      await next().catch((error: unknown) => {
        throw new TypeError("mapped", { cause: error });
      });
    },
    ended: ({ args }, { outcome }) => ended.push(`${String(args)} ${outcome}`),
  });
  hands.work({ tasks: [double] });
  const futures = [1, 2, 3, 4, 5, 6].map((input) => hands.submit(double, input));
  const outcomes = Promise.allSettled(futures);
  await until("all but one have been decided about", () => ended.includes("2 failed"));
  await futures[2]?.cancel();
  await until("one is cancelled while it waits for the others", () => ended.includes("3 cancelled"));
  assert.deepEqual(batches, []);
  release();
  assert.deepEqual(
    (await outcomes).map((each) => (each.status === "fulfilled" ? each.value : (each.reason as Error).name)),
    [2, "RangeError", "CancelledError", "TypeError", 10, 12],
  );
  assert.deepEqual(batches, [[1, 4, 6, 5]]);
});

test("listeners are told, and their errors are told and harm nothing", async (t) => {
  const heard: string[] = [];
  const events: WorkerEvent[] = [];
  const hands = await fleet(t, {
    name: "listens",
    submit: (_, next) => next({ priority: 3 }),
    submitted: ({ task, id: own, priority }, id) => heard.push(`submitted ${task} ${own === id} ${priority}`),
    started: ({ attempt }) => heard.push(`started ${attempt}`),
    retry: ({ task }, { error, dueAt }) => heard.push(`retry ${task} ${(error as Error).message} ${dueAt > 0}`),
    ended: (_, { outcome }) => {
      heard.push(`ended ${outcome}`);
      throw new Error("a bad listener");
    },
  });
  hands.work({ tasks: [jobs], report: (event) => events.push(event) });
  assert.equal(await hands.submit(jobs.flaky.with(boom), 2), 2);
  assert.deepEqual(heard, [
    "submitted jobs.flaky true 3",
    "started 1",
    "retry jobs.flaky attempt 1 fails true",
    "ended retry",
    "started 2",
    "ended done",
  ]);
  const failed = events.filter((event) => event.kind === "middleware-failed");
  assert.deepEqual(
    failed.map(({ name, error }) => [name, (error as Error).message]),
    Array(2).fill(['Middleware "listens" ended()', "a bad listener"]),
  );
});

test("the loss of a worker is told", async (t) => {
  const lost: string[] = [];
  const store = memoryStore();
  await store.join({ id: "gone", host: "h", pid: 1, queues: [], tasks: [], startedAt: 0 }, 0);
  const hooks = new Hooks([{ name: "listens", lost: (worker: string) => lost.push(worker) }]);
  const hands = new Hands(store, systemRuntime, { hooks, reveal: undefined, storeId: "" });
  t.after(() => hands.close());
  hands.work({ tasks: [jobs] });
  await until("the loss is told", () => lost.length > 0);
  assert.deepEqual(lost, ["gone"]);
});

test("children of a job are submitted through middleware too", async (t) => {
  const parents: (string | null)[] = [];
  const parent = task("hooks.parent", async () => context().submit(jobs.add, 1, 2));
  const hands = await fleet(t, { name: "sees", submit: ({ parent }, next) => (parents.push(parent), next()) });
  hands.work({ tasks: [parent, jobs] });
  const future = hands.submit(parent);
  assert.equal(await future, 3);
  assert.deepEqual(parents, [null, future.id]);
});

test(
  "progress and log lines that cannot be sealed are told, and keep a worker from nothing else",
  { timeout: 20_000 },
  async (t) => {
    const seal = (text: string, { kind }: About): string => {
      if (kind === "progress" || kind === "record") throw new Error(`no key for a ${kind}`);
      return text;
    };
    const busy = task("hooks.busy", async () => {
      const { log, progress, signal } = context();
      for (let times = 0; !signal.aborted; times++) {
        progress(0.5, `${times}`);
        log(`${times}`);
        await sleep(systemRuntime, 5);
      }
    });
    const hands = await fleet(t, { name: "picky", seal, open: (text) => text });
    const told: string[] = [];
    hands.work({
      tasks: [busy, jobs],
      report: (event) => void (event.kind === "store-failed" && told.push(event.error.message)),
    });
    const running = hands.submit(busy);
    assert.equal(await hands.submit(jobs.add.with({ delay: "50ms" }), 1, 2), 3);
    for (const kind of ["progress", "record"]) await until(`${kind} is told`, () => told.includes(`no key for a ${kind}`));
    await running.cancel();
    await assert.rejects(async () => running, CancelledError);
  },
);

test("parts that cannot be sealed fail their job, and not those of other jobs", async (t) => {
  const seal = (text: string, { kind }: About): string => {
    if (kind === "record" && text.includes("bad")) throw new Error("no key for this one");
    return text;
  };
  const written = Promise.withResolvers<void>();
  const giving = task("hooks.giving", async function* (text: string) {
    yield text;
    await written.promise;
    return text;
  });
  const hands = await fleet(t, { name: "picky", seal, open: (text) => text });
  const futures = ["good", "bad", "fine"].map((text) => hands.submit(giving, text));
  await Promise.all(futures.map(({ submitted }) => submitted));
  // They are written together, before any of these jobs ends.
  hands.work({ tasks: [giving], report: ({ kind }) => void (kind === "store-failed" && written.resolve()) });
  const ended = await Promise.allSettled(futures);
  assert.deepEqual(
    ended.map((each) => (each.status === "fulfilled" ? each.value : (each.reason as Error).message)),
    ["good", "no key for this one", "fine"],
  );
});

test("close waits for what middleware has not let go yet", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hands = await connect("memory:", {
    use: [{ name: "slow", submit: async (_, next) => (await promise, next()) }],
  });
  const { submitted } = hands.submit(jobs.add, 1, 1);
  const closing = hands.close();
  resolve();
  assert.ok(await submitted);
  await closing;
});

test("wrong middleware is refused when connecting", async () => {
  for (const [use, message] of [
    [{}, /use must be a list of middleware, found an object/],
    [[null], /takes an object/],
    [[{ name: "a b" }], /a name has 1 to 64/],
    [[{ name: "a", sumbit: () => 1 }], /Did you mean "submit"/],
    [[{ name: "a", run: 1 }], /run of "a" must be a function/],
    [[{ name: "a" }, { name: "a" }], /two middlewares named "a"/],
    [[{ name: "a", seal: String }], /seal without open/],
    [[{ name: "a", sealsAll: true }], /sealsAll of "a"/],
    [[{ name: "offload" }, { name: "encryption" }], /Put encryption first/],
  ] as const) {
    await assert.rejects(connect("memory:", { use: use as unknown as Middleware[] }), (error: unknown) => {
      return error instanceof UsageError && message.test(error.message);
    });
  }
});
