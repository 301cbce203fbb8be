// The real client and the real worker under a thousand seeds of crashes, stalls, slow tasks and doubled wake-ups.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, task, UsageError } from "../../src/index.ts";
import { seededRandom, simulate, SimulationError } from "../../src/testing/index.ts";
import type { TestClock } from "../../src/testing/index.ts";
import type { Hands } from "../../src/index.ts";

const backoff = { initial: "2s", jitter: 0.5 } as const;
const add = task("sim.add", (a: number, b: number) => a + b, { crashes: 20 });
const sum = task("sim.sum", (numbers: number[]) => numbers.reduce((a, b) => a + b, 0), { crashes: 20 });
const fussy = task(
  "sim.fussy",
  (n: number) => {
    if (n % 3 === 0) throw new Error(`${n} is divisible by three`);
    return n;
  },
  { retries: 1, backoff, crashes: 20 },
);
const tasks = [add, sum, fussy];

async function program(hands: Hands, clock: TestClock): Promise<number> {
  const leaves = Array.from({ length: 5 }, (_, i) => call(add, i, 1));
  const total = hands.submit(sum.with({ priority: 1 }), [...leaves, call(sum, leaves)]);
  const later = hands.submit(add.with({ delay: "1m" }), 1, 1);
  const failing = [1, 2, 3].map((n) => hands.submit(fussy, n));
  const cancelled = hands.submit(add.with({ delay: "1h" }), 5, 5);
  const settled = await Promise.allSettled([total, later, ...failing]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", "fulfilled", "fulfilled", "fulfilled", "rejected"],
  );
  assert.equal((await cancelled.cancel()).waiting, 1);
  await clock.advance("5s");
  return total;
}

test("a thousand seeds: every job ends once, joins add up", { timeout: 100_000 }, async (t) => {
  const first = Number(process.env["MANYHANDS_SEED"] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`seeds ${first} to ${first + 999}`);
  let crashes = 0;
  let attempts = 0;
  let jobs = 0;
  for (let seed = first; seed < first + 1000; seed++) {
    const run = await simulate(seed, { tasks, program, faults: { crash: 0.02, stall: 0.02 } });
    assert.equal(run.value, 30);
    crashes += run.crashes;
    attempts += run.attempts;
    jobs += run.jobs;
  }
  t.diagnostic(`${jobs} jobs, ${attempts} attempts, ${crashes} crashes of workers`);
  assert.ok(crashes > 100, "the seeds must bring crashes");
  assert.ok(attempts > jobs, "some effects must have run more than once");
});

test("the same seed gives the same trace", async () => {
  for (const seed of [1, 2, 3]) {
    const [a, b] = [await simulate(seed, { tasks, program }), await simulate(seed, { tasks, program })];
    assert.deepEqual(a.trace, b.trace);
    assert.equal(a.elapsedMs, b.elapsedMs);
  }
  const [a, b] = [await simulate(4, { tasks, program }), await simulate(5, { tasks, program })];
  assert.notDeepEqual(a.trace, b.trace);
});

test("a program that fails is reported with its seed and trace", async () => {
  const failing = simulate(9, {
    tasks,
    program: async (hands) => {
      await hands.submit(add, 1, 2);
      throw new Error("as planned");
    },
  });
  await assert.rejects(
    failing,
    (error: unknown) => error instanceof SimulationError && error.seed === 9 && /Seed 9: as planned/.test(error.message),
  );
});

test("a job that is made live again by hand may end again", async () => {
  const { value } = await simulate(4, {
    tasks,
    faults: { crash: 0, stall: 0 },
    program: async (hands) => {
      const future = hands.submit(fussy, 3);
      await assert.rejects(Promise.resolve(future), /divisible/);
      const revived = await hands.retry(future.id);
      return revived.length;
    },
  });
  assert.equal(value, 1);
});

test("wrong options of simulate() are refused", async () => {
  const program = (hands: Hands): Promise<number> => Promise.resolve(hands.submit(add, 1, 1));
  for (const wrong of [{ wrkers: 3 }, { workers: 0 }, { faults: { crash: 2 } }, { faults: { crsh: 0.1 } }]) {
    await assert.rejects(simulate(1, { tasks, program, ...(wrong as object) }), UsageError);
  }
  await assert.rejects(simulate(Number.NaN, { tasks, program }), /seed/);
});

test("what can never end is reported, not waited for", async () => {
  const hanging = simulate(9, { tasks: [add], workers: 1, program: (hands) => Promise.resolve(hands.submit(fussy, 1)) });
  await assert.rejects(hanging, SimulationError);
});

test("the generator of seeds is spread evenly", () => {
  const random = seededRandom(3);
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) {
    const bucket = Math.floor(random() * 10);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  assert.ok(buckets.every((count) => count > 900 && count < 1100));
});
