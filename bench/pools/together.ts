// Measures contenders in turns within this one process. What they differ by is less than
// the machine's speed differs from one second to the next, so a round has to be over within a second or two.
import assert from "node:assert/strict";
import { give, told } from "../give.ts";
import type { Figures } from "../row.ts";
import type { Pool } from "./contract.ts";
import { fib } from "./functions.ts";
import type { Contender } from "./opener.ts";
import { opener } from "./opener.ts";
import { quantile } from "../statistics.ts";

interface Told {
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  readonly work: keyof typeof works;
  readonly count: number;
}

const expected = fib(27);

/** All submitted at once. */
async function compute(pool: Pool, count: number): Promise<Figures> {
  const began = performance.now();
  const results = await Promise.all(Array.from({ length: count }, () => pool.run(27)));
  const ms = performance.now() - began;
  for (const result of results) assert.equal(result, expected);
  return { perSecond: (count / ms) * 1000 };
}

/** One at a time. */
async function roundTrip(pool: Pool, count: number): Promise<Figures> {
  const tripsUs: number[] = [];
  for (let n = 0; n < count; n++) {
    const began = performance.now();
    const result = await pool.run({ n });
    tripsUs.push((performance.now() - began) * 1000);
    assert.equal((result as { readonly n: number }).n, n);
  }
  return { p50Us: quantile(tripsUs, 0.5), p99Us: quantile(tripsUs, 0.99) };
}

const works = { compute: { task: "fib", pass: compute }, roundTrip: { task: "echo", pass: roundTrip } } as const;

const { contenders, rounds, work, count } = told as Told;
const { task, pass } = works[work];
const pools: Pool[] = [];
for (const contender of contenders) pools.push(await (await opener(contender))(task, 2));
for (const pool of pools) await pass(pool, Math.ceil(count / 10));
const found: Figures[][] = pools.map(() => []);
for (let round = 0; round < rounds; round++) {
  for (let i = 0; i < pools.length; i++) {
    const turn = (i + round) % pools.length;
    found[turn]?.push(await pass(pools[turn] as Pool, count));
  }
}
for (const pool of pools) await pool.close();
give(found);
process.exit(0);
