// A store that is away for a while keeps the steps of attempts waiting, and fails none of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreError, tooLargeCode } from "../../src/core/errors.ts";
import { Hands } from "../../src/fleet/hands.ts";
import { connect, context, StoreUnavailable, task } from "../../src/index.ts";
import type { Middleware } from "../../src/index.ts";
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

test("a step that cannot be stored fails its job, and not those of other jobs of the same turn", async () => {
  const stepping = task("journal.apart", async (text: string) => context().step("text", () => text));
  const picky: Middleware = {
    name: "picky",
    seal: (text, { kind }) => {
      if (kind === "record" && text.includes("bad")) throw new Error("no key for this one");
      return text;
    },
    open: (text) => text,
  };
  await using hands = await connect("memory:", { use: [picky] });
  const futures = ["good", "bad", "fine"].map((text) => hands.submit(stepping, text));
  await Promise.all(futures.map(({ submitted }) => submitted));
  hands.work({ tasks: [stepping] });
  const ended = await Promise.allSettled(futures);
  assert.deepEqual(
    ended.map((each) => (each.status === "fulfilled" ? each.value : (each.reason as Error).message)),
    ["good", "no key for this one", "fine"],
  );
});

/** Refuses records with long texts, and whatever is written with them, as a server does whose limit they exceed. */
function narrow(store: Store): Store {
  return new Proxy(store, {
    get: (target, key: keyof Store): unknown => {
      const member = target[key];
      if (typeof member !== "function") return member;
      if (key !== "write") return member.bind(target);
      return async (...args: Parameters<Store["write"]>): Promise<unknown> => {
        if (args[0].some(({ text }) => (text ?? "").length > 1000)) throw new StoreError("too large", undefined, tooLargeCode);
        return target.write(...args);
      };
    },
  });
}

test("a step whose result is too large for the store fails its job, and is not tried for ever with those of others", async () => {
  const clock = new TestClock({ seed: 4 });
  const stepping = task("journal.large", async (size: number) => (await context().step("text", () => "x".repeat(size))).length);
  const hands = new Hands(narrow(memoryStore({ runtime: clock })), clock);
  hands.work({ tasks: [stepping], report: () => undefined });
  const ended = Promise.allSettled([10, 5000, 20].map((size) => hands.submit(stepping, size)));
  assert.deepEqual(
    (await clock.run(ended)).map((each) => (each.status === "fulfilled" ? each.value : (each.reason as Error).message)),
    [10, "too large", 20],
  );
  await clock.run(hands.close());
});
