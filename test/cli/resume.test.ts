// A map that was interrupted goes on where it stopped. The task leaves a mark in a file for every run, so that what ran twice shows.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { systemRuntime } from "../../src/core/runtime.ts";
import { connect, task } from "../../src/index.ts";
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
  assert.match(err, /resuming: up to \d+ already done/);
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
  const task = ["map", "tasks.ts#repairable", "--jsonl", "inputs.jsonl"];
  const give = (...inputs: string[]): void => place.write("inputs.jsonl", inputs.map((each) => JSON.stringify(each)).join("\n"));
  give("a", "b", "broken", "twice", "twice");
  const one = await place.run(...task);
  assert.equal(one.code, 1);
  place.write("repaired", "");
  give("twice", "broken", "new", "twice", "a", "twice");
  // What does not change a result does not make it another map.
  const two = await place.run(...task, "--workers", "1", "--on", "process", "--unordered", "--json", "--retries", "1");
  assert.equal(two.code, 0, two.err);
  assert.match(two.err, /resuming: 4 of 6 already done/);
  assert.match(two.err, /dropped 1 recorded result of inputs that were not given this time/);
  assert.deepEqual(results(two.out).map(String).sort(), ["a", "broken", "new", "twice", "twice", "twice"]);
  assert.deepEqual(place.lines("ran").sort(), ["a", "b", "broken", "broken", "new", "twice", "twice", "twice"]);
  assert.deepEqual(json((await place.run("queues", "--json")).out), []);
});

test("maps of one task over other inputs leave each other's record alone, and run at the same time", async (t) => {
  const place = new Place(t);
  place.write("a.jsonl", '"a"\n"broken"\n');
  const runs = [
    ["a", "broken"],
    ["b", "broken"],
    ["a", "broken", "--literal"],
    ["--jsonl", "a.jsonl"],
  ];
  for (const inputs of runs) {
    const { code, err } = await place.run("map", "tasks.ts#repairable", ...inputs);
    assert.equal(code, 1);
    assert.doesNotMatch(err, /resuming|dropped/);
  }
  const held = place.start("map", "tasks.ts#mark", "hold");
  await until("the first one runs", () => timesRun(place, "hold") === 1);
  const other = await place.run("map", "tasks.ts#mark", "other");
  assert.deepEqual([other.code, results(other.out)], [0, ["other"]]);
  place.write("release", "");
  assert.equal((await held.ended).code, 0);
  for (const inputs of runs) {
    const { err } = await place.run("map", "tasks.ts#repairable", ...inputs);
    assert.match(err, /resuming: 1 of 2 already done/);
  }
});

test("maps of standard input share a record: what other lines have recorded stays until those lines succeed", async (t) => {
  const place = new Place(t);
  const task = ["map", "tasks.ts#repairable", "-"];
  assert.equal((await place.feed("a\nbroken\n", ...task)).code, 1);
  const other = await place.feed("b\nc\n", ...task);
  assert.equal(other.code, 0, other.err);
  assert.doesNotMatch(other.err, /dropped/);
  place.write("repaired", "");
  const again = await place.feed("a\nbroken\n", ...task);
  assert.match(again.err, /resuming: up to 1 already done/);
  assert.deepEqual([again.code, results(again.out)], [0, ["a", "broken"]]);
  assert.deepEqual(place.lines("ran").sort(), ["a", "b", "broken", "broken", "c"]);
  assert.deepEqual(json((await place.run("queues", "--json")).out), []);
  const held = place.start("map", "tasks.ts#mark", "-");
  held.child.stdin?.end("hold\n");
  await until("the first one runs", () => timesRun(place, "hold") === 1);
  const refused = await place.feed("other\n", "map", "tasks.ts#mark", "-");
  assert.equal(refused.code, 2);
  assert.match(refused.err, /running already.*given with --jsonl <file>/);
});

test("what an interrupted map left waiting is dropped a month later by any other map, never earlier", async (t) => {
  const place = new Place(t);
  const left = task("left", () => 1);
  const queues = { old: "map:00000000000000aa", young: "map:00000000000000bb", other: "mine" };
  for (const [queue, days] of [
    [queues.old, 31],
    [queues.young, 29],
    [queues.other, 31],
  ] as const) {
    const then = { ...systemRuntime, now: () => systemRuntime.now() - days * 864e5 };
    await using hands = await connect(`sqlite:${join(place.path, ".manyhands/hands.db")}`, { runtime: then });
    await hands.submit(left.with({ queue })).submitted;
  }
  assert.match(
    (await place.run("doctor")).out,
    /Queue "map:0{14}bb" has 1 job waiting and no worker\. It belongs to an interrupted map/,
  );
  assert.equal((await place.run("map", "tasks.ts#upper", "a")).code, 0);
  const stay = json((await place.run("queues", "--json")).out).map(({ queue }) => queue);
  assert.deepEqual(stay, [queues.young, queues.other]);
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
  const given = [...lines, '"broken"'];
  place.write("inputs.jsonl", given.join("\n"));
  const task = ["map", "tasks.ts#repairable", "--jsonl", "inputs.jsonl"];
  assert.equal((await place.run(...task)).code, 1);
  for (const order of [given, given.toReversed()]) {
    place.write("inputs.jsonl", order.join("\n"));
    const { out, err } = await place.run(...task);
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
  assert.doesNotMatch(two.err, /--jsonl/);
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
