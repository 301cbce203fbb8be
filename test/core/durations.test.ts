import assert from "node:assert/strict";
import { test } from "node:test";
import { showMs, toMs } from "../../src/core/durations.ts";
import { UsageError } from "../../src/core/errors.ts";
import { idGenerator, sleep, systemRuntime } from "../../src/core/runtime.ts";
import { didYouMean } from "../../src/core/suggest.ts";

test("durations", () => {
  const given = [5, "250ms", "30s", "5m", "1.5h", "1d", "2w"];
  assert.deepEqual(
    given.map((each) => toMs(each, "x")),
    [5, 250, 30_000, 300_000, 5_400_000, 86_400_000, 1_209_600_000],
  );
  for (const bad of [-1, NaN, Infinity, "", "5", "5 s", "s", "1e3s", null, {}, []]) {
    assert.throws(
      () => toMs(bad, "the wait"),
      (error: unknown) => error instanceof UsageError && error.message.startsWith("the wait must be"),
    );
  }
});

test("no duration is longer than a thousand years", () => {
  assert.equal(toMs("365000d", "x"), 365_000 * 86_400_000);
  for (const long of [1e300, "365001d", "1000000w"]) {
    assert.throws(
      () => toMs(long, "the wait"),
      (error: unknown) => error instanceof UsageError && error.message.startsWith("the wait is at most a thousand years"),
    );
  }
});

test("durations for people", () => {
  assert.deepEqual([850, 3200, 245_000, 7_380_000].map(showMs), ["850 ms", "3.2 s", "4 m 05 s", "2 h 03 m"]);
  const hours = [24, 47.99, 48, 719.99, 8_760_000].map((each) => showMs(each * 3_600_000));
  assert.deepEqual(hours, ["24 h 00 m", "47 h 59 m", "2 d 00 h", "29 d 23 h", "365000 d 00 h"]);
});

test("ids are unique, sort by time, and never go back when the clock does", () => {
  let now = 1_700_000_000_000;
  const id = idGenerator(() => now, Math.random);
  const ids: string[] = [];
  for (let i = 0; i < 50_000; i++) {
    if (i % 100 === 0) now += (i / 100) % 3 === 0 ? -5 : 3;
    ids.push(id());
  }
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids, ids.toSorted());
  assert.match(ids[0] ?? "", /^[0-9A-HJKMNP-TV-Z]{26}$/);
});

test("more ids in one ms than the counter holds", () => {
  const id = idGenerator(
    () => 5,
    () => 0.5,
  );
  const seen = new Set<string>();
  for (let i = 0; i < 2 ** 20 + 10; i++) seen.add(id());
  assert.equal(seen.size, 2 ** 20 + 10);
});

test("sleep ends at once when its signal aborts", async () => {
  const controller = new AbortController();
  const sleeping = sleep(systemRuntime, 60_000, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
  await assert.rejects(sleep(systemRuntime, 60_000, controller.signal), /enough/);
});

test("a timer longer than setTimeout can hold does not fire at once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let fired = false;
  systemRuntime.after(2 ** 31 + 1000, () => (fired = true));
  t.mock.timers.tick(2 ** 31 - 1);
  assert.equal(fired, false);
  t.mock.timers.tick(1001);
  assert.equal(fired, true);
});

test("did you mean", () => {
  assert.equal(didYouMean("retires", ["retries", "timeout"]), 'Did you mean "retries"?');
  assert.equal(didYouMean("xyzzy", ["retries", "timeout"]), 'Known: "retries", "timeout".');
  assert.equal(didYouMean("a", []), "There are none.");
});
