// A map that was interrupted goes on where it stopped. The task leaves a mark in a file for every run, so that what ran twice shows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../fixtures/support.ts";
import { errorOf, json, linesOf, Place, results } from "./command.ts";

const first = Array.from({ length: 30 }, (_, i) => `first ${i}`);
const last = Array.from({ length: 30 }, (_, i) => `last ${i}`);
const all = [...first, "hold", ...last];
// One thread runs its inputs one after the other, so while it holds, everything before is over and nothing behind has begun.
const map = ["map", "tasks.ts#mark", "--workers", "1", "-"];
const timesRun = (place: Place, name: string): number => place.lines("ran").filter((line) => line === name).length;

/** Starts the map and waits until everything before the held input is recorded and that one is running. */
async function startAndHold(place: Place): Promise<ReturnType<Place["start"]>> {
  const command = place.start(...map);
  command.child.stdin?.end(all.join("\n"));
  await command.says('"result":"first 29"');
  await until("the held input runs", () => timesRun(place, "hold") === 1);
  return command;
}

async function checkSecondRun(place: Place, heldRuns: number): Promise<void> {
  place.write("release", "");
  const { code, out, err } = await place.feed(all.join("\n"), ...map);
  assert.equal(code, 0, err);
  assert.match(err, /resuming: \d+ already done/);
  assert.deepEqual(results(out), all);
  for (const name of first) assert.equal(timesRun(place, name), 1, name);
  assert.equal(timesRun(place, "hold"), heldRuns);
  for (const name of last) assert.equal(timesRun(place, name), 1, name);
}

test("after SIGKILL the same command goes on at once and runs nothing again that was recorded", async (t) => {
  const place = new Place(t);
  const command = await startAndHold(place);
  command.child.kill("SIGKILL");
  assert.equal((await command.ended).code, "SIGKILL");
  await checkSecondRun(place, 2);
  // When all has succeeded the record is gone: the next time everything runs.
  const third = await place.feed("first 0\n", ...map);
  assert.doesNotMatch(third.err, /resuming/);
  assert.equal(timesRun(place, "first 0"), 2);
});

test("the first Ctrl-C lets running tasks end and gives back the rest", async (t) => {
  const place = new Place(t);
  const command = await startAndHold(place);
  command.child.kill("SIGINT");
  await command.says("SIGINT: stopping once");
  place.write("release", "");
  const { code, err } = await command.ended;
  assert.equal(code, 130, err);
  assert.match(err, /stopped: \d+ done and recorded; the same command goes on from there/);
  await checkSecondRun(place, 1);
});

test("the second Ctrl-C ends at once", async (t) => {
  const place = new Place(t);
  const command = await startAndHold(place);
  command.child.kill("SIGINT");
  await command.says("SIGINT: stopping");
  assert.equal((await command.insist("SIGINT")).code, 130);
  await checkSecondRun(place, 2);
});

test("failed inputs are tried again, done ones are not; left-overs are dropped; order and number of inputs may change", async (t) => {
  const place = new Place(t);
  const task = ["map", "tasks.ts#repairable"];
  const one = await place.run(...task, "a", "b", "broken", "twice", "twice");
  assert.equal(one.code, 1);
  place.write("repaired", "");
  const two = await place.run(...task, "twice", "broken", "new", "twice", "a", "twice");
  assert.equal(two.code, 0, two.err);
  assert.match(two.err, /resuming: 4 of 6 already done/);
  assert.match(two.err, /dropped 1 recorded result of inputs that were not given this time/);
  assert.deepEqual(results(two.out), ["twice", "broken", "new", "twice", "a", "twice"]);
  assert.deepEqual(place.lines("ran").sort(), ["a", "b", "broken", "broken", "new", "twice", "twice", "twice"]);
  assert.deepEqual(json((await place.run("queues", "--json")).out), []);
});

test("--fresh forgets what is recorded", async (t) => {
  const place = new Place(t);
  await place.run("map", "tasks.ts#repairable", "a", "broken");
  const { err } = await place.run("map", "tasks.ts#repairable", "a", "broken", "--fresh");
  assert.doesNotMatch(err, /resuming/);
  assert.deepEqual(place.lines("ran").sort(), ["a", "a", "broken", "broken"]);
});

test("more than one page of records is matched, in the same order and in another", async (t) => {
  const place = new Place(t);
  const inputs = Array.from({ length: 2500 }, (_, i) => ({ n: i % 2400, deep: [{ list: ["ä", null, 1.5] }] }));
  const lines = inputs.map((input) => JSON.stringify(input));
  place.write("inputs.jsonl", [...lines, '"broken"'].join("\n"));
  place.write("reversed.jsonl", ['"broken"', ...lines.toReversed()].join("\n"));
  const task = ["map", "tasks.ts#repairable"];
  assert.equal((await place.run(...task, "--jsonl", "inputs.jsonl")).code, 1);
  for (const file of ["inputs.jsonl", "reversed.jsonl"]) {
    const { out, err } = await place.run(...task, "--jsonl", file);
    assert.match(err, /resuming: 2,500 of 2,501 already done/);
    assert.doesNotMatch(err, /dropped/);
    assert.equal(linesOf(out).length, 2501);
  }
  assert.equal(place.lines("ran").length, 2500 + 3);
});

test("a second command of the same map is refused while the first one runs, another map is not", async (t) => {
  const place = new Place(t);
  const one = place.start("map", "tasks.ts#mark", "hold", "b");
  await until("the first one runs", () => timesRun(place, "hold") === 1);
  const two = await place.run("map", "tasks.ts#mark", "hold", "b");
  assert.equal(two.code, 2);
  assert.match(
    two.err,
    new RegExp(`This map is running already: process ${one.child.pid}, since .*the same command then goes on`),
  );
  assert.equal((await place.run("map", "tasks.ts#upper", "b")).code, 0);
  place.write("release", "");
  const { code, out } = await one.ended;
  assert.deepEqual([code, results(out)], [0, ["hold", "b"]]);
  assert.equal(timesRun(place, "b"), 1);
});

test("of commands started in the same moment one runs", async (t) => {
  const place = new Place(t);
  const commands = [1, 2, 3].map(() => place.start("map", "tasks.ts#mark", "hold", "b", "c"));
  await until("all but one have given way", () => commands.filter(({ child }) => child.exitCode === 2).length === 2);
  place.write("release", "");
  const ended = await Promise.all(commands.map((command) => command.ended));
  assert.deepEqual(ended.map(({ code }) => String(code)).sort(), ["0", "2", "2"]);
  assert.deepEqual(place.lines("ran").sort(), ["b", "c", "hold"]);
});

test("a schema that changes inputs does not keep them from being matched, and one that refuses them makes them fail", async (t) => {
  const place = new Place(t);
  const task = ["map", "tasks.ts#repairable", " a ", "!b", "c "];
  const one = await place.run(...task);
  assert.equal(one.code, 1);
  const two = await place.run(...task);
  assert.match(two.err, /resuming: 2 of 3 already done/);
  for (const { out } of [one, two]) {
    const [a, b, c] = json(out);
    assert.deepEqual(
      [a, c],
      [
        { input: " a ", result: "a" },
        { input: "c ", result: "c" },
      ],
    );
    assert.match(errorOf(b).message, /it begins with !/);
  }
  assert.deepEqual(place.lines("ran").sort(), ["a", "c"]);
});

test("a bad line ends the command, and what was done before it is recorded", async (t) => {
  const place = new Place(t);
  place.write("inputs.jsonl", '"a"\n"b"\n{oops\n"c"\n');
  const { code, err } = await place.run("map", "tasks.ts#repairable", "--jsonl", "inputs.jsonl");
  assert.equal(code, 2);
  assert.match(err, /Line 3 of "inputs\.jsonl" is not JSON: "\{oops"/);
  place.write("inputs.jsonl", '"a"\n"b"\n"c"\n');
  const again = await place.run("map", "tasks.ts#repairable", "--jsonl", "inputs.jsonl");
  assert.equal(again.code, 0, again.err);
  assert.deepEqual(results(again.out), ["a", "b", "c"]);
});
