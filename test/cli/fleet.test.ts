// The commands that steer a fleet from anywhere: pause, resume, workers, drain.
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { until } from "../fixtures/support.ts";
import type { Command } from "./command.ts";
import { json, Place } from "./command.ts";

async function startWorker(place: Place): Promise<{ readonly worker: Command; readonly id: string }> {
  const worker = place.start("worker", "tasks.ts", "--json");
  await worker.says('"joined"');
  return { worker, id: String(json(worker.out)[0]?.["worker"]) };
}

test("a paused queue gives no jobs until it is resumed", async (t) => {
  const place = new Place(t);
  const submitted = await place.run("submit", "tasks.ts#add", "1", "2");
  assert.equal(submitted.code, 0, submitted.err);
  const paused = await place.run("pause", "default", "mail");
  assert.deepEqual([paused.code, paused.out.split("\n").length], [0, 3], paused.err);
  const { worker } = await startWorker(place);
  const queues = json((await place.run("queues", "--json")).out);
  assert.deepEqual(
    queues.map(({ queue, paused: is }) => [queue, is]),
    [
      ["default", true],
      ["mail", true],
    ],
  );
  assert.match((await place.run("queues")).out, /^default \(paused\) +1 +1 +\d+(?:\.\d)? m?s$/m);
  assert.equal(json((await place.run("show", submitted.out.trim(), "--json")).out)[0]?.["state"], "ready");
  const waiting = place.start("submit", "tasks.ts#add", "20", "22", "--wait");
  const resumed = await place.run("resume", "default", "--json");
  assert.deepEqual(json(resumed.out), [{ queue: "default", paused: false }]);
  assert.deepEqual([(await waiting.ended).code, waiting.out], [0, "42\n"]);
  worker.child.kill("SIGTERM");
  await worker.ended;
});

test("a name that cannot be a queue's is refused", async (t) => {
  const place = new Place(t);
  await place.run("submit", "tasks.ts#add", "1", "2");
  const { code, err } = await place.run("pause", "no spaces");
  assert.equal(code, 2);
  assert.match(err, /A queue's name has 1 to 128 letters/);
});

test("workers are listed; drain ends one from another process after what it runs", async (t) => {
  const place = new Place(t);
  const none = await place.run("submit", "tasks.ts#mark", "hold it");
  assert.equal(none.code, 0);
  assert.match((await place.run("workers")).err, /No workers/);
  const { worker, id } = await startWorker(place);
  await until("the job runs", () => place.lines("ran").includes("hold it"));
  const [listed] = json((await place.run("workers", "--json")).out);
  assert.deepEqual([listed?.["id"], listed?.["host"], listed?.["pid"]], [id, hostname(), worker.child.pid]);
  assert.match((await place.run("workers")).out, new RegExp(`^${id} .*default`, "m"));
  const draining = place.start("drain", id.slice(0, 20), "--wait");
  await worker.says('"drain"');
  place.write("release", "");
  const { code, out, err } = await draining.ended;
  assert.deepEqual([code, out], [0, `${id}: ended\n`], err);
  assert.equal((await worker.ended).code, 0);
  assert.equal(json((await place.run("jobs", "--json")).out)[0]?.["state"], "done");
  const gone = await place.run("drain", id);
  assert.equal(gone.code, 2);
  assert.match(gone.err, /names no worker\. There are no workers/);
});
