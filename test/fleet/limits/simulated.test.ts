// Limits and batches while workers crash, stall and are woken for nothing: everything ends, and no place is lost on the way. A place that was
// lost would keep the jobs of its limit waiting for ever, and the simulation would say which.
import assert from "node:assert/strict";
import { test } from "node:test";
import { batchTask, snooze, task } from "../../../src/index.ts";
import type { Hands } from "../../../src/index.ts";
import { simulate } from "../../../src/testing/index.ts";

const byKey = (n: number): string => `key ${n % 3}`;
const backoff = { initial: "2s" } as const;
const crashes = 1000;
const narrow = task("limits.sim.narrow", (n: number) => n, { concurrency: [2, { limit: 1, key: byKey }], crashes });
const paced = task("limits.sim.paced", (n: number) => n, { rate: { limit: 5, per: "1s", burst: 2 }, crashes });
const fair = task("limits.sim.fair", (n: number) => n, { fair: { key: byKey, weight: 0.1 }, crashes });
const tries = new Map<number, number>();
const fussy = task(
  "limits.sim.fussy",
  (n: number) => {
    const times = (tries.get(n) ?? 0) + 1;
    tries.set(n, times);
    if (times === 1) throw snooze("3s");
    if (times === 2) throw new Error("once");
    return n;
  },
  { concurrency: 1, retries: 1000, backoff, crashes },
);
const many = batchTask("limits.sim.many", (inputs: readonly number[]) => inputs.map((n) => n * 2), {
  batch: { size: 4, wait: "1s" },
  concurrency: 6,
  crashes,
});
const once = task("limits.sim.once", (n: number) => n, { throttle: { per: "1h" }, crashes });

const inputs = Array.from({ length: 12 }, (_, n) => n);

async function program(hands: Hands): Promise<void> {
  tries.clear();
  const same = await Promise.all([
    hands.map(narrow, inputs),
    hands.map(paced, inputs),
    hands.map(fair, inputs),
    hands.map(fussy, inputs.slice(0, 4)),
    hands.map(
      many,
      inputs.map((n) => n / 2),
    ),
  ]);
  for (const results of same) results.forEach((result, n) => assert.equal(result, n));
  const [first, second] = await Promise.all([hands.submit(once, 1), hands.submit(once, 2)]);
  assert.equal(first, second);
}

test("a hundred seeds of faults: everything under limits ends, and no place is lost", { timeout: 200_000 }, async (t) => {
  const first = Number(process.env["MANYHANDS_SEED"] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`seeds ${first} to ${first + 99}`);
  let crashed = 0;
  for (let seed = first; seed < first + 100; seed++) {
    const run = await simulate(seed, {
      tasks: [narrow, paced, fair, fussy, many, once],
      program,
      faults: { crash: 0.02, stall: 0.02 },
    });
    crashed += run.crashes;
  }
  t.diagnostic(`${crashed} crashes of workers`);
  assert.ok(crashed > 20);
});
