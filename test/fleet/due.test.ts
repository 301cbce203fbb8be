// A job that is due soon and was submitted elsewhere starts when it is due, not when its workers would have looked next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hands } from "../../src/fleet/hands.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import type { Store } from "../../src/store/store.ts";
import { TestClock } from "../../src/testing/index.ts";
import * as jobs from "../fixtures/jobs.ts";

test("a delayed job submitted by another program starts within 100 ms of its time", async (t) => {
  const clock = new TestClock();
  const memory = memoryStore({ runtime: clock });
  // As on a server, where each tend costs a round trip.
  const store: Store = new Proxy(memory, {
    get(target, name: keyof Store) {
      if (name === "tendMs") return 3000;
      const value: unknown = target[name];
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const [here, elsewhere] = [new Hands(store, clock), new Hands(store, clock)];
  t.after(() => clock.run(here.close()));
  here.work({ tasks: [jobs] });
  await clock.advance("10s");
  for (const delay of [40, 400, 1400, 2900, 4900, 5100, 8000]) {
    const future = elsewhere.submit(jobs.echo.with({ delay }), delay);
    assert.equal(await clock.run(future), delay);
    const [job] = await clock.run(elsewhere.jobs({ ids: [future.id] }));
    const late = (job?.startedAt ?? 0) - (job?.dueAt ?? 0);
    assert.ok(late >= 0 && late <= 100, `due in ${delay} ms, and ${late} ms late`);
    await clock.advance(777);
  }
});
