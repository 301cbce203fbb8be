// Which jobs a worker takes: patterns and weights of queues, labels and requirements; and what waits in vain.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, group, task, UsageError } from "../../src/index.ts";
import type { Hands, QueueChoice } from "../../src/index.ts";
import { sleep } from "../../src/core/runtime.ts";
import { Hands as Fleet } from "../../src/fleet/hands.ts";
import { queueEntries, takesFrom } from "../../src/fleet/queue-choice.ts";
import { Shares } from "../../src/fleet/shares.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import type { Store } from "../../src/store/store.ts";
import { seededRandom, TestClock } from "../../src/testing/index.ts";

const order: string[] = [];
const note = task("routing.note", (text: string) => void order.push(text));
const train = task("routing.train", (n: number) => n * 2, { requires: { gpu: true, memory: ">=8GiB" } });
const fail = task(
  "routing.fail",
  (): number => {
    throw new Error("broken");
  },
  { requires: { gpu: true } },
);

interface Scene {
  readonly clock: TestClock;
  readonly store: Store;
  readonly hands: Hands;
  /** How often each verb was called. */
  readonly calls: Map<string, number>;
}

function scene(t: TestContext): Scene {
  const clock = new TestClock({ seed: 1 });
  const calls = new Map<string, number>();
  const memory = memoryStore({ runtime: clock });
  const store = new Proxy(memory, {
    get(target, key: keyof Store): unknown {
      calls.set(key, (calls.get(key) ?? 0) + 1);
      const member = target[key];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const hands = new Fleet(store, clock);
  t.after(() => clock.run(hands.close()));
  order.length = 0;
  return { clock, store, hands, calls };
}

test("a name, and a star for any text", () => {
  const fits: readonly (readonly [string, string, boolean])[] = [
    ["mail", "mail", true],
    ["mail", "mails", false],
    ["mail-*", "mail-", true],
    ["mail-*", "mail-eu", true],
    ["mail-*", "mail", false],
    ["*-eu", "mail-eu", true],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b*c", "axbxc", true],
    ["a*b*c", "acb", false],
    ["*", "anything", true],
    ["mail.*", "mailxy", false],
    ["*a*a*a*a*a*a*a*a*a*a*a*a*b", "a".repeat(128), false],
  ];
  for (const [text, queue, expected] of fits) assert.equal(takesFrom([text], queue), expected, `${text} ${queue}`);
});

test("what cannot be queues is refused at once", (t) => {
  const { hands } = scene(t);
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [[], /queues is empty/],
    [{}, /queues is empty/],
    ["mail", /must be a list of names, or weights/],
    [["ma il"], /A queue's name has/],
    [["ma il*"], /A pattern of queues has/],
    [{ mail: 0 }, /the weight of "mail" must be a number from/],
    [{ mail: "3" }, /the weight of "mail" must be a number from/],
  ];
  for (const [queues, pattern] of refused) {
    assert.throws(
      () => hands.work({ tasks: [note], queues: queues as QueueChoice }),
      (error) => error instanceof UsageError && pattern.test(error.message),
      String(pattern),
    );
  }
  assert.throws(() => hands.work({ tasks: [note], labels: { gpu: null as never } }), /labels\.gpu must be/);
});

test("queues that fit a pattern are found, also those that come later", async (t) => {
  const { hands, clock } = scene(t);
  await clock.run(hands.submit(note.with({ queue: "mail-eu" }), "before").submitted);
  hands.work({ tasks: [note], queues: ["mail-*"] });
  await clock.advance("1s");
  assert.deepEqual(order, ["before"]);
  const asked = clock.elapsed();
  await clock.run(hands.submit(note.with({ queue: "mail-us" }), "after"));
  assert.ok(clock.elapsed() - asked <= 100, `found after ${clock.elapsed() - asked} ms`);
  const other = hands.submit(note.with({ queue: "post" }), "never");
  await clock.run(other.submitted);
  await clock.advance("10s");
  assert.deepEqual(order, ["before", "after"]);
});

test("a busy worker finds a new queue, too, and does not let it starve", async (t) => {
  const { hands, clock } = scene(t);
  const over = new AbortController();
  const slow = task("routing.slow", () => sleep(clock, 10), { queue: "mail-old" });
  const feed = async (): Promise<void> => {
    while (!over.signal.aborted) await Promise.all(Array.from({ length: 20 }, () => hands.submit(slow)));
  };
  hands.work({ tasks: [note, slow], queues: ["mail-*"], concurrency: 2 });
  const feeding = feed();
  await clock.advance(100);
  await clock.run(hands.submit(note.with({ queue: "mail-new" }), "new"), "2s");
  over.abort();
  await clock.run(feeding);
});

test("a worker without patterns and labels never asks for lines", async (t) => {
  const { hands, clock, calls } = scene(t);
  hands.work({ tasks: [note] });
  await clock.run(hands.submit(note, "x"));
  await clock.advance("1m");
  assert.equal(calls.get("lines"), undefined);
});

test("an idle worker with a pattern asks for lines with its upkeep, and no more", async (t) => {
  const { hands, clock, calls } = scene(t);
  hands.work({ tasks: [note], queues: ["mail-*"] });
  await clock.advance("1s");
  calls.clear();
  await clock.advance("1m");
  assert.ok((calls.get("lines") ?? 0) <= (calls.get("tend") ?? 0) + 1, `${calls.get("lines")} of ${calls.get("tend")}`);
});

test("weights divide what a worker takes, and an idle queue's share goes to the others", async (t) => {
  const { hands, clock } = scene(t);
  const submits = ["mail-a", "mail-b", "default"].flatMap((queue) => {
    return Array.from({ length: 400 }, () => hands.submit(note.with({ queue }), queue));
  });
  await clock.run(Promise.all(submits.map((future) => future.submitted)));
  // One at a time, so that what runs is what was claimed.
  hands.work({ tasks: [note], queues: { "mail-*": 3, default: 1 }, concurrency: 1 });
  await clock.run(Promise.all(submits));
  const first = order.slice(100, 500);
  const count = (queue: string): number => first.filter((each) => each === queue).length;
  assert.ok(Math.abs(count("default") - 100) <= 40, `default: ${count("default")} of 400`);
  assert.ok(Math.abs(count("mail-a") - 150) <= 40, `mail-a: ${count("mail-a")} of 400`);
  assert.equal(order.length, 1200);
});

test("shares follow the weights exactly, whatever the room, and nobody who has work starves", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = seededRandom(seed);
  for (let round = 0; round < 50; round++) {
    const weights = Array.from({ length: 2 + Math.floor(random() * 4) }, () => 1 + Math.floor(random() * 9));
    const groups = weights.map((weight, i) => ({ weight, queues: [`q${i}`] }));
    const shares = new Shares();
    const got = new Map<string, number>();
    let total = 0;
    for (let claim = 0; claim < 300; claim++) {
      const limit = 1 + Math.floor(random() * 7);
      const { wants, answered } = shares.ask(groups, [{ tasks: ["t"], limit }]);
      const given = new Map<string, number>();
      for (const want of wants) given.set(want.queues[0] as string, (given.get(want.queues[0] as string) ?? 0) + want.limit);
      assert.equal(answered(given), false, `seed ${seed}`);
      for (const [queue, count] of given) got.set(queue, (got.get(queue) ?? 0) + count);
      total += limit;
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    for (const [i, weight] of weights.entries()) {
      const fair = (total * weight) / sum;
      assert.ok(Math.abs((got.get(`q${i}`) ?? 0) - fair) <= 1.001, `seed ${seed}: ${got.get(`q${i}`)} instead of ${fair}`);
    }
  }
});

test("who is dry gets no share, is asked with what others leave, and comes back", () => {
  const groups = [
    { weight: 1, queues: ["a"] },
    { weight: 1, queues: ["b"] },
  ];
  const shares = new Shares();
  const ask = (limit: number): ReturnType<Shares["ask"]> => shares.ask(groups, [{ tasks: ["t"], limit }]);
  assert.equal(ask(10).answered(new Map([["a", 5]])), true, "b had nothing: its share is worth asking a for");
  const second = ask(10);
  assert.deepEqual(second.wants, [{ queues: ["a", "b"], tasks: ["t"], limit: 10 }]);
  assert.equal(
    second.answered(
      new Map([
        ["a", 5],
        ["b", 5],
      ]),
    ),
    false,
  );
  assert.deepEqual(
    ask(10).wants.map(({ limit }) => limit),
    [5, 5],
  );
});

test("with one free place at a time, an empty queue keeps no other from its turn", async (t) => {
  const { hands, clock } = scene(t);
  hands.work({ tasks: [note], queues: { empty: 900, full: 1 }, concurrency: 1 });
  const futures = Array.from({ length: 20 }, (_, i) => hands.submit(note.with({ queue: "full" }), String(i)));
  await clock.run(Promise.all(futures), "1s");
});

test("a job goes to a worker whose labels meet what it requires, and shows its name alone", async (t) => {
  const { hands, clock } = scene(t);
  const small = hands.work({ tasks: [train], labels: { gpu: true, memory: "4GiB" } });
  const plain = hands.work({ tasks: [train] });
  await clock.run(Promise.all([small.ready, plain.ready]));
  const future = hands.submit(train, 4);
  await clock.run(future.submitted);
  await clock.advance("5s");
  const [waiting] = await hands.jobs();
  assert.deepEqual([waiting?.state, waiting?.task], ["ready", "routing.train"]);
  assert.deepEqual(waiting?.requires, { gpu: true, memory: ">=8GiB" });
  assert.equal((await hands.jobs({ task: "routing.train" })).length, 1);
  const large = hands.work({ tasks: [train], labels: { gpu: true, memory: "16GiB" } });
  assert.equal(await clock.run(future), 8);
  const [done] = await hands.jobs();
  assert.equal(done?.worker, large.id);
});

test("requirements given at submit are learnt by workers that never heard of them", async (t) => {
  const { hands, clock } = scene(t);
  hands.work({ tasks: [note], labels: { zone: "a" } });
  await clock.advance("1s");
  await clock.run(hands.submit(note.with({ requires: { zone: ["a", "b"] } }), "here"));
  assert.deepEqual(order, ["here"]);
});

test("errors name the task without what it requires", async (t) => {
  const { hands, clock } = scene(t);
  hands.work({ tasks: [fail], labels: { gpu: true } });
  await assert.rejects(clock.run(hands.submit(fail)), /broken/);
  const cancelled = hands.submit(train, 1);
  await clock.run(cancelled.submitted);
  await hands.cancel(cancelled.id);
  await assert.rejects(clock.run(cancelled), /of task "routing\.train" was cancelled/);
  const unique = train.with({ unique: { key: "k", onConflict: "reject" } });
  await clock.run(hands.submit(unique, 1).submitted);
  await assert.rejects(clock.run(hands.submit(unique, 1).submitted), /Task "routing\.train" has a live job/);
});

test("workers show their labels", async (t) => {
  const { hands, clock } = scene(t);
  const worker = hands.work({ tasks: [note], queues: ["mail-*"], labels: { gpu: true, zone: "a" } });
  await clock.run(worker.ready);
  const [shown] = await hands.workers();
  assert.deepEqual(shown?.labels, { gpu: true, zone: "a" });
  assert.deepEqual([shown?.tasks, shown?.queues], [["routing.note"], ["mail-*"]]);
});

test("what no worker can take is seen at once, with what is missing", async (t) => {
  const { hands, clock } = scene(t);
  const worker = hands.work({ tasks: [note, train], queues: ["default", "mail-*"], labels: { gpu: true, memory: "1GiB" } });
  await clock.run(worker.ready);
  const futures = [
    hands.submit(note.with({ queue: "post" }), "x"),
    hands.submit(fail.with({ queue: "mail-x", requires: {} })),
    hands.submit(train, 1),
  ];
  await clock.run(Promise.all(futures.map(({ submitted }) => submitted)));
  const found = (await hands.unmatched()).toSorted((a, b) => (a.queue < b.queue ? -1 : 1));
  assert.deepEqual(found, [
    { queue: "default", task: "routing.train", requires: { gpu: true, memory: ">=8GiB" }, lacks: "labels" },
    { queue: "mail-x", task: "routing.fail", requires: null, lacks: "task" },
    { queue: "post", task: "routing.note", requires: null, lacks: "queue" },
  ]);
  const post = (await hands.queues()).find(({ queue }) => queue === "post");
  assert.deepEqual(
    post?.unmatched.map(({ lacks }) => lacks),
    ["queue"],
  );
  await clock.run(hands.submit(note, "y"));
  assert.equal((await hands.unmatched()).length, 3);
});

test("entries keep the order and the weights they were given", () => {
  assert.deepEqual(
    queueEntries({ "mail-*": 3, default: 1 }).map(({ text, weight }) => [text, weight]),
    [
      ["mail-*", 3],
      ["default", 1],
    ],
  );
});

test("a group is served in a queue that fits a pattern, and does not wait in vain", async (t) => {
  const { hands, clock } = scene(t);
  const worker = hands.work({ tasks: [note], queues: ["mail-*"] });
  await clock.run(worker.ready);
  const sent = ["a", "b"].map((text) => call(note.with({ queue: "mail-x" }), text));
  assert.deepEqual(await clock.run(hands.submit(group(sent)), "1m"), [undefined, undefined]);
  assert.deepEqual(order.toSorted(), ["a", "b"]);
  assert.deepEqual(await hands.unmatched(), []);
});
