// Schedules as programs declare them: again and again, at every start of every program, with what differs shown and applied.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, connect, task, UsageError } from "../../../src/index.ts";
import type { Hands, ScheduleDefinition } from "../../../src/index.ts";
import { TestClock } from "../../../src/testing/index.ts";

const report = task("declare.report", (name: string) => name, { queue: "reports" });
const sum = task("declare.sum", (numbers: number[]) => numbers.length);

async function fleet(): Promise<{ readonly clock: TestClock; readonly hands: Hands }> {
  const clock = new TestClock();
  return { clock, hands: await connect("memory:", { runtime: clock }) };
}

const nightly: ScheduleDefinition = { name: "nightly", when: "0 3 * * *", call: call(report, "all"), timezone: "Europe/Berlin" };
const often: ScheduleDefinition = { name: "often", when: { every: "5m" }, call: call(report, "some") };

test("the difference to what is stored: added, changed, removed, the same", async () => {
  const { clock, hands } = await fleet();
  const none = { added: [], changed: [], removed: [], unreadable: [], same: [], applied: true };
  assert.deepEqual(await hands.schedules([nightly, often]), { ...none, added: ["nightly", "often"] });
  assert.deepEqual(await hands.schedules([nightly, often]), { ...none, same: ["nightly", "often"] });
  const changed = { ...nightly, overlap: "skip", when: "30 3 * * *" } as const;
  const expected = {
    ...none,
    changed: [
      {
        name: "nightly",
        changes: [
          {
            field: "when",
            from: { cron: "0 3 * * *", timezone: "Europe/Berlin" },
            to: { cron: "30 3 * * *", timezone: "Europe/Berlin" },
          },
          { field: "overlap", from: "allow", to: "skip" },
        ],
      },
    ],
    removed: ["often"],
  };
  assert.deepEqual(await hands.schedules([changed], { apply: false, prune: true }), { ...expected, applied: false });
  assert.deepEqual(await hands.schedules([nightly, often]), { ...none, same: ["nightly", "often"] }, "it was only shown");
  assert.deepEqual(await hands.schedules([changed], { prune: true }), expected);
  assert.deepEqual(
    (await hands.schedules()).map(({ name }) => name),
    ["nightly"],
  );
  assert.deepEqual(await hands.schedules([often]), { ...none, added: ["often"] }, "without prune others are left alone");
  assert.equal((await hands.schedules()).length, 2);
  await clock.run(hands.close());
});

test("defined again by every program that starts, it neither doubles nor shifts (bullmq#393, #1345, #3499: repeatable jobs after a deploy)", async () => {
  const { clock, hands } = await fleet();
  const tick = task("declare.tick", () => undefined);
  hands.work({ tasks: [tick] });
  const definition = { name: "tick", when: { every: "10s" }, call: call(tick) } as const;
  for (let start = 0; start < 9; start++) {
    // Each start of a deploy comes at another moment, and several programs start at once.
    await Promise.all([1, 2, 3].map(() => hands.schedules([definition])));
    await clock.advance(7000);
  }
  const ids = (await hands.jobs()).map(({ id }) => id).toReversed();
  assert.deepEqual(
    ids,
    ["10", "20", "30", "40", "50"].map((s) => `tick@2026-01-01T00:00:${s}.000Z`).concat("tick@2026-01-01T00:01:00.000Z"),
  );
  // Another call, at the same times: the rhythm goes on, and nothing is left of the old one.
  const other = { ...definition, call: call(tick.with({ priority: 5 })) };
  const { changed } = await hands.schedules([other]);
  assert.deepEqual(
    changed.map(({ changes }) => changes.map(({ field }) => field)),
    [["call"]],
  );
  await clock.advance("20s");
  assert.deepEqual(
    (await hands.jobs({ limit: 3 })).map(({ id, priority }) => [id.slice(-8, -5), priority]),
    [
      [":20", 5],
      [":10", 5],
      [":00", 0],
    ],
  );
  await clock.run(hands.close());
});

test("a pause outlives a deploy, unless the definition says otherwise", async () => {
  const { clock, hands } = await fleet();
  await hands.schedule("often", often.when, often.call);
  await hands.schedule("often").pause();
  assert.deepEqual((await hands.schedules([often])).same, ["often"]);
  assert.equal((await hands.schedule("often").info())?.paused, true);
  assert.deepEqual((await hands.schedules([{ ...often, paused: false }])).changed, [
    { name: "often", changes: [{ field: "paused", from: true, to: false }] },
  ]);
  const info = await hands.schedule("often").info();
  assert.deepEqual([info?.paused, info?.next], [false, clock.now() + 300_000]);
  await clock.run(hands.close());
});

test("what is stored, and the next ticks", async () => {
  const { clock, hands } = await fleet();
  const schedule = await hands.schedule("nightly", nightly.when, nightly.call, {
    timezone: "Europe/Berlin",
    catchUp: "all",
    window: "2h",
  });
  assert.deepEqual(await schedule.info(), {
    name: "nightly",
    when: { cron: "0 3 * * *", timezone: "Europe/Berlin" },
    catchUp: "all",
    windowMs: 7_200_000,
    overlap: "allow",
    paused: false,
    task: "declare.report",
    queue: "reports",
    args: ["all"],
    next: Date.UTC(2026, 0, 1, 2),
    last: null,
    queued: [],
    fired: 0,
    skipped: 0,
    missed: 0,
    problem: undefined,
  });
  assert.deepEqual(await schedule.next(2), [new Date("2026-01-01T02:00Z"), new Date("2026-01-02T02:00Z")]);
  assert.equal((await schedule.next()).length, 10);
  const once = await hands.schedule("once", { at: new Date("2026-05-01T00:00Z") }, call(sum, [1, 2]));
  assert.deepEqual(await once.next(), [new Date("2026-05-01T00:00Z")]);
  assert.equal(await hands.schedule("none").info(), undefined);
  await clock.run(hands.close());
});

test("more schedules than fit a page of records", async () => {
  const { clock, hands } = await fleet();
  const many = Array.from({ length: 1201 }, (_, i) => ({ ...often, name: `s${String(i).padStart(4, "0")}` }));
  await hands.schedules(many);
  assert.deepEqual(
    (await hands.schedules()).map(({ name }) => name),
    many.map(({ name }) => name),
  );
  await clock.run(hands.close());
});

test("a cron text whose years are over is refused, unless it was defined before", async () => {
  const { clock, hands } = await fleet();
  const past = { ...often, name: "past", when: "* * * * * * 1999" };
  const refused = { code: "USAGE", message: /^Schedule "past": "\* \* \* \* \* \* 1999" never comes again/ };
  await assert.rejects(hands.schedule("past", past.when, past.call), refused);
  await assert.rejects(hands.schedules([often, past]), refused);
  assert.equal((await hands.schedules()).length, 0, "all is checked before anything is written");
  const year = { ...often, name: "year", when: "0 0 0 1 12 * 2026" };
  await hands.schedules([year]);
  clock.jump(366 * 864e5);
  assert.deepEqual((await hands.schedules([year])).same, ["year"]);
  await assert.rejects(hands.schedules([{ ...year, when: "0 0 0 2 12 * 2026" }]), { code: "USAGE" });
  await clock.run(hands.close());
});

test("what cannot be is refused before anything is written", async () => {
  const { clock, hands } = await fleet();
  const cases: readonly (readonly [() => unknown, RegExp])[] = [
    [() => hands.schedule("no spaces"), /A schedule's name has 1 to 128 letters/],
    [() => hands.schedule("a@b", often.when, often.call), /A schedule's name has/],
    [
      () => hands.schedule("x", often.when, report as never),
      /"x" needs a call, found function declare\.report\. Make one: call\(task/,
    ],
    [() => hands.schedule("x", undefined as never, often.call), /found undefined/],
    [
      () => hands.schedule("x", often.when, often.call, { catchup: "all" } as never),
      /no option "catchup"\. Did you mean "catchUp"\?/,
    ],
    [
      () => hands.schedule("x", often.when, often.call, { catchUp: "last" as never }),
      /catchUp cannot be "last"\. Did you mean "latest"\?/,
    ],
    [() => hands.schedule("x", often.when, often.call, { overlap: 1 as never }), /overlap cannot be 1\. Known: allow, skip/],
    [() => hands.schedule("x", often.when, often.call, { catchUp: "none", window: "1h" }), /catches up on nothing/],
    [() => hands.schedule("x", often.when, often.call, { window: "soon" as never }), /window must be a duration, found "soon"/],
    [() => hands.schedule("x", often.when, often.call, { paused: "yes" as never }), /paused is true or false, found "yes"/],
    [() => hands.schedule("x", often.when, call(report.with({ at: new Date() }), "a")), /has a fixed time \("at"\)/],
    [() => hands.schedules([often, often]), /"often" is defined twice/],
    [() => hands.schedules([often, { ...nightly, when: "61 * * * *" }]), /Invalid value for minute: 61/],
    [() => hands.schedules([null as never]), /takes an object of options, found null/],
    [() => hands.schedules("often" as never), /takes a list of definitions.*found "often"/],
    [() => hands.schedules([], { prine: true } as never), /no option "prine"/],
    [() => hands.schedules([], { prune: 1 as never }), /prune is true or false, found 1/],
    [() => hands.schedule("x").pause(), /There is no schedule "x" in this store/],
    [() => hands.schedule("x").resume(), /There is no schedule "x"/],
    [() => hands.schedule("x").next(), /There is no schedule "x"/],
    [() => hands.schedule("x").trigger(), /There is no schedule "x"/],
  ];
  for (const [wrong, message] of cases) {
    await assert.rejects(
      async () => wrong(),
      (error) => {
        assert.ok(error instanceof UsageError, String(error));
        assert.match(error.message, message);
        return true;
      },
    );
  }
  assert.deepEqual(await hands.schedules(), []);
  await clock.run(hands.close());
});
