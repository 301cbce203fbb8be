// What waits long or runs long: none of it is given out early, taken twice or held in a worker.
import assert from "node:assert/strict";
import { test } from "node:test";
import { context, task } from "../../src/index.ts";
import { fleet } from "./limits/fleet.ts";

const hour = 3_600_000;

test("a job that runs for hours, and one that is due in hours, start once, whatever their leases last", async (t) => {
  const { clock, store, program, sleep } = fleet(t);
  const starts: string[] = [];
  const long = task("backlog.long", async (what: string) => {
    starts.push(`${what} ${context().attempt}`);
    await sleep(5 * hour);
    return what;
  });
  const hands = program([long], { lease: 5000 });
  program([long], { lease: 5000 });
  const results = Promise.all([hands.submit(long, "now"), hands.submit(long.with({ delay: 3 * hour }), "later")]);
  await clock.run(sleep(2 * hour));
  assert.deepEqual(await hands.count({ states: ["scheduled"] }), 1, "it stays in the store, where no lease can run out");
  assert.deepEqual(await clock.run(results), ["now", "later"]);
  assert.deepEqual(starts, ["now 1", "later 1"]);
  assert.deepEqual(
    (await store.list({}, { limit: 9 })).map(({ crashes, attempt }) => [crashes, attempt]),
    [
      [0, 1],
      [0, 1],
    ],
  );
});

test("of jobs that are not due, however many, a worker holds none", async (t) => {
  const { clock, store, program, sleep } = fleet(t);
  const none = task("backlog.none", (n: number) => n);
  let claimed = 0;
  const settle = store.settle.bind(store);
  store.settle = async (...asked) => {
    const settled = await settle(...asked);
    claimed += settled.claimed.length;
    return settled;
  };
  const hands = program([none], { concurrency: 4 });
  const later = none.with({ delay: hour });
  await Promise.all(Array.from({ length: 20_000 }, (_, n) => hands.submit(later, n).submitted));
  await clock.run(hands.submit(none, 1));
  await clock.run(sleep(hour / 2));
  assert.equal(claimed, 1);
  assert.equal(await hands.count({ states: ["scheduled"] }), 20_000);
  await clock.run(sleep(hour));
  assert.equal(await hands.count({ states: ["done"] }), 20_001);
});
