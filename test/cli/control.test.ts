// Steering from the command line: which worker takes what, changing and cancelling what waits, and what jobs log.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { until } from "../fixtures/support.ts";
import { errorOf, json, linesOf, Place } from "./command.ts";

function placeOf(t: TestContext): Place {
  const place = new Place(t);
  const library = new URL("../../src/index.ts", import.meta.url).href;
  place.write(
    "steered.ts",
    `import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { call, context, task } from ${JSON.stringify(library)};
export const talk = task("talk", async (text: string) => {
  context().log(text + " 1");
  while (!existsSync("release")) await delay(5, undefined, { signal: context().signal });
  context().log(text + " 2");
});
export const renamed = task("renamed", async () => {
  const { attempt, step } = context();
  await step(attempt === 1 ? "before" : "after", () => attempt);
  if (attempt === 1) throw new Error("once more");
}, { retries: 1, backoff: { initial: 1 } });
export const approved = task("approved", async () => String(JSON.stringify(await context().waitFor("approve"))));
export const train = task("train", (n: number) => n, { requires: { gpu: true, memory: ">=8GiB" }, queue: "gpu-a" });
`,
  );
  return place;
}

async function submit(place: Place, ...args: string[]): Promise<string> {
  const { code, out, err } = await place.run("submit", ...args);
  assert.equal(code, 0, err);
  return out.trim();
}

test("what nobody can take is shown, until a worker with its labels comes", async (t) => {
  const place = placeOf(t);
  const id = await submit(place, "steered.ts#train", "1");
  assert.match((await place.run("jobs")).out, /ago +no worker takes from that queue$/m);
  const small = place.start("worker", "steered.ts", "--queues", "gpu-*=3,default", "--labels", "gpu,memory=4GiB");
  await small.says("joined");
  const [queues, asJson, jobs, workers] = await Promise.all([
    place.run("queues"),
    place.run("queues", "--json"),
    place.run("jobs", "--json"),
    place.run("workers"),
  ]);
  assert.match(
    queues.err,
    /Jobs of "train" in queue "gpu-a" wait in vain: no worker of that queue has \{"gpu":true,"memory":">=8GiB"\}/,
  );
  assert.match(queues.out, /gpu-a +1 +1/);
  assert.deepEqual(json(asJson.out)[0]?.["unmatched"], [
    { queue: "gpu-a", task: "train", requires: { gpu: true, memory: ">=8GiB" }, lacks: "labels" },
  ]);
  const [job] = json(jobs.out);
  assert.deepEqual([job?.["id"], job?.["task"], job?.["unmatched"]], [id, "train", "labels"]);
  assert.match(workers.out, /gpu-\* default +gpu=true memory=4GiB +approved renamed talk train/);
  const large = place.start("worker", "steered.ts", "--queues", "gpu-*", "--labels", "gpu,memory=16GiB");
  await large.says("joined");
  await until("it is done", async () => json((await place.run("show", id, "--json")).out)[0]?.["state"] === "done");
  assert.equal((await place.run("queues")).err, "");
});

test("waiting jobs are changed, by id and by filter", async (t) => {
  const place = placeOf(t);
  const id = await submit(place, "tasks.ts#upper", "x");
  const changed = await place.run("change", id, "--priority", "5", "--to", "other", "--delay", "1h", "--json");
  assert.deepEqual(json(changed.out), [{ changed: 1, ids: [id] }], changed.err);
  const [job] = json((await place.run("show", id, "--json")).out);
  assert.deepEqual([job?.["priority"], job?.["queue"], job?.["state"]], [5, "other", "scheduled"]);
  assert.equal((await place.run("change", "--queue", "other", "--delay", "0")).out, "Changed 1 job.\n");
  assert.equal((await place.run("change", "--state", "done", "--priority", "1")).out, "Nothing to change: none of them waits.\n");
  const nothing = await place.run("change", id);
  assert.equal(nothing.code, 2);
  assert.match(nothing.err, /nothing to change/);
  assert.match((await place.run("change", id, "--at", "noon")).err, /--at takes a time/);
});

test("a signal is sent with its payload, and refused when that is no JSON or nobody can hear it", async (t) => {
  const place = placeOf(t);
  const worker = place.start("worker", "steered.ts");
  await worker.says("joined");
  for (const [payload, result] of [
    [`{"by": "Ada"}`, '{"by":"Ada"}'],
    [`"yes"`, '"yes"'],
    [undefined, "undefined"],
  ] as const) {
    const id = await submit(place, "steered.ts#approved");
    const sent = await place.run("signal", id, "approve", ...(payload === undefined ? [] : [payload]));
    assert.deepEqual([sent.code, sent.out], [0, `Sent "approve" to job ${id}.\n`], sent.err);
    const ended = async () => json((await place.run("show", id, "--json")).out)[0];
    await until("it is done", async () => (await ended())?.["state"] === "done");
    assert.equal((await ended())?.["result"], result);
    const late = await place.run("signal", id, "approve", "--json");
    assert.equal(late.code, 2);
    assert.match(errorOf(json(late.err)[0]).message, /no such job, or it has ended/);
  }
  const id = await submit(place, "steered.ts#approved", "--delay", "1h");
  assert.deepEqual(json((await place.run("signal", id, "approve", "1", "--json")).out), [{ id, signal: "approve" }]);
  const wrong = await place.run("signal", id, "approve", "{ok:\ntrue}");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^manyhands: The payload must be JSON, found "\{ok:\\ntrue\}": .*'"yes"' is a text.*\n$/);
  assert.match((await place.run("signal", id)).err, /Missing required argument 'name'/);
});

test("a worker says when a job went on with changed steps, to people and to programs", async (t) => {
  const place = placeOf(t);
  const said =
    /job \S+ of task \W+renamed\W+ went on with a changed program: .*before.* were not met any more, and .*after.* were new/;
  for (const how of [[], ["--json"]]) {
    const worker = place.start("worker", "steered.ts", ...how);
    await worker.says("joined");
    await submit(place, "steered.ts#renamed", "--wait");
    await worker.says("changed program");
    worker.child.kill("SIGTERM");
    const { err } = await worker.ended;
    assert.match(how.length > 0 ? String(json(err)[0]?.["warning"]) : err, said);
  }
});

test("a log is followed until the job has ended; a cancel by root waits for the end", async (t) => {
  const place = placeOf(t);
  const worker = place.start("worker", "steered.ts");
  await worker.says("joined");
  const id = await submit(place, "steered.ts#talk", "line");
  const follow = place.start("logs", id, "--follow");
  await follow.says("line 1");
  place.write("release", "");
  const { code, out } = await follow.ended;
  assert.equal(code, 0);
  assert.deepEqual(
    linesOf(out).map((line) => line.replace(/^\S+ +/, "")),
    ["line 1", "line 2"],
  );
  const [first] = json((await place.run("logs", id, "--json")).out);
  assert.deepEqual([first?.["attempt"], first?.["line"]], [1, "line 1"]);
  assert.match((await place.run("logs", "nobody")).err, /There is no job "nobody"/);

  const hanging = await submit(place, "tasks.ts#forever");
  const other = place.start("worker", "tasks.ts");
  await other.says("joined");
  await until("it runs", async () => json((await place.run("show", hanging, "--json")).out)[0]?.["state"] === "running");
  const cancelled = await place.run("cancel", "--root", hanging, "--wait", "20s", "--json");
  // It does not listen, and nobody can end what runs on an event loop.
  assert.deepEqual(json(cancelled.out), [{ cancelled: 0, requested: 1, stopped: 0, killed: 0 }], cancelled.err);
  assert.equal(json((await place.run("show", hanging, "--json")).out)[0]?.["state"], "cancelled");
});
