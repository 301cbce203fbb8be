// How submits come together on their way to the store: those of one turn, and those that come while others are under way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { systemRuntime } from "../../src/core/runtime.ts";
import { Hands } from "../../src/fleet/hands.ts";
import { connect, StoreError, StoreUnavailable, task } from "../../src/index.ts";
import { tooLargeCode } from "../../src/core/errors.ts";
import { memoryStore } from "../../src/store/index.ts";
import type { Added, Store } from "../../src/store/store.ts";

const none = task("submits.none", (n: number) => n, { module: import.meta.url });

/** A store that adds nothing until it is told to, and notes how many jobs each add has. */
function held(): { readonly store: Store; readonly sizes: number[]; readonly release: () => void } {
  const inner = memoryStore();
  const sizes: number[] = [];
  const gate = Promise.withResolvers<void>();
  const add: Store["add"] = async (jobs, now): Promise<readonly Added[]> => {
    sizes.push(jobs.length);
    await gate.promise;
    return inner.add(jobs, now);
  };
  const store = new Proxy(inner, {
    get: (target, key: keyof Store): unknown => {
      const member = key === "add" ? add : target[key];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { store, sizes, release: gate.resolve };
}

test("submits of one turn are one add", async () => {
  const { store, sizes, release } = held();
  await using hands = new Hands(store, systemRuntime);
  const submitted = [1, 2, 3].map((n) => hands.submit(none, n).submitted);
  release();
  await Promise.all(submitted);
  assert.deepEqual(sizes, [3]);
});

test("submits that come one by one share an add while others are under way, and none is forgotten", async () => {
  const { store, sizes, release } = held();
  await using hands = new Hands(store, systemRuntime);
  const submitted: Promise<unknown>[] = [];
  for (let n = 0; n < 100; n++) {
    submitted.push(hands.submit(none, n).submitted);
    await nextTurn();
    await nextTurn();
  }
  assert.deepEqual(sizes, [1, 1, 1, 1], "the others wait for one of these");
  release();
  await Promise.all(submitted);
  assert.deepEqual(sizes, [1, 1, 1, 1, 96]);
  assert.equal((await hands.jobs({ limit: 1000 })).length, 100);
});

test("a large batch does not wait, however many are under way", async () => {
  const { store, sizes, release } = held();
  await using hands = new Hands(store, systemRuntime);
  const submitted = Array.from({ length: 1500 }, (_, n) => hands.submit(none, n).submitted);
  assert.deepEqual(sizes, [250, 250, 250, 250, 250, 250]);
  release();
  await Promise.all(submitted);
});

test("a call that cannot be stored is refused, and not the others of its turn", async () => {
  const same = (text: string): string => text;
  const seal = (text: string): string => {
    if (text.includes("13")) throw new Error("no key for this one");
    return text;
  };
  await using hands = await connect("memory:", { use: [{ name: "picky", seal, open: same }] });
  const settled = await Promise.allSettled([12, 13, 14].map((n) => hands.submit(none, n).submitted));
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.equal(await hands.count(), 2);
});

/** A store whose `add` refuses batches with a 13, before it has added them or after. */
function refusing(error: Error, before: boolean = true): { readonly store: Store; readonly sizes: number[] } {
  const inner = memoryStore();
  const sizes: number[] = [];
  const add: Store["add"] = async (jobs, now): Promise<readonly Added[]> => {
    sizes.push(jobs.length);
    const isRefused = jobs.some(({ args }) => args.includes("13"));
    if (isRefused && before) throw error;
    const added = await inner.add(jobs, now);
    if (isRefused) throw error;
    return added;
  };
  const store = new Proxy(inner, {
    get: (target, key: keyof Store): unknown => {
      const member = key === "add" ? add : target[key];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { store, sizes };
}

async function submittedTo(store: Store): Promise<readonly string[]> {
  await using hands = new Hands(store, systemRuntime);
  const settled = await Promise.allSettled([12, 13, 14].map((n) => hands.submit(none, n).submitted));
  return settled.map(({ status }) => status);
}

test("a call that the store refuses takes none of its turn with it", async () => {
  const { store, sizes } = refusing(new StoreError("too large"));
  assert.deepEqual(await submittedTo(store), ["fulfilled", "rejected", "fulfilled"]);
  assert.deepEqual(sizes, [3, 1, 1, 1]);
  const known = refusing(new StoreError("too large", undefined, tooLargeCode));
  assert.deepEqual(await submittedTo(known.store), ["fulfilled", "rejected", "fulfilled"]);
});

test("what may be stored already, or was sent to a store that is away, is not sent again", async () => {
  const kept = refusing(new StoreError("stored, and not flushed"), false);
  assert.deepEqual(await submittedTo(kept.store), ["rejected", "rejected", "rejected"]);
  assert.deepEqual(kept.sizes, [3]);
  const away = refusing(new StoreUnavailable("away"));
  assert.deepEqual(await submittedTo(away.store), ["rejected", "rejected", "rejected"]);
  assert.deepEqual(away.sizes, [3]);
});

test("a long unique key is stored by its beginning and a digest, and told apart to its end", async () => {
  await using hands = await connect("memory:");
  const long = "é".repeat(3000);
  const keyed = (key: string): ReturnType<typeof hands.submit> => hands.submit(none.with({ unique: { key } }), 1);
  const [first, same, other] = await Promise.all([long, long, `${long}!`].map((key) => keyed(key).submitted));
  assert.equal(same, first);
  assert.notEqual(other, first);
  const [job] = await hands.jobs({ ids: [String(first)] });
  const stored = job?.uniqueKey ?? "";
  assert.equal(stored.length, 501);
  assert.match(stored, /^submits\.none\né+…[\w-]{43}$/);
  assert.notEqual(await keyed(stored.slice("submits.none\n".length)).submitted, first, "the short form is another key");
  const [short] = await hands.jobs({ ids: [await keyed("day 7").submitted] });
  assert.equal(short?.uniqueKey, "submits.none\nday 7");
});
