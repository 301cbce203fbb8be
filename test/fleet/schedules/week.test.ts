// A week of several schedules on simulated machines that crash, stall and are replaced, over the days on which the clocks change. What
// must fire is worked out here by other means than the code under test: by walking through the week minute by minute. The machines
// only fire: whole workers, with all that they do twice a second, would take minutes for a week; `workers.test.ts` has those.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, task } from "../../../src/index.ts";
import { Hands } from "../../../src/fleet/hands.ts";
import { Firing } from "../../../src/fleet/schedules/firing.ts";
import { memoryStore } from "../../../src/store/memory/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { TestClock } from "../../../src/testing/index.ts";
import { Machine } from "../../../src/testing/faults.ts";

const day = 864e5;
const faults = { crash: 0.02, stall: 0.01, slow: 0, wake: 0.1 };
const tick = task("week.tick", () => undefined);

/** Machines that fire and crash; gives how often they did. */
function startMachines(count: number, store: Store, clock: TestClock): () => number {
  let crashes = 0;
  const start = (name: string): void => {
    const machine = new Machine(
      name,
      clock,
      store,
      faults,
      () => undefined,
      () => {
        crashes += 1;
        clock.after(Math.floor(clock.random() * 20_000), () => start(name));
      },
    );
    const failed = (_name: string, error: Error): never => {
      throw error;
    };
    const { runtime } = machine;
    const host = { store: machine.store, runtime, cancel: () => undefined };
    const firing = new Firing({ ...host, storeFailed: (error) => failed("", error), scheduleFailed: failed });
    machine.store.watch((event) => {
      if (event === "written") firing.written();
    });
    const look = (): void => {
      firing.look();
      runtime.after(60_000 + 30_000 * clock.random(), look);
    };
    look();
  };
  for (let i = 1; i <= count; i++) start(`m${i}`);
  return () => crashes;
}

/** Hour and minute on the clocks of a zone. */
function clockOf(zone: string): (time: number) => string {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return (time) => format.format(time);
}

/** The minutes of the week at whose beginning the clocks of the zone show one of these; of those shown twice only the first. */
function fixed(zone: string, from: number, hhmm: string, gap: string): number[] {
  const show = clockOf(zone);
  const found: number[] = [];
  let shownOn = -Infinity;
  for (let time = from; time < from + 7 * day; time += 60_000) {
    const isGap = show(time) === gap && show(time - 60_000) < "02:00" && gap !== hhmm;
    if ((show(time) === hhmm || isGap) && time - shownOn > 20 * 36e5) {
      found.push(time);
      shownOn = time;
    }
  }
  return found;
}

/** The minutes of the week at whose beginning the clocks show a time that fits. */
function interval(zone: string, from: number, fits: RegExp): number[] {
  const show = clockOf(zone);
  const minutes = Array.from({ length: 7 * 24 * 60 }, (_, i) => from + i * 60_000);
  return minutes.filter((time) => fits.test(show(time)));
}

interface Week {
  readonly name: string;
  readonly zone: string;
  readonly from: number;
}

const weeks: readonly Week[] = [
  { name: "Berlin goes forward", zone: "Europe/Berlin", from: Date.UTC(2026, 2, 26) },
  { name: "Berlin goes back", zone: "Europe/Berlin", from: Date.UTC(2026, 9, 22) },
  { name: "New York goes forward", zone: "America/New_York", from: Date.UTC(2026, 2, 5) },
  { name: "New York goes back", zone: "America/New_York", from: Date.UTC(2026, 9, 29) },
];

for (const [index, { name, zone, from }] of weeks.entries()) {
  test(`a week in which ${name}: every tick fires exactly once`, { timeout: 120_000 }, async (t) => {
    const seed = Number(process.env["MANYHANDS_SEED"] ?? Math.floor(Math.random() * 1e9)) + index;
    t.diagnostic(`seed ${seed}`);
    const expected: Record<string, readonly number[]> = {
      // The gap is from 02:00 to 03:00; 02:30 (Berlin) and 01:30 (New York) come twice in autumn.
      nightly: fixed(zone, from, "02:30", "03:00"),
      early: fixed(zone, from, "01:30", "01:30"),
      quarters: interval(zone, from, /^0[123]:(00|15|30|45)$/),
      hourly: interval(zone, from, /:00$/),
      fives: interval(zone, from, /[05]$/),
      interval: Array.from({ length: (7 * day) / 42e5 }, (_, i) => from + 35e4 + i * 42e5),
      once: [from + 3 * day],
    };
    // A minute before, so that the first tick is not over when the schedules are defined.
    const clock = new TestClock({ seed, start: from - 60_000 });
    const store = memoryStore({ runtime: clock });
    const crashes = startMachines(3, store, clock);
    const hands = new Hands(store, clock);
    const options = { timezone: zone, catchUp: "all" } as const;
    await clock.run(
      hands.schedules([
        { name: "nightly", when: "30 2 * * *", call: call(tick), ...options },
        { name: "early", when: "30 1 * * *", call: call(tick), ...options },
        { name: "quarters", when: "*/15 1-3 * * *", call: call(tick), ...options },
        { name: "hourly", when: "0 0 * * * *", call: call(tick), ...options },
        { name: "fives", when: "*/5 * * * *", call: call(tick), ...options },
        { name: "interval", when: { every: "70m", from: from + 35e4 }, call: call(tick), catchUp: "all" },
        { name: "once", when: { at: from + 3 * day }, call: call(tick) },
      ]),
    );
    await clock.advance(from + 7 * day - clock.now() - 1);

    const jobs = await store.list({}, { limit: 100_000 });
    const fired = (each: string): number[] =>
      jobs.flatMap(({ id }) => (id.startsWith(`${each}@`) ? [Date.parse(id.slice(each.length + 1))] : []));
    const shown = (times: readonly number[]): string[] =>
      times.toSorted((a, b) => a - b).map((time) => new Date(time).toISOString());
    for (const [each, ticks] of Object.entries(expected)) assert.deepEqual(shown(fired(each)), shown(ticks), each);
    t.diagnostic(`${jobs.length} ticks, ${crashes()} crashes`);
    assert.ok(crashes() > 100, "the seed must bring crashes");
  });
}
