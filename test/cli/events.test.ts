// `manyhands events`: following, going on, and switching off.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../fixtures/support.ts";
import { json, Place } from "./command.ts";

test("events prints a line for each, until Ctrl-C, and goes on behind a cursor", async (t) => {
  const place = new Place(t);
  assert.equal((await place.run("submit", "tasks.ts#add", "1", "2")).code, 0);
  const all = place.start("events", "--json");
  const ends = place.start("events", "--state", "done", "--task", "add");
  for (const command of [all, ends]) await command.says("Following events");
  const worker = place.start("worker", "tasks.ts", "--threads", "1");
  await worker.says("joined");
  const { out } = await place.run("submit", "tasks.ts#add", "2", "40");
  await all.says(`"id":"${out.trim()}"`);
  await until("the end is told", () => json(all.out).some(({ id, state }) => id === out.trim() && state === "done"));
  const events = json(all.out).filter(({ id }) => id === out.trim());
  assert.deepEqual(
    events.map(({ from, state }) => [from, state]),
    [
      [null, "ready"],
      ["ready", "running"],
      ["running", "done"],
    ],
  );
  assert.match(String(events[0]?.["at"]), /^\d{4}-\d\d-\d\dT.*Z$/);
  await ends.says(out.trim());
  assert.match(ends.out, new RegExp(`${out.trim()}  add  default  running -> done`));
  const cursor = String(events[0]?.["cursor"]);
  const rest = place.start("events", "--json", "--after", cursor);
  await rest.says('"done"');
  assert.deepEqual(json(rest.out)[0], events[1]);
  for (const command of [all, ends, rest]) {
    command.child.kill("SIGINT");
    assert.equal((await command.ended).code, 0, command.err);
  }
  assert.match((await place.run("events", "--keep", "0")).err, /No events are kept/);
  const gone = await place.run("events", "--after", cursor);
  assert.equal(gone.code, 2);
  assert.match(gone.err, /keeps no events/);
  assert.match((await place.run("events", "--keep", "7d")).err, /kept for 7 d 00 h/);
});
