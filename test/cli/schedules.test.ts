// `manyhands schedules` and its commands. The schedules themselves are defined by a program.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { call, connect, task } from "../../src/index.ts";
import { json, linesOf, Place } from "./command.ts";

const upper = task("upper", (text: string) => text.toUpperCase());

async function placed(place: Place): Promise<void> {
  await using hands = await connect(`sqlite:${join(place.path, ".manyhands/hands.db")}`);
  await hands.schedules([
    { name: "nightly", when: "0 3 * * *", call: call(upper, "a\nb"), timezone: "Europe/Berlin", overlap: "skip" },
    { name: "often", when: { every: "90s" }, call: call(upper, "b"), catchUp: "all" },
    { name: "once", when: { at: new Date("2999-01-01T00:00:00Z") }, call: call(upper, "c") },
  ]);
}

test("schedules are listed, shown and steered", { timeout: 120_000 }, async (t) => {
  const place = new Place(t);
  const nowhere = await place.run("schedules");
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.err, /There is no store at/);
  await placed(place);

  const [title = "", ...rows] = linesOf((await place.run("schedules")).out);
  assert.match(title, /^NAME +WHEN +TASK +NEXT +FIRED$/);
  assert.match(rows[0] ?? "", /^nightly +0 3 \* \* \* \(Europe\/Berlin\) +upper +\d{4}-.*Z {2}\(in .*\) +0$/);
  assert.match(rows[1] ?? "", /^often +every 1 m 30 s +upper/);
  assert.match(rows[2] ?? "", /^once +at 2999-01-01T00:00:00\.000Z +upper/);
  const listed = json((await place.run("schedules", "list", "--json")).out);
  assert.deepEqual(
    listed.map(({ name }) => name),
    ["nightly", "often", "once"],
  );
  assert.deepEqual([listed[1]?.["when"], listed[1]?.["windowMs"]], [{ every: 90_000, from: 0 }, 86_400_000]);
  assert.match(String(listed[0]?.["next"]), /^\d{4}-.*Z$/);

  const shown = (await place.run("schedules", "show", "often")).out;
  for (const line of [/^name +often$/m, /^catch up +all, up to 24 h 00 m late$/m, /^overlap +allow$/m, /^fired +0 ticks$/m]) {
    assert.match(shown, line);
  }
  const next = json((await place.run("schedules", "next", "-n", "3", "--json")).out);
  assert.deepEqual(
    next.map(({ name }) => name),
    ["often", "often", "often"],
  );
  assert.equal(linesOf((await place.run("schedules", "next", "once")).out).length, 1);

  assert.equal((await place.run("schedules", "pause", "often", "once")).out, "often: paused\nonce: paused\n");
  assert.match((await place.run("schedules")).out, /^often +every 1 m 30 s +upper +paused +0$/m);
  assert.deepEqual(json((await place.run("schedules", "resume", "often", "--json")).out), [{ name: "often", paused: false }]);

  const [triggered] = json((await place.run("schedules", "trigger", "nightly", "--json")).out);
  const job = String(triggered?.["job"]);
  assert.match(job, /^nightly@\d{4}-.*Z~\w+$/);
  assert.match((await place.run("show", job)).out, /^task +upper$/m);

  assert.equal((await place.run("schedules", "remove", "nightly")).out, "nightly: removed\n");
  const gone = await place.run("schedules", "pause", "oftn");
  assert.equal(gone.code, 2);
  assert.match(gone.err, /There is no schedule "oftn" in this store\. Did you mean "often"\?/);
  await place.run("schedules", "remove", "often", "once");
  assert.match((await place.run("schedules")).err, /No schedules: programs define them/);
  assert.match((await place.run("schedules", "next")).err, /Nothing comes/);
});

test(
  "schedules move to another store with the jobs, and stay as they are there when that is repeated",
  { timeout: 60_000 },
  async (t) => {
    const place = new Place(t);
    await placed(place);
    const move = ["move", "--from", "sqlite:.manyhands/hands.db", "--to", "sqlite:other.db", "--json"];
    assert.equal(json((await place.run(...move)).out)[0]?.["schedules"], 3);
    await place.run("schedules", "pause", "often", "--store", "sqlite:other.db");
    assert.equal(json((await place.run(...move)).out)[0]?.["schedules"], 0);
    const listed = json((await place.run("schedules", "--json", "--store", "sqlite:other.db")).out);
    assert.deepEqual(
      listed.map(({ name, paused }) => [name, paused]),
      [
        ["nightly", false],
        ["often", true],
        ["once", false],
      ],
    );
  },
);
