import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../../src/core/runtime.ts";
import { connect, task } from "../../src/index.ts";
import { seededRandom, TestClock } from "../../src/testing/clock.ts";

test("timers run in the order of their time, then of their making", async () => {
  const clock = new TestClock();
  const ran: string[] = [];
  clock.after(20, () => ran.push("c"));
  clock.after(10, () => ran.push("a"));
  clock.after(10, () => ran.push("b"));
  const cancelled = clock.after(5, () => ran.push("never"));
  cancelled.cancel();
  await clock.advance(15);
  assert.deepEqual(ran, ["a", "b"]);
  assert.equal(clock.next, 5);
  await clock.advance("1s");
  assert.deepEqual(ran, ["a", "b", "c"]);
  assert.equal(clock.elapsed(), 1015);
});

test("timers set and cancelled at random run once, in order, unless they were cancelled before", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = seededRandom(seed);
  const clock = new TestClock();
  const timers = Array.from({ length: 3000 }, (_, id) => ({ id, at: Math.floor(random() * 1000), ranAt: -1, cancelledAt: -1 }));
  for (const timer of timers) {
    const made = clock.after(timer.at, () => {
      assert.equal(timer.ranAt, -1);
      timer.ranAt = clock.elapsed();
    });
    if (random() < 0.2) continue;
    timer.cancelledAt = Math.floor(random() * 1000);
    // Again and again, also when it has run: it counts once.
    for (const more of [0, 1, 500]) clock.after(timer.cancelledAt + more, () => made.cancel());
  }
  await clock.advance(2000);
  const wrong = timers.filter(({ at, ranAt, cancelledAt }) => {
    // Of two at the same time the timer was set before what cancels it.
    const runs = cancelledAt < 0 || at <= cancelledAt;
    return ranAt !== (runs ? at : -1);
  });
  assert.deepEqual(wrong, [], `seed ${seed}`);
  assert.equal(clock.next, undefined);
});

test("run() takes as much virtual time as the promise needs", async () => {
  const clock = new TestClock();
  const start = clock.now();
  const slept = (async () => {
    await sleep(clock, 3_600_000);
    await sleep(clock, 3_600_000);
    return "done";
  })();
  assert.equal(await clock.run(slept), "done");
  assert.equal(clock.now() - start, 7_200_000);
});

test("run() says when nothing more will happen", async () => {
  await assert.rejects(new TestClock().run(new Promise(() => undefined)), /Nothing more will happen/);
});

test("the wall clock may jump without moving timers", async () => {
  const clock = new TestClock({ start: 1000 });
  let ran = false;
  clock.after(10, () => (ran = true));
  clock.jump(-500);
  assert.equal(clock.now(), 500);
  await clock.advance(9);
  assert.equal(ran, false);
  await clock.advance(1);
  assert.equal(ran, true);
});

test("the same seed gives the same numbers and ids, in time order", () => {
  const a = new TestClock({ seed: 7 });
  const b = new TestClock({ seed: 7 });
  const ids = Array.from({ length: 2000 }, () => a.id());
  assert.deepEqual(
    ids,
    Array.from({ length: 2000 }, () => b.id()),
  );
  assert.equal(new Set(ids).size, 2000);
  assert.deepEqual(ids, ids.toSorted());
  assert.notEqual(seededRandom(1)(), seededRandom(2)());
});

const greet = task("clock.greet", (name: string) => `Hello, ${name}!`);

for (const jump of [86_400_000, -86_400_000, 1e13]) {
  test(`a worker goes on after the wall clock has jumped by ${jump} ms`, async () => {
    const clock = new TestClock();
    await using hands = await connect("memory:", { runtime: clock });
    hands.work({ tasks: [greet], report: () => undefined });
    await clock.advance("1m");
    clock.jump(jump);
    assert.equal(await clock.run(hands.submit(greet, "Ada"), "1m"), "Hello, Ada!");
  });
}

test("run() says so when no worker takes the job", async () => {
  const clock = new TestClock();
  await using hands = await connect("memory:", { runtime: clock });
  const future = hands.submit(greet, "nobody");
  await assert.rejects(clock.run(future), /Does a worker know the task/);
});
