// Everything at once, at random: tasks that return, throw, wait, end their worker or hold it, with retries, time-outs, priorities and
// delays, cancelled or not, alone, in graphs and in maps. Whatever happens, every promise settles, every result is the right one,
// and the pool still works.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, CancelledError, DependencyFailedError, TimeoutError, WorkerDiedError } from "../../src/index.ts";
import type { Executor } from "../../src/index.ts";
import { InlinePool, ProcessPool, ThreadPool } from "../../src/pool/index.ts";
import { seededRandom } from "../../src/testing/clock.ts";
import { behave, join } from "./tasks.ts";

const behaviours = ["return", "return", "return", "return", "wait", "throw", "exit", "spin", "never"] as const;
type Behaviour = (typeof behaviours)[number];

/** Plays one random program on a pool. */
class Chaos {
  readonly #pool: Executor;
  readonly #random: () => number;
  readonly #allowed: readonly Behaviour[];
  readonly #checks: Promise<void>[] = [];
  settled = 0;

  constructor(pool: Executor, seed: number, allowed: readonly Behaviour[]) {
    this.#pool = pool;
    this.#random = seededRandom(seed);
    this.#allowed = allowed;
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  #task(): typeof behave {
    return behave.with({
      timeout: 150,
      crashes: this.#below(2),
      retries: this.#below(2),
      backoff: { initial: this.#below(5) },
      priority: this.#below(3),
      delay: this.#pick([0, 0, 0, this.#below(20)]),
    });
  }

  #check(promise: Promise<unknown>, expected: unknown): void {
    const check = promise.then(
      (value) => assert.deepEqual(value, expected),
      (error: unknown) => {
        const causes = [CancelledError, DependencyFailedError, TimeoutError, WorkerDiedError, RangeError];
        assert.ok(
          causes.some((each) => error instanceof each),
          String(error),
        );
      },
    );
    this.#checks.push(check.then(() => void (this.settled += 1)));
  }

  #single(n: number): void {
    const future = this.#pool.submit(this.#task(), n, this.#pick(this.#allowed));
    this.#check(future, n);
    if (this.#below(4) === 0) this.#checks.push(delayed(this.#below(30)).then(() => future.cancel()).then(() => undefined)); // oxfmt-ignore
  }

  #graph(n: number): void {
    const shared = call(this.#task(), n, this.#pick(this.#allowed));
    const calls = Array.from({ length: this.#below(5) }, (_, i) => call(this.#task(), i, this.#pick(this.#allowed)));
    const future = this.#pool.submit(call(join, [shared, ...calls, shared]));
    this.#check(future, [n, ...calls.map((_, i) => i), n]);
    if (this.#below(6) === 0) this.#checks.push(delayed(this.#below(30)).then(() => future.cancel()).then(() => undefined)); // oxfmt-ignore
  }

  #map(n: number): void {
    const inputs = Array.from({ length: this.#below(60) }, (_, i): [number, Behaviour] => [
      n + i,
      this.#below(20) === 0 ? this.#pick(this.#allowed) : "return",
    ]);
    const results = this.#pool.starmap(this.#task(), inputs, { window: 1 + this.#below(30), ordered: this.#below(2) === 0 });
    const how = this.#below(4);
    if (how === 0) this.#check(Promise.resolve(results), inputs.map(([i]) => i)); // oxfmt-ignore
    else if (how === 1) this.#check(results.settled().then(() => n), n); // oxfmt-ignore
    else this.#check(this.#iterate(results, this.#below(40)).then(() => n), n); // oxfmt-ignore
  }

  async #iterate(results: AsyncIterable<number>, leaveAfter: number): Promise<void> {
    let count = 0;
    for await (const result of results) {
      assert.equal(typeof result, "number");
      if (++count === leaveAfter) break;
    }
  }

  async run(steps: number): Promise<void> {
    for (let n = 0; n < steps; n++) {
      const kind = this.#below(10);
      if (kind < 7) this.#single(n);
      else if (kind < 9) this.#graph(n);
      else this.#map(n);
      if (this.#below(3) === 0) await delayed(this.#below(4));
    }
    await Promise.all(this.#checks);
  }
}

function delayed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const all: readonly Behaviour[] = behaviours;
const harmless = behaviours.filter((each) => each !== "exit" && each !== "spin");
const pools: readonly [string, () => Executor, readonly Behaviour[], number][] = [
  ["InlinePool", () => new InlinePool({ concurrency: 4, grace: 30 }), harmless, 300],
  ["ThreadPool", () => new ThreadPool({ size: 3, grace: 30 }), all, 70],
  ["ProcessPool", () => new ProcessPool({ size: 3, grace: 30 }), all, 40],
];

for (const [name, make, allowed, steps] of pools) {
  test(`${name}: whatever happens, every promise settles and every result is right`, { timeout: 100_000 }, async (t) => {
    const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9));
    t.diagnostic(`seed ${seed}`);
    await using pool = make();
    const chaos = new Chaos(pool, seed, allowed);
    await chaos.run(steps);
    assert.equal(await pool.submit(behave, 7, "return"), 7);
  });
}
