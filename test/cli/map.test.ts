// `manyhands map` from start to end: where inputs come from, what is printed, how failures are told.
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../fixtures/support.ts";
import { errorOf, json, linesOf, Place, results } from "./command.ts";

test("arguments give JSON lines in the order of the inputs, and nothing is left in the store", async (t) => {
  const place = new Place(t);
  const { code, out, err } = await place.run("map", "tasks.ts#upper", "b", "a", "c", "a");
  assert.equal(code, 0, err);
  assert.deepEqual(json(out), [
    { input: "b", result: "B" },
    { input: "a", result: "A" },
    { input: "c", result: "C" },
    { input: "a", result: "A" },
  ]);
  // What the module prints must not mix with results.
  assert.match(err, /the module of tasks prints this/);
  assert.match(err, /^4 done in /m);
  assert.deepEqual(json((await place.run("queues", "--json")).out), []);
});

test("standard input: a line is an input, also an empty one and a last one without end", async (t) => {
  const place = new Place(t);
  const plain = await place.feed("one\r\n\ntwo", "map", "tasks.ts#echo", "-", "--quiet");
  assert.deepEqual(results(plain.out), ["one", "", "two"]);
  const parsed = await place.feed('1\n{"a":[true]}\n\nnull\n', "map", "tasks.ts#echo", "-", "--as", "json", "--quiet");
  assert.deepEqual(results(parsed.out), [1, { a: [true] }, null]);
  const nothing = await place.feed("", "map", "tasks.ts#echo", "-");
  assert.deepEqual([nothing.code, nothing.out], [0, ""]);
});

test("a file of JSON lines, with --spread for several arguments", async (t) => {
  const place = new Place(t);
  place.write("pairs.jsonl", "[1, 2]\n\n[3, 4]\n");
  const { code, out } = await place.run("map", "tasks.ts#add", "--jsonl", "pairs.jsonl", "--spread", "--on", "process");
  assert.equal(code, 0);
  assert.deepEqual(json(out), [
    { input: [1, 2], result: 3 },
    { input: [3, 4], result: 7 },
  ]);
});

test("quoted patterns are expanded in order, files named as patterns are found, URLs and --literal are left alone", async (t) => {
  const place = new Place(t);
  mkdirSync(join(place.path, "deep/er"), { recursive: true });
  for (const [name, words] of [
    ["deep/b.txt", "1 2"],
    ["deep/a.txt", "1"],
    ["deep/er/c.txt", "1 2 3"],
    ["q[1].txt", "1 2 3 4"],
  ] as const) {
    place.write(name, words);
  }
  const [globbed, literal] = await Promise.all([
    place.run("map", "tasks.ts#count", "deep/**/*.txt", "q[1].txt"),
    place.run("map", "tasks.ts#echo", "*.nothing", "--literal"),
  ]);
  assert.deepEqual(json(globbed.out), [
    { input: "deep/a.txt", result: 1 },
    { input: "deep/b.txt", result: 2 },
    { input: "deep/er/c.txt", result: 3 },
    { input: "q[1].txt", result: 4 },
  ]);
  assert.deepEqual(results(literal.out), ["*.nothing"]);
  assert.deepEqual(results((await place.run("map", "tasks.ts#upper", "http://x/?q=1")).out), ["HTTP://X/?Q=1"]);
});

test("failing inputs: the others go on, failures are listed at the end, exit code 1", async (t) => {
  const place = new Place(t);
  const { code, out, err } = await place.run("map", "tasks.ts#picky", "good", "bad1", "fine", "bad2");
  assert.equal(code, 1);
  assert.deepEqual(json(out), [
    { input: "good", result: 4 },
    { input: "bad1", error: { name: "RangeError", message: "bad1 is not good" } },
    { input: "fine", result: 4 },
    { input: "bad2", error: { name: "RangeError", message: "bad2 is not good" } },
  ]);
  assert.match(
    err,
    /2 failed:\n {2}bad1: RangeError: bad1 is not good\n {2}bad2: RangeError: bad2 is not good\n2 done, 2 failed/,
  );
  assert.match(err, /the task prints this/);
});

test("--unordered prints as they come, --json makes notes JSON too", async (t) => {
  const place = new Place(t);
  const command = place.start("map", "tasks.ts#mark", "hold", "quick", "--unordered", "--json", "--workers", "2");
  await command.says('{"input":"quick","result":"quick"}');
  place.write("release", "");
  const { code, out, err } = await command.ended;
  assert.equal(code, 0);
  assert.deepEqual(results(out), ["quick", "hold"]);
  const notes = linesOf(err).filter((line) => line.startsWith("{"));
  assert.match(String(json(notes.join("\n"))[0]?.["note"]), /^2 done in /);
});

test("--retries, --timeout and tasks found by their export", async (t) => {
  const place = new Place(t);
  const [retried, late, byExport] = await Promise.all([
    place.run("map", "tasks.ts#flaky", "3", "--as", "json", "--retries", "2"),
    place.run("map", "tasks.ts#forever", "x", "--timeout", "50ms"),
    place.run("map", "tasks.ts#rightName", "x", "--store", "memory:"),
  ]);
  assert.deepEqual([retried.code, results(retried.out)], [0, [3]]);
  assert.equal(late.code, 1);
  assert.equal(errorOf(json(late.out)[0]).name, "TimeoutError");
  assert.deepEqual([byExport.code, results(byExport.out)], [0, [1]]);
});

test("a reader that goes away ends the command quietly, and what is recorded is used again", async (t) => {
  const place = new Place(t);
  const inputs = Array.from({ length: 3000 }, (_, i) => `input ${i}`).join("\n");
  const command = place.start("map", "tasks.ts#mark", "-");
  command.child.stdin?.end(inputs);
  await command.says('{"input":"input 0"');
  command.child.stdout?.destroy();
  const { code, err } = await command.ended;
  assert.equal(code, 141, err);
  assert.doesNotMatch(err, /EPIPE|Error/);
  const again = await place.feed(inputs, "map", "tasks.ts#mark", "-");
  assert.equal(again.code, 0, again.err);
  assert.equal(linesOf(again.out).length, 3000);
  const ran = place.lines("ran");
  assert.equal(new Set(ran).size, 3000);
});

test("a reader that leaves before the last line is written ends the command with 141 and keeps the record", async (t) => {
  const place = new Place(t);
  const long = "x".repeat(4_000_000);
  place.write("long.jsonl", JSON.stringify(long));
  const command = place.start("map", "tasks.ts#mark", "--jsonl", "long.jsonl");
  command.child.stdout?.once("data", () => command.child.stdout?.destroy());
  assert.equal((await command.ended).code, 141);
  const again = await place.run("map", "tasks.ts#mark", "--jsonl", "long.jsonl");
  assert.deepEqual([again.code, results(again.out)], [0, [long]]);
  assert.equal(place.lines("ran").length, 1);
});

test("a store that is deleted ends a map and a worker with one line", async (t) => {
  const place = new Place(t);
  const commands = [place.start("map", "tasks.ts#mark", "hold"), place.start("worker", "tasks.ts")];
  await until("the map runs", () => place.lines("ran").length === 1);
  await commands[1]?.says("joined");
  rmSync(join(place.path, ".manyhands"), { recursive: true });
  for (const { ended } of commands) {
    const { code, err } = await ended;
    assert.equal(code, 2, err);
    assert.match(err, /^manyhands: The store .* was deleted/m);
    assert.doesNotMatch(err, /^ +at /m);
  }
});
