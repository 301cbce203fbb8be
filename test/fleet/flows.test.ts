// Graphs on a fleet: callbacks, retries of what failed, members that end in every way, and what a graph costs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  call,
  chord,
  chunks,
  collect,
  connect,
  context,
  DependencyFailedError,
  group,
  skip,
  task,
  TimeoutError,
  UsageError,
} from "../../src/index.ts";
import type { Call, CallFailure, Hands, JobInfo } from "../../src/index.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { plan } from "../../src/fleet/plan.ts";
import type { NewJob } from "../../src/store/job.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import { Hands as HandsOnStore } from "../../src/fleet/hands.ts";
import { seededRandom, simulate, TestClock } from "../../src/testing/index.ts";
import { folder, Program, until } from "../fixtures/support.ts";

const double = task("flows.double", (n: number) => n * 2);
const sum = task("flows.sum", (numbers: number[]) => numbers.reduce((a, b) => a + b, 0));
const refuse = task("flows.refuse", (why: string): number => {
  throw new RangeError(why);
});
const statuses = task("flows.statuses", (outcomes: PromiseSettledResult<unknown>[]) =>
  outcomes.map(({ status }) => status).join(" "),
);
const told: unknown[] = [];
const tell = task("flows.tell", (what: unknown) => void told.push(what));
const tellFailure = task("flows.tellFailure", (failure: CallFailure) => void told.push(failure));
const tasks = [double, sum, refuse, statuses, tell, tellFailure];

async function inMemory(run: (hands: Hands) => Promise<void>): Promise<void> {
  told.length = 0;
  await using hands = await connect("memory:");
  await run(hands);
}

async function untilAllEnded(hands: Hands): Promise<void> {
  await until("every job has ended", async () => {
    return (await hands.count({ states: ["ready", "running", "blocked", "scheduled", "waiting"] })) === 0;
  });
}

/** The callbacks of a job, by the last part of their ids. */
async function callbacksOf(hands: Hands, root: string): Promise<Record<string, JobInfo>> {
  const found = await hands.jobs({ ids: [`${root}.onDone`, `${root}.onFailed`] });
  return Object.fromEntries(found.map((job) => [job.id.slice(root.length + 1), job]));
}

test("onDone gets the result, and onFailed has nothing to do", async () => {
  await inMemory(async (hands) => {
    hands.work({ tasks });
    const future = hands.submit(chord([call(double, 1), call(double, 2)], sum), { onDone: tell, onFailed: tellFailure });
    assert.equal(await future, 6);
    await untilAllEnded(hands);
    assert.deepEqual(told, [6]);
    const { onDone, onFailed } = await callbacksOf(hands, future.id);
    assert.equal(onDone?.state, "done");
    assert.equal(onFailed?.state, "cancelled");
    assert.equal(onDone?.root, future.id);
  });
});

test("onFailed is told how a call failed, and which job", async () => {
  await inMemory(async (hands) => {
    hands.work({ tasks });
    const future = hands.submit(call(double, call(refuse, "not today")), { onDone: tell, onFailed: tellFailure });
    await assert.rejects(future, DependencyFailedError);
    await untilAllEnded(hands);
    const [failure] = told as CallFailure[];
    assert.equal(told.length, 1);
    assert.equal(failure?.name, "DependencyFailedError");
    assert.match(failure?.message ?? "", /flows\.double > flows\.refuse\): not today/);
    assert.deepEqual([failure?.job, failure?.state], [future.id, "failed"]);
    assert.equal((await callbacksOf(hands, future.id))["onDone"]?.state, "failed");
  });
});

test("onFailed is told of calls that were cancelled or have expired, too", async () => {
  await inMemory(async (hands) => {
    const cancelled = hands.submit(call(double, 1), { onFailed: tellFailure });
    await cancelled.cancel("not wanted");
    const expired = hands.submit(call(double.with({ expires: 1 }), 1), { onFailed: tellFailure });
    await assert.rejects(cancelled, /not wanted/);
    await expired.submitted;
    await delay(5);
    hands.work({ tasks });
    await untilAllEnded(hands);
    const seen = (told as CallFailure[]).map(({ name, job, state }) => [name, job, state]);
    assert.deepEqual(
      new Set(seen.map(String)),
      new Set([`CancelledError,${cancelled.id},cancelled`, `ExpiredError,${expired.id},expired`]),
    );
  });
});

test("a callback may be a call, with arguments of its own", async () => {
  await inMemory(async (hands) => {
    hands.work({ tasks });
    await hands.submit(call(double, 1), { onDone: call(tell, "ready"), onFailed: call(tell, "never") });
    await assert.rejects(async () =>
      hands.submit(call(refuse, "no"), { onDone: call(tell, "never"), onFailed: call(tell, "alas") }),
    );
    await untilAllEnded(hands);
    assert.deepEqual(new Set(told), new Set(["alas", "ready"]));
    assert.equal(told.length, 2);
    assert.throws(() => hands.submit(call(double, 1), { onDone: call(tell, call(double, 2)) }), UsageError);
    assert.throws(
      () => hands.submit(call(double, 1), { onDone: "tell" as never }),
      /onDone must be a task or a call, found "tell"/,
    );
    assert.throws(() => hands.submit(call(double, 1), { onDnoe: tell } as never), /Did you mean "onDone"/);
    assert.throws(() => hands.submit(call(double, 1), { priority: 1.5 }), /priority must be a whole number/);
    assert.throws(() => hands.submit(call(double, 1), { deadline: 0 }), /deadline must be longer than 0/);
  });
});

test(
  "submitters and workers killed at any moment: every callback that was acknowledged runs",
  { timeout: 100_000 },
  async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const path = folder(t);
    const url = `sqlite:${join(path, "hands.db")}`;
    const [done, failed, acknowledged] = ["done", "failed", "acknowledged"].map((name) => join(path, name)) as [
      string,
      string,
      string,
    ];
    const fixtures = join(import.meta.dirname, "../fixtures");
    const env = { FLOW_FAILED: failed };
    const start = [
      () => new Program(t, join(fixtures, "flow-submitter.ts"), [url, done, acknowledged], env),
      () => new Program(t, join(fixtures, "flow-worker.ts"), [url], env),
    ] as const;
    for (let i = 0; i < 4; i++) {
      const programs = start.map((run) => run());
      for (const program of programs) await program.says("ready");
      await delay(50 + random() * 100);
      for (const program of programs) program.kill("SIGKILL");
      for (const program of programs) await program.exited;
    }
    await using hands = await connect(url);
    const worker = start[1]();
    await worker.says("ready");
    await until(
      "all has ended",
      async () => {
        return (await hands.count({ states: ["ready", "running", "blocked", "scheduled", "waiting"] })) === 0;
      },
      60_000,
    );
    const lines = (file: string): string[] => readFileSync(file, "utf8").trim().split("\n");
    const names = new Set(lines(done));
    const failures = new Set(lines(failed));
    const expected = lines(acknowledged);
    t.diagnostic(`${expected.length / 2} rounds acknowledged`);
    for (let i = 0; i + 1 < expected.length; i += 2) {
      assert.ok(names.has(expected[i] as string), `onDone of ${expected[i]} did not run`);
      assert.ok(failures.has(`${expected[i + 1]} DependencyFailedError failed`), `onFailed of ${expected[i + 1]} did not run`);
    }
    assert.ok(![...names].some((name) => name.startsWith("never")));
  },
);

test("a member that is cancelled or whose worker is lost ends its join as the policy says", async () => {
  const hold = task("flows.hold", async (): Promise<number> => new Promise(() => undefined), { crashes: 0 });
  await inMemory(async (hands) => {
    const worker = hands.work({ tasks: [...tasks, hold] });
    const outcomes = hands.submit(call(statuses, collect([call(double, 1), call(double.with({ delay: "1h" }), 2), call(hold)])));
    const strict = hands.submit(call(sum, [call(double, 1), call(hold)]));
    const successes = hands.submit(call(sum, skip([call(double, 5), call(hold)])));
    await until("they run", async () => (await hands.count({ states: ["running"] })) === 3);
    const [late] = await hands.jobs({ states: ["scheduled"] });
    await hands.cancel(late?.id ?? "", "by hand");
    await hands.dismiss(worker.id);
    assert.equal(await outcomes, "fulfilled rejected rejected");
    assert.equal(await successes, 10);
    await assert.rejects(strict, (error) => error instanceof DependencyFailedError && /set aside/.test(error.message));
  });
});

test("a group is served by the workers of its members, whatever their queue and place", async () => {
  const mail = double.with({ queue: "mail", priority: 3 });
  await inMemory(async (hands) => {
    const worker = hands.work({ tasks: [mail] });
    await worker.ready;
    assert.deepEqual((await hands.workers())[0]?.queues, ["mail"]);
    const future = hands.submit(group([call(mail, 1), group([call(mail, 2)])]));
    assert.deepEqual(await future, [2, [4]]);
    const [job] = await hands.jobs({ ids: [future.id] });
    assert.deepEqual([job?.queue, job?.priority], ["mail", 3]);
  });
});

test("a chunk is one job of its task, and one that fails is tried again as a whole", async () => {
  const ran: number[] = [];
  const picky = task("flows.picky", (n: number) => {
    ran.push(n);
    if (n === 2 && context().attempt === 1) throw new Error("not yet");
    return -n;
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [picky] });
    const result = await hands.submit(chunks(picky.with({ retries: 1, backoff: { initial: 1 } }), [1, 2, 3, 4], 3));
    assert.deepEqual(result, [-1, -2, -3, -4]);
    assert.deepEqual(
      ran.toSorted((a, b) => a - b),
      [1, 1, 2, 2, 3, 4],
    );
    const jobs = await hands.jobs({ task: "flows.picky" });
    assert.deepEqual(jobs.map(({ args }) => args).toReversed(), [[[1, 2, 3]], [[4]]]);
  });
  assert.throws(() => chunks(picky.with({ unique: {} }), [1], 1), /is unique by its arguments/);
  assert.throws(() => chunks(picky, [1], 0), /chunks\(\) size must be a whole number of at least 1/);
});

test("a retry of the root runs what is not done, through collect and skip and three levels", async () => {
  const ran: string[] = [];
  let healed = false;
  const work = task("flows.work", (name: string) => {
    ran.push(name);
    if (!healed && name.startsWith("bad")) throw new Error(name);
    return name;
  });
  const merge = task("flows.merge", (names: string[]) => {
    ran.push(`merge ${names.join()}`);
    return names.join("+");
  });
  const weigh = task("flows.weigh", (outcomes: PromiseSettledResult<string>[]) => {
    const got = outcomes.map((each) => (each.status === "fulfilled" ? each.value : "-"));
    ran.push(`weigh ${got.join()}`);
    if (!healed) throw new Error("too light");
    return got.join("&");
  });
  await inMemory(async (hands) => {
    hands.work({ tasks: [work, merge, weigh, tell], concurrency: 1 });
    const named = (...names: string[]): Call<string>[] => names.map((name) => call(work, name));
    const graph = call(merge, [
      call(merge, skip(named("a", "bad b"))),
      call(weigh, collect(named("c", "bad d"))),
      call(merge, named("e", "f")),
    ]);
    const future = hands.submit(graph, { onDone: tell });
    await assert.rejects(future, (error) => {
      assert.ok(error instanceof DependencyFailedError);
      assert.deepEqual(error.path, ["flows.merge", "flows.weigh"]);
      return true;
    });
    await until("the rest has ended", async () => (await hands.count({ states: ["ready", "running", "blocked"] })) === 0);
    assert.deepEqual(ran.toSorted(), ["a", "bad b", "bad d", "c", "e", "f", "merge a", "merge e,f", "weigh c,-"]);
    ran.length = 0;
    healed = true;
    await hands.retry(future.id);
    assert.equal(await hands.job(future.id), "a+c&bad d+e+f");
    // What was done, and what was done without its member, stays as it was.
    assert.deepEqual(ran.toSorted(), ["bad d", "merge a,c&bad d,e+f", "weigh c,bad d"]);
    await untilAllEnded(hands);
    assert.deepEqual(told, ["a+c&bad d+e+f"]);
  });
});

function bytesOf(jobs: readonly NewJob[]): number {
  return jobs.reduce((all, job) => all + JSON.stringify(job).length, 0);
}

test("a graph is stored once, in one add, and costs in proportion to its calls", async () => {
  const store = memoryStore();
  const added: number[] = [];
  const add = store.add.bind(store);
  store.add = (jobs, now) => {
    added.push(jobs.length);
    return add(jobs, now);
  };
  await using hands = new HandsOnStore(store, systemRuntime);
  const future = hands.submit(
    chord(
      Array.from({ length: 100_000 }, (_, i) => call(double, i)),
      sum,
      { failed: "skip" },
    ),
  );
  await future.submitted;
  assert.deepEqual(added, [100_001]);
  const sizes = [1000, 100_000].map((count) => {
    const members = Array.from({ length: count }, () => call(double, 12_345));
    const { jobs } = plan(call(sum, group(members)), systemRuntime, 1);
    assert.equal(jobs.length, count + 1);
    // The members do not know of the graph beyond its root; the join has one number for each of them.
    assert.ok((jobs.at(-1) as NewJob).args.length < 50 + 7 * count);
    return bytesOf(jobs) / count;
  });
  const [small = 0, large = 0] = sizes;
  assert.ok(large < small * 1.01, `${small} bytes a member of 1,000, ${large} of 100,000`);
});

test("a deadline counts anew after a retry by hand, and ends what sleeps or waits", async () => {
  const clock = new TestClock();
  const forever = task(
    "flows.forever",
    async (mode: string) => {
      if (mode === "signal") await context().waitFor("never");
      await new Promise(() => undefined);
      return mode;
    },
    { deadline: "1h", retries: 3 },
  );
  const store = memoryStore({ runtime: clock });
  const client = new HandsOnStore(store, clock);
  client.work({ tasks: [forever], report: () => undefined });
  await clock.run(
    (async () => {
      for (const mode of ["hang", "signal"]) {
        const future = client.submit(forever, mode);
        const begun = clock.now();
        await assert.rejects(
          future,
          (error) => error instanceof TimeoutError && /within its deadline of 3600000 ms/.test(error.message),
        );
        assert.ok(clock.now() - begun < 3_610_000, `${mode} took ${clock.now() - begun} ms`);
        await client.retry(future.id);
        const again = clock.now();
        await assert.rejects(async () => client.job(future.id), TimeoutError);
        assert.ok(clock.now() - again > 3_590_000, `${mode} took ${clock.now() - again} ms after a retry`);
      }
    })(),
    "6h",
  );
});

test("what sleeps past its deadline undoes its steps", async () => {
  const clock = new TestClock();
  const undone: string[] = [];
  const trip = task(
    "flows.trip",
    async () => {
      const { step, sleep } = context();
      await step("book", () => "a seat", { undo: (seat) => void undone.push(seat) });
      await sleep("1d");
      undone.push("it went on");
    },
    { deadline: "1h" },
  );
  const client = new HandsOnStore(memoryStore({ runtime: clock }), clock);
  client.work({ tasks: [trip], report: () => undefined });
  await clock.run(assert.rejects(client.submit(trip), TimeoutError), "2h");
  assert.deepEqual(undone, ["a seat"]);
});

test("with workers that crash, joins get every outcome and callbacks run", { timeout: 60_000 }, async (t) => {
  const first = Math.floor(Math.random() * 1e9);
  t.diagnostic(`seeds ${first} to ${first + 99}`);
  const sturdy = { crashes: 30 };
  const odd = task(
    "flows.sim-odd",
    (n: number) => {
      if (n % 2 === 0) throw new Error(`${n} is even`);
      return n;
    },
    sturdy,
  );
  const add = task("flows.sim-add", (numbers: number[]) => numbers.reduce((a, b) => a + b, 0), sturdy);
  const count = task(
    "flows.sim-count",
    (outcomes: PromiseSettledResult<number>[]) => outcomes.filter(({ status }) => status === "rejected").length,
    sturdy,
  );
  const heard = new Map<string, unknown>();
  const hear = task("flows.sim-hear", (key: string) => void heard.set(key, true), sturdy);
  for (let seed = first; seed < first + 100; seed++) {
    heard.clear();
    await simulate(seed, {
      tasks: [odd, add, count, hear],
      faults: { crash: 0.02, stall: 0.02 },
      program: async (hands) => {
        const members = [1, 2, 3, 4, 5].map((n) => call(odd, n));
        const [skipped, rejected, strict] = await Promise.allSettled([
          hands.submit(call(add, skip(members)), { onDone: call(hear, "done"), onFailed: call(hear, "never") }),
          hands.submit(call(count, collect(members))),
          hands.submit(call(add, members), { onDone: call(hear, "never"), onFailed: call(hear, "failed") }),
        ]);
        assert.deepEqual(
          [skipped, rejected],
          [
            { status: "fulfilled", value: 9 },
            { status: "fulfilled", value: 2 },
          ],
        );
        assert.equal(strict.status, "rejected");
      },
    });
    assert.deepEqual([...heard.keys()].toSorted(), ["done", "failed"], `seed ${seed}`);
  }
});
