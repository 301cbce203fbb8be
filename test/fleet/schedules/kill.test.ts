// Two worker processes on one store, of which one is killed at a tick, again and again: every tick becomes one job, and hardly later
// than with both. The seed is printed; timing is the machine's, so it gives the same kinds of kills, not the same instant.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { call, connect } from "../../../src/index.ts";
import { seededRandom } from "../../../src/testing/index.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { folder, Program } from "../../fixtures/support.ts";
import { networks } from "../../servers/fresh.ts";

const fixture = join(import.meta.dirname, "../../fixtures/worker.ts");
const kills = 10;

const stores = [
  { kind: "SQLite", skip: false, fresh: (t: TestContext) => `sqlite:${join(folder(t), "hands.db")}` },
  ...networks().map(({ kind, given, fresh }) => ({ kind, skip: "skip" in given && given.skip, fresh: () => fresh() })),
];

for (const { kind, skip, fresh } of stores) {
  test(`${kills} SIGKILLs at ticks on ${kind}: every tick fires exactly once`, { skip, timeout: 100_000 }, async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const url = fresh(t);
    const start = (): Program => new Program(t, fixture, [url, JSON.stringify({ lease: 1000 })]);
    const workers = [start(), start()];
    await Promise.all(workers.map((worker) => worker.says("ready")));
    await using hands = await connect(url);
    const schedule = await hands.schedule("tick", "* * * * * *", call(jobs.echo, 1), { catchUp: "all" });
    const first = (await schedule.info())?.next ?? 0;
    for (let i = 0; i < kills; i++) {
      await Promise.all(workers.map((worker) => worker.says("ready")));
      const place = Math.floor(random() * 2);
      const worker = workers[place] as Program;
      // From a moment before the next tick to one after it.
      await delay(1000 - (hands.now() % 1000) - 20 + random() * 60);
      worker.kill("SIGKILL");
      await worker.exited;
      workers[place] = start();
    }
    await Promise.all(workers.map((worker) => worker.says("ready")));
    await delay(1500);
    await schedule.pause();

    const { last, fired } = (await schedule.info()) ?? { last: 0, fired: 0 };
    const found = (await hands.jobs({ task: jobs.echo.name, limit: 10_000 })).toReversed();
    const times = Array.from({ length: ((last ?? 0) - first) / 1000 + 1 }, (_, i) => first + i * 1000);
    assert.deepEqual(
      found.map(({ id }) => id),
      times.map((time) => `tick@${new Date(time).toISOString()}`),
    );
    assert.equal(fired, times.length);
    const lates = found.map(({ submittedAt }, i) => submittedAt - (times[i] ?? 0)).toSorted((a, b) => a - b);
    const median = lates[Math.floor(lates.length / 2)] ?? Infinity;
    t.diagnostic(`${times.length} ticks; late by ${median} ms in the median, ${lates.at(-1)} ms at most`);
    assert.ok(median <= 250);
  });
}
