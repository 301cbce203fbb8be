// What becomes of ticks, case by case: the tables of docs/guide/schedules.md.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatchUp, Overlap, Stored } from "../../../src/fleet/schedules/record.ts";
import { rhythmOf } from "../../../src/fleet/schedules/rhythm.ts";
import { mostCaughtUp, mostQueued, onTimeMs, stepOf } from "../../../src/fleet/schedules/step.ts";

const hour = 36e5;
const hourly = await rhythmOf({ every: hour, from: 0 });

function stored(changes: Partial<Stored>): Stored {
  const counts = { fired: 0, skipped: 0, missed: 0 };
  const definition = { when: { every: hour, from: 0 }, catchUp: "none", windowMs: null, overlap: "allow", jobs: [] } as const;
  return { v: 1, ...definition, paused: false, next: hour, last: null, live: [], queued: [], ...counts, ...changes };
}

function idOf(hours: number): string {
  return `h@${new Date(hours * hour).toISOString()}`;
}

interface Found {
  /** Hours of the ticks that fire. */
  readonly fires: readonly number[];
  readonly cancels: readonly string[];
  readonly queued: readonly number[];
  readonly next: number | null;
  readonly counts: readonly [fired: number, skipped: number, missed: number];
}

/** The step at this time, in hours; null for none. */
function step(at: number, changes: Partial<Stored>, living: readonly string[] = []): Found | null {
  const made = stepOf("h", stored(changes), hourly, at * hour, living);
  if (!made) return null;
  const { to, fires, cancels } = made;
  const inHours = (times: readonly number[]): number[] => times.map((time) => time / hour);
  const counts = [to.fired, to.skipped, to.missed] as const;
  return { fires: inHours(fires), cancels, queued: inHours(to.queued), next: to.next === null ? null : to.next / hour, counts };
}

const moment = onTimeMs / hour;

test("before its tick there is nothing to do, nor while it is paused, nor when it is over", () => {
  assert.equal(step(0.999, {}), null);
  assert.equal(step(5, { paused: true }), null);
  assert.equal(step(5, { next: null }), null);
});

test("a tick that is due fires, up to ten seconds late, whatever catchUp says", () => {
  for (const catchUp of ["none", "latest", "all"] as const) {
    for (const late of [0, moment]) {
      const expected = { fires: [1], cancels: [], queued: [], next: 2, counts: [1, 0, 0] };
      assert.deepEqual(step(1 + late, { catchUp }), expected, `${catchUp} ${late}`);
    }
  }
});

test("catch-up after all workers were away from 1 to 5:30", () => {
  const cases: readonly (readonly [CatchUp, number | null, readonly number[], missed: number])[] = [
    ["none", null, [], 5],
    ["latest", null, [5], 4],
    ["latest", 0.25 * hour, [], 5],
    ["latest", 0.5 * hour, [5], 4],
    ["all", 24 * hour, [1, 2, 3, 4, 5], 0],
    ["all", 2.5 * hour, [3, 4, 5], 2],
  ];
  for (const [catchUp, windowMs, fires, missed] of cases) {
    const expected = { fires, cancels: [], queued: [], next: 6, counts: [fires.length, 0, missed] };
    assert.deepEqual(step(5.5, { catchUp, windowMs }), expected, `${catchUp} ${windowMs}`);
  }
});

test("a tick that is on time is the latest: those missed before it are not made up for", () => {
  assert.deepEqual(step(5, { catchUp: "latest" })?.fires, [5]);
  assert.deepEqual(step(5, { catchUp: "none" })?.fires, [5]);
  assert.deepEqual(step(5, { catchUp: "all" })?.fires, [1, 2, 3, 4, 5]);
});

test("after a very long absence the last thousand ticks are caught up on, a hundred in a step, oldest first", () => {
  const at = 5000.5;
  let state = stored({ catchUp: "all" });
  const fired: number[] = [];
  for (let steps = 1; ; steps++) {
    const made = stepOf("h", state, hourly, at * hour, []);
    if (!made) break;
    assert.ok(made.fires.length <= 100 && steps <= 10);
    fired.push(...made.fires);
    state = made.to;
  }
  assert.equal(fired.length, mostCaughtUp);
  assert.deepEqual([fired[0], fired.at(-1)], [4001 * hour, 5000 * hour]);
  assert.deepEqual([state.next, state.fired], [5001 * hour, mostCaughtUp]);
});

test("what overlap makes of a tick while the job of one before lives, and when it has ended", () => {
  const before = idOf(0);
  const cases: readonly (readonly [Overlap, readonly string[], Partial<Found>])[] = [
    ["allow", [before], { fires: [1], cancels: [], queued: [], counts: [1, 0, 0] }],
    ["skip", [before], { fires: [], cancels: [], queued: [], counts: [0, 1, 0] }],
    ["skip", [], { fires: [1], cancels: [], queued: [], counts: [1, 0, 0] }],
    ["queue", [before], { fires: [], cancels: [], queued: [1], counts: [0, 0, 0] }],
    ["queue", [], { fires: [1], cancels: [], queued: [], counts: [1, 0, 0] }],
    ["cancelOther", [before], { fires: [], cancels: [before], queued: [1], counts: [0, 0, 0] }],
    ["cancelOther", [], { fires: [1], cancels: [], queued: [], counts: [1, 0, 0] }],
  ];
  for (const [overlap, living, expected] of cases) {
    assert.deepEqual(
      step(1, { overlap, live: [before] }, living),
      { ...expected, next: 2 },
      `${overlap}, ${living.length} living`,
    );
  }
});

test("what waits fires when those before it have ended, one after the other", () => {
  assert.equal(step(2.5, { overlap: "queue", next: 3 * hour, queued: [hour, 2 * hour] }, [idOf(0)]), null);
  assert.deepEqual(step(2.5, { overlap: "queue", next: 3 * hour, queued: [hour, 2 * hour] }), {
    fires: [1],
    cancels: [],
    queued: [2],
    next: 3,
    counts: [1, 0, 0],
  });
  assert.deepEqual(step(3, { overlap: "queue", next: 3 * hour, queued: [2 * hour] }), {
    fires: [2],
    cancels: [],
    queued: [3],
    next: 4,
    counts: [1, 0, 0],
  });
});

test("at most a hundred ticks wait; a further one is dropped", () => {
  const queued = Array.from({ length: mostQueued }, (_, i) => -i * hour);
  const found = step(1, { overlap: "queue", queued }, [idOf(0)]);
  assert.deepEqual([found?.queued.length, found?.queued.at(-1), found?.counts], [mostQueued, -(mostQueued - 1), [0, 1, 0]]);
});

test("several ticks at once, where overlap is not allowed", () => {
  const cases: readonly (readonly [Overlap, fires: readonly number[], queued: readonly number[], skipped: number])[] = [
    ["skip", [1], [], 2],
    ["queue", [1], [2, 3], 0],
    ["cancelOther", [3], [], 2],
  ];
  for (const [overlap, fires, queued, skipped] of cases) {
    const found = step(3, { overlap, catchUp: "all" });
    assert.deepEqual(found, { fires, cancels: [], queued, next: 4, counts: [fires.length, skipped, 0] }, overlap);
  }
});

test("cancelOther: a further tick takes the place of the one that waits, and cancels again only what lives", () => {
  const live = [idOf(0)];
  const found = step(2, { overlap: "cancelOther", next: 2 * hour, queued: [hour], live }, live);
  assert.deepEqual(found, { fires: [], cancels: live, queued: [2], next: 3, counts: [0, 1, 0] });
  assert.deepEqual(step(2.5, { overlap: "cancelOther", next: 3 * hour, queued: [2 * hour], live })?.fires, [2]);
});

test("a clock that goes back fires nothing twice; one that goes forward makes ticks late", () => {
  const fired = stepOf("h", stored({}), hourly, hour, [])?.to as Stored;
  for (const at of [0.5, 1, 1.5]) assert.equal(stepOf("h", fired, hourly, at * hour, []), null);
  assert.deepEqual(step(4.5, { catchUp: "latest" })?.fires, [4]);
});

test("a tick is the one that was stored, whatever another version of the time zone data says", () => {
  assert.deepEqual(step(1.6, { catchUp: "latest", next: 1.5 * hour }), {
    fires: [1.5],
    cancels: [],
    queued: [],
    next: 2,
    counts: [1, 0, 0],
  });
});
