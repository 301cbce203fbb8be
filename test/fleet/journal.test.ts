// A store that is away for a while keeps the steps of attempts waiting, and fails none of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hands } from "../../src/fleet/hands.ts";
import { context, StoreUnavailable, task } from "../../src/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import type { Store } from "../../src/store/store.ts";
import { TestClock } from "../../src/testing/index.ts";

/** Refuses these verbs for three seconds, from when each is first called. */
function awayFor(store: Store, clock: TestClock, verbs: readonly (keyof Store)[]): Store {
  const back = new Map<keyof Store, number>();
  return new Proxy(store, {
    get: (target, key: keyof Store): unknown => {
      const member = target[key];
      if (typeof member !== "function") return member;
      if (!verbs.includes(key)) return member.bind(target);
      return async (...args: never[]): Promise<unknown> => {
        if (!back.has(key)) back.set(key, clock.elapsed() + 3000);
        if (clock.elapsed() < (back.get(key) ?? 0)) throw new StoreUnavailable("the server is away");
        return Reflect.apply(member, target, args);
      };
    },
  });
}

test("steps outlive an outage of the store", async () => {
  const clock = new TestClock({ seed: 3 });
  const attempts: number[] = [];
  const ran: string[] = [];
  const stepping = task("journal.stepping", async () => {
    const { step, sleep, attempt } = context();
    attempts.push(attempt);
    await step("a", () => ran.push("a"));
    await Promise.all([step("b", () => ran.push("b")), step("c", () => ran.push("c"))]);
    await sleep("1h");
    return ran.join("");
  });
  const hands = new Hands(awayFor(memoryStore({ runtime: clock }), clock, ["write", "records"]), clock);
  const told: string[] = [];
  hands.work({ tasks: [stepping], report: ({ kind }) => void told.push(kind) });
  assert.equal(await clock.run(hands.submit(stepping)), "abc");
  assert.deepEqual(attempts, [1, 1], "it failed never, and was suspended once");
  assert.ok(told.includes("store-failed"));
  await clock.run(hands.close());
});
