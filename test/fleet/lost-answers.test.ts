// Answers that are lost on their way to a worker: what was done is found out, and no job is left running with nobody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hands } from "../../src/fleet/hands.ts";
import { context, StoreUnavailable, task } from "../../src/index.ts";
import type { Outcome } from "../../src/store/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import type { Settled, Store, Want } from "../../src/store/store.ts";
import { TestClock } from "../../src/testing/index.ts";

const flaky = task(
  "lost.flaky",
  () => {
    if (context().attempt < 2) throw new Error("the first attempt fails");
    return "ok";
  },
  { retries: 5, backoff: { initial: 10 } },
);

/** Loses the answer to each settle that `isLost` selects, and then cannot be reached for a second. */
function losing(
  store: Store,
  clock: TestClock,
  isLost: (outcomes: readonly Outcome[], settled: Settled, lost: number) => boolean,
): Store {
  let lost = 0;
  let awayUntil = 0;
  const settle = async (worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled> => {
    if (clock.elapsed() < awayUntil) throw new StoreUnavailable("the server is away");
    const settled = await store.settle(worker, outcomes, wants, now);
    if (!isLost(outcomes, settled, lost)) return settled;
    lost += 1;
    awayUntil = clock.elapsed() + 1000;
    throw new StoreUnavailable("the connection was cut");
  };
  return new Proxy(store, {
    get: (target, key: keyof Store): unknown => {
      if (key === "settle") return settle;
      const member = target[key];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

test("a claim whose answer is lost is given back, also when an outcome of the same job is still to be told", async () => {
  const clock = new TestClock({ seed: 1 });
  const store = losing(memoryStore({ runtime: clock }), clock, (outcomes, { claimed }, lost) => {
    return lost === 0 ? outcomes.some(({ kind }) => kind === "retry") : lost === 1 && claimed.length > 0;
  });
  const hands = new Hands(store, clock);
  hands.work({ tasks: [flaky], report: () => undefined });
  const future = hands.submit(flaky);
  assert.equal(await clock.run(future), "ok");
  assert.equal((await hands.jobs())[0]?.state, "done");
  await clock.run(hands.close());
});

test("a claim whose answer is lost is run after all", async () => {
  const clock = new TestClock({ seed: 2 });
  const store = losing(memoryStore({ runtime: clock }), clock, (_, { claimed }, lost) => lost < 3 && claimed.length > 0);
  const hands = new Hands(store, clock);
  hands.work({ tasks: [flaky], report: () => undefined });
  const futures = Array.from({ length: 20 }, () => hands.submit(flaky));
  assert.deepEqual(
    await clock.run(Promise.all(futures)),
    Array.from({ length: 20 }, () => "ok"),
  );
  await clock.run(hands.close());
});
