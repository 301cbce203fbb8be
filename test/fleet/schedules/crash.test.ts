// Whole workers that crash, stall and are slow, with jobs that take longer than the time between two ticks: what overlap promises holds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, task } from "../../../src/index.ts";
import type { Hands, JobInfo, ScheduleInfo, UnreadableSchedule } from "../../../src/index.ts";
import { simulate } from "../../../src/testing/index.ts";
import type { TestClock } from "../../../src/testing/index.ts";

const work = task("crash.work", () => undefined, { crashes: 100 });
const start = Date.UTC(2026, 2, 29);
const minutes = 60;

interface Seen {
  readonly jobs: ReadonlyMap<string, readonly JobInfo[]>;
  readonly infos: ReadonlyMap<string, ScheduleInfo | UnreadableSchedule>;
}

async function program(hands: Hands, clock: TestClock): Promise<Seen> {
  const names = ["queue", "skip", "cancelOther"] as const;
  const definitions = names.map((overlap) => ({
    name: overlap,
    when: "* * * * *",
    call: call(work),
    overlap,
    catchUp: "all" as const,
  }));
  await hands.schedules(definitions);
  await clock.advance(minutes * 60_000 + 30_000);
  for (const name of names) await hands.schedule(name).pause();
  // What waits goes on when it is resumed; here it is left, and the jobs there are come to their end.
  await clock.advance("10m");
  const infos = new Map((await hands.schedules()).map((info) => [info.name, info] as const));
  const all = (await hands.jobs({ limit: 10_000 })).toReversed();
  return { infos, jobs: new Map(names.map((name) => [name, all.filter(({ id }) => id.startsWith(`${name}@`))] as const)) };
}

for (const index of [0, 1, 2]) {
  test(`an hour of crashes, ${index + 1}: no tick is lost or doubled, and none overlaps`, { timeout: 100_000 }, async (t) => {
    const seed = Number(process.env["MANYHANDS_SEED"] ?? Math.floor(Math.random() * 1e9)) + index;
    t.diagnostic(`seed ${seed}`);
    const faults = { crash: 0.003, stall: 0.003, slow: 0.9, wake: 0.1 };
    const run = await simulate(seed, { tasks: [work], faults, start: start - 10_000, program });
    const { jobs, infos } = run.value;
    t.diagnostic(`${run.jobs} jobs, ${run.crashes} crashes`);
    for (const [name, list] of jobs) {
      const info = infos.get(name) as ScheduleInfo;
      assert.equal(info.fired, list.length, name);
      assert.equal(info.fired + info.skipped + info.queued.length + info.missed, minutes + 1, name);
      assert.equal(new Set(list.map(({ id }) => id)).size, list.length, name);
      list.slice(1).forEach((job, i) => {
        const before = list[i] as JobInfo;
        assert.ok(before.id < job.id, `${before.id} before ${job.id}`);
        assert.ok(job.submittedAt >= (before.endedAt ?? Infinity), `${job.id} began before the end of ${before.id}`);
      });
    }
    const queued = jobs.get("queue")?.map(({ id }) => id) ?? [];
    const expected = queued.map((_, i) => `queue@${new Date(start + i * 60_000).toISOString()}`);
    assert.deepEqual(queued, expected, "in order, and none left out");
    assert.ok(run.crashes > 5, "the seed must bring crashes");
  });
}
