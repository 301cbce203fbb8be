// When schedules tick: cron texts over the days on which clocks change, intervals, single times, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../src/index.ts";
import { rhythmOf } from "../../../src/fleet/schedules/rhythm.ts";
import { checkWhen } from "../../../src/fleet/schedules/when.ts";

async function ticks(cron: string, timezone: string, from: string, count: number): Promise<string[]> {
  const rhythm = await rhythmOf(await checkWhen(cron, timezone, "test"));
  const found: string[] = [];
  let time: number | null = Date.parse(from);
  while (found.length < count && (time = rhythm.after(time)) !== null) found.push(new Date(time).toISOString().slice(5, 16));
  return found;
}

// The clocks of Berlin go from 02:00 to 03:00 on 2026-03-29 at 01:00 UTC, and from 03:00 to 02:00 on 2026-10-25 at 01:00 UTC.
test("daylight saving time: a fixed time in the gap fires when the gap is over, one that comes twice fires the first time", async () => {
  assert.deepEqual(await ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00Z", 3), [
    "03-28T01:30",
    "03-29T01:00",
    "03-30T00:30",
  ]);
  assert.deepEqual(await ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00Z", 3), [
    "10-24T00:30",
    "10-25T00:30",
    "10-26T01:30",
  ]);
  assert.deepEqual(await ticks("30 2 * * *", "America/New_York", "2026-03-07T12:00Z", 2), ["03-08T07:00", "03-09T06:30"]);
  assert.deepEqual(await ticks("30 1 * * *", "America/New_York", "2026-10-31T12:00Z", 2), ["11-01T05:30", "11-02T06:30"]);
});

test("daylight saving time: a repeated time leaves out the gap, and comes in both of the hours that are doubled", async () => {
  assert.deepEqual(await ticks("*/30 2 * * *", "Europe/Berlin", "2026-03-28T00:00Z", 3), [
    "03-28T01:00",
    "03-28T01:30",
    "03-30T00:00",
  ]);
  const autumn = ["10-25T00:00", "10-25T00:30", "10-25T01:00", "10-25T01:30", "10-26T01:00"];
  assert.deepEqual(await ticks("*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", 5), autumn);
});

test("the last ticks before a time are those that came before it", async () => {
  const cases = [
    ["30 2 * * *", "Europe/Berlin", "2026-03-20", "2026-04-05"],
    ["*/20 * * * *", "Europe/Berlin", "2026-10-24", "2026-10-27"],
    ["*/20 1-3 * * *", "America/New_York", "2026-03-06", "2026-03-11"],
    ["30 1 * * *", "America/New_York", "2026-10-30", "2026-11-05"],
  ] as const;
  for (const [cron, timezone, from, to] of cases) {
    const rhythm = await rhythmOf({ cron, timezone });
    const forward: number[] = [];
    for (let time = rhythm.after(Date.parse(from)); time !== null && time <= Date.parse(to); time = rhythm.after(time))
      forward.push(time);
    assert.deepEqual(rhythm.until(Date.parse(to), forward.length), forward, cron);
    assert.equal(rhythm.until(forward.at(-1) as number, 1)[0], forward.at(-1), "a tick is not later than itself");
  }
});

test("an interval counts from its first tick, or from 1970", async () => {
  const quarters = await rhythmOf(await checkWhen({ every: "15m" }, undefined, "test"));
  assert.equal(quarters.after(Date.UTC(2026, 0, 1, 10, 7)), Date.UTC(2026, 0, 1, 10, 15));
  assert.equal(quarters.after(Date.UTC(2026, 0, 1, 10, 15)), Date.UTC(2026, 0, 1, 10, 30));
  const from = new Date(Date.UTC(2026, 0, 1, 10, 7));
  const later = await rhythmOf(await checkWhen({ every: "1h", from }, undefined, "test"));
  assert.equal(later.after(0), from.getTime());
  assert.equal(later.after(from.getTime()), from.getTime() + 36e5);
  assert.deepEqual(later.until(from.getTime() + 2.5 * 36e5, 9).length, 3);
  assert.deepEqual(later.until(from.getTime() - 1, 9), []);
  assert.deepEqual(later.until(from.getTime() + 5 * 36e5, 2), [from.getTime() + 4 * 36e5, from.getTime() + 5 * 36e5]);
});

test("a single time comes once", async () => {
  const rhythm = await rhythmOf(await checkWhen({ at: new Date(5000) }, undefined, "test"));
  assert.deepEqual([rhythm.after(4999), rhythm.after(5000)], [5000, null]);
  assert.deepEqual([rhythm.until(4999, 1), rhythm.until(5000, 9)], [[], [5000]]);
});

test("what cannot be is refused, with what was found", async () => {
  const cases: readonly (readonly [when: unknown, timezone: unknown, message: RegExp])[] = [
    ["61 * * * *", undefined, /"61 \* \* \* \*" is no cron text\. Invalid value for minute: 61/],
    ["* * * *", undefined, /five fields.*found 4/],
    ["", undefined, /found 0/],
    ["every day", undefined, /found 2/],
    ["2026-05-01T00:00:00", undefined, /found 1.*\{ at: date \}/],
    ["@reboot", undefined, /@reboot is not supported/],
    ["0 0 30 2 *", undefined, /never comes/],
    ["0 3 * * *", "Europe/Brlin", /no time zone "Europe\/Brlin"\. Did you mean "Europe\/Berlin"\?/],
    ["0 3 * * *", "+02:00", /no time zone "\+02:00".*Use a name such as/],
    ["0 3 * * *", 2, /no time zone 2/],
    [{ every: "5m" }, "Europe/Berlin", /a timezone goes with a cron text only/],
    [{ every: "5 minutes" }, undefined, /every must be a duration, found "5 minutes"/],
    [{ every: 999 }, undefined, /at least a second.*found 999/],
    [{ every: "5m", form: 1 }, undefined, /no option "form"\. Did you mean "from"\?/],
    [{ every: "5m", from: "now" }, undefined, /from must be a Date.*found "now"/],
    [{ at: new Date("tomorrow") }, undefined, /at must be a Date.*found an invalid Date/],
    [{ at: 1e16 }, undefined, /up to the year 9999/],
    [{ cron: "0 3 * * *" }, undefined, /found \{ cron \}/],
    [null, undefined, /found null/],
  ];
  for (const [when, timezone, message] of cases) {
    await assert.rejects(checkWhen(when, timezone, 'Schedule "x"'), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      assert.match(error.message, /^Schedule "x"/);
      return true;
    });
  }
});
