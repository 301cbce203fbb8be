// Commands on a store with encrypted jobs: with the keys, and without.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { call, connect, encryption, task } from "../../src/index.ts";
import { json, Place } from "./command.ts";

const library = new URL("../../src/index.ts", import.meta.url).href;
const echo = task("echo", (text: string) => text);
const use = `
import { encryption } from ${JSON.stringify(library)};
export const use = [encryption({ keys: { a: "${"0".repeat(64)}" }, current: "a" })];
`;

test("jobs are encrypted and shown with --use, and shown as sealed without", async (t) => {
  const place = new Place(t);
  place.write("use.ts", use);
  const submitted = await place.run("submit", "tasks.ts#echo", "secret", "--use", "use.ts");
  assert.equal(submitted.code, 0, submitted.err);
  const id = submitted.out.trim();
  const worker = place.start("worker", "tasks.ts", "--use", "use.ts", "--verbose");
  await worker.says(`done echo ${id}`);
  const opened = await place.run("show", id, "--use", "use.ts");
  assert.match(opened.out, /^args +\[ 'secret' \]$/m);
  assert.match(opened.out, /^result +'secret'$/m);
  const sealed = await place.run("show", id);
  assert.equal(sealed.code, 0, sealed.err);
  assert.match(sealed.out, /^args +<sealed>$/m);
  assert.match(sealed.out, /^result +<sealed>$/m);
  assert.match(sealed.out, /^sealed +.*by the middleware "encryption"/m);
  assert.ok(!sealed.out.includes("secret"));
  const [job] = json((await place.run("jobs", "--json")).out);
  assert.match(String(job?.["sealed"]), /sealed by the middleware "encryption"/);
  assert.equal(job?.["result"], undefined);
});

test("a map that cannot read what it has recorded says so, and drops nothing", async (t) => {
  const place = new Place(t);
  place.write("use.ts", use);
  place.write("other.ts", use.replace("0".repeat(64), "1".repeat(64)));
  const map = ["map", "tasks.ts#repairable", "one", "broken"];
  assert.equal((await place.run(...map, "--use", "use.ts")).code, 1);
  for (const args of [[], ["--use", "other.ts"]]) {
    const { code, out, err } = await place.run(...map, ...args);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /^manyhands: What an earlier run has recorded cannot be read\. .* --fresh\.$/m);
  }
  place.write("repaired", "");
  const again = await place.run(...map, "--use", "use.ts");
  assert.equal(again.code, 0, again.err);
  assert.deepEqual(place.lines("ran").toSorted(), ["broken", "broken", "one"]);
});

test("schedules that cannot be read are listed beside the others, and can be removed", async (t) => {
  const place = new Place(t);
  await place.run("submit", "tasks.ts#echo", "1");
  const url = `sqlite:${join(place.path, ".manyhands/hands.db")}`;
  const key = encryption({ keys: { a: "0".repeat(64) }, current: "a" });
  for (const [name, use] of [["open", []] as const, ["secret", [key]] as const]) {
    await using hands = await connect(url, { use });
    await hands.schedule(name, "0 3 * * *", call(echo, "secret"));
  }
  const listed = await place.run("schedules");
  assert.match(listed.out, /^open +0 3 \* \* \* +echo/m);
  assert.match(listed.out, /^secret +<unreadable>$/m);
  assert.match(listed.err, /Schedule "secret" cannot be read: .*middleware "encryption"/);
  const [, unreadable] = json((await place.run("schedules", "--json")).out);
  assert.deepEqual(Object.keys(unreadable ?? {}), ["name", "problem"]);
  assert.match((await place.run("schedules", "next", "-n", "1")).out, /open/);
  assert.match((await place.run("schedules", "show", "secret")).err, /Schedule "secret" cannot be read/);
  assert.equal((await place.run("schedules", "remove", "secret")).out, "secret: removed\n");
});

test("a module without middleware is told", async (t) => {
  const place = new Place(t);
  const { code, err } = await place.run("submit", "tasks.ts#echo", "1", "--use", "tasks.ts");
  assert.equal(code, 2);
  assert.match(err, /"tasks.ts" exports no middleware\. Export the list: export const use =/);
});
