// Whoever waits for jobs, when the store's messages do not come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Awaiter } from "../../src/fleet/awaiter.ts";
import { memoryStore } from "../../src/store/index.ts";
import { claim, done, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
import { TestClock } from "../../src/testing/index.ts";

test("thousands of ends of which no message came are found by one look, not some at each", async () => {
  const clock = new TestClock({ seed: 1 });
  const store = memoryStore({ runtime: clock });
  const deaf = new Proxy(store, {
    get: (of, name) => (name === "watch" ? () => () => undefined : Reflect.get(of, name).bind(of)),
  });
  const awaiter = new Awaiter(deaf, clock);
  const count = 5000;
  await store.add(
    Array.from({ length: count }, (_, n) => newJob({ id: `j${n}` })),
    start,
  );
  let told = 0;
  for (let n = 0; n < count; n++) {
    awaiter.wait(`j${n}`, { ended: () => (told += 1), lost: assert.fail, isStored: () => true }, true);
  }
  await store.join(newWorker("w"), start + 60_000);
  const claimed = await claim(store, "w", wants(count), start);
  await store.settle(
    "w",
    claimed.map((job) => done(job)),
    [],
    start,
  );
  await clock.advance(1900);
  assert.equal(told, 0);
  await clock.advance(600);
  assert.equal(told, count);
  awaiter.close(new Error("the test is over"));
  await store.close();
});
