// The commands about single jobs and about the fleet: submit, worker, jobs, show, retry, cancel, queues, doctor.
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { until } from "../fixtures/support.ts";
import type { Command } from "./command.ts";
import { json, linesOf, Place } from "./command.ts";

async function startWorker(place: Place, ...options: string[]): Promise<Command> {
  const worker = place.start("worker", "tasks.ts", ...options);
  await worker.says("joined");
  return worker;
}

async function submit(place: Place, ...args: string[]): Promise<string> {
  const { code, out, err } = await place.run("submit", ...args);
  assert.equal(code, 0, err);
  assert.match(out, /^[0-9A-Z]{26}\n$/);
  return out.trim();
}

async function stateOf(place: Place, id: string): Promise<unknown> {
  return json((await place.run("show", id, "--json")).out)[0]?.["state"];
}

test("a job from submit to its result", async (t) => {
  const place = new Place(t);
  const id = await submit(place, "tasks.ts#add", "2", "40");
  assert.equal(await stateOf(place, id), "ready");
  const doctor = await place.run("doctor");
  assert.equal(doctor.code, 0, doctor.out);
  assert.match(doctor.out, /hint +Queue "default" has 1 job waiting and no worker/);

  const worker = await startWorker(place, "--verbose", "--threads", "1");
  await worker.says(`done add ${id}`);
  const shown = await place.run("show", id);
  for (const line of [
    /^task +add$/m,
    /^state +done$/m,
    /^args +\[ 2, 40 \]$/m,
    /^result +42$/m,
    /^submitted +\d{4}-\d\d-\d\dT.*ago\)$/m,
    /^took +\d/m,
  ]) {
    assert.match(shown.out, line);
  }
  const [asJson] = json((await place.run("show", id, "--json")).out);
  assert.deepEqual([asJson?.["id"], asJson?.["args"], asJson?.["result"]], [id, [2, 40], 42]);

  const waited = await place.run("submit", "tasks.ts#add", "1", "2", "--wait");
  assert.deepEqual([waited.code, waited.out], [0, "3\n"]);
  const text = await place.run("submit", "tasks.ts#upper", "plain text", "--wait", "--json");
  assert.equal(json(text.out)[0]?.["result"], "PLAIN TEXT");

  worker.child.kill("SIGTERM");
  const { code, out } = await worker.ended;
  assert.equal(code, 0);
  assert.match(out, /tasks: .*right-name.*\n(.*\n)*SIGTERM: stopping\nstopped\n$/);
});

test("submit --wait tells a failure, and a signal ends only the waiting", async (t) => {
  const place = new Place(t);
  const worker = await startWorker(place);
  const [failed, failedJson] = await Promise.all([
    place.run("submit", "tasks.ts#picky", "bad", "--wait"),
    place.run("submit", "tasks.ts#picky", "bad", "--wait", "--json"),
  ]);
  assert.equal(failed.code, 1);
  assert.match(failed.err, /^manyhands: Job .* did not succeed: RangeError: bad is not good$/m);
  assert.deepEqual(json(failedJson.out)[0]?.["error"], { name: "RangeError", message: "bad is not good" });

  const waiting = place.start("submit", "tasks.ts#mark", "hold", "--wait");
  await until("the job runs", () => place.lines("ran").includes("hold"));
  waiting.child.kill("SIGINT");
  const { code, err } = await waiting.ended;
  assert.equal(code, 130);
  const id = /manyhands show (\w+)/.exec(err)?.[1] ?? "";
  place.write("release", "");
  await until("the job is done all the same", async () => (await stateOf(place, id)) === "done");
  worker.child.kill("SIGINT");
  assert.equal((await worker.ended).code, 0);
});

test("options of submit reach the job; jobs lists by filter and page", async (t) => {
  const place = new Place(t);
  const later = await submit(place, "tasks.ts#add", "1", "1", "--delay", "1h", "--queue", "night", "--priority", "-5");
  const [delayed] = json((await place.run("show", later, "--json")).out);
  assert.deepEqual([delayed?.["state"], delayed?.["queue"], delayed?.["priority"]], ["scheduled", "night", -5]);
  assert.equal(Date.parse(String(delayed?.["dueAt"])) - Date.parse(String(delayed?.["submittedAt"])), 3_600_000);
  const ids = [later, await submit(place, "tasks.ts#upper", "a"), await submit(place, "tasks.ts#echo", '{"a":1}')];

  const idsOf = (out: string): unknown[] => json(out).map(({ id }) => id);
  const [all, night, byTask, byState, page, next, table, none] = await Promise.all([
    place.run("jobs", "--json"),
    place.run("jobs", "--json", "--queue", "night"),
    place.run("jobs", "--json", "--task", "upper"),
    place.run("jobs", "--json", "--state", "scheduled,failed", "--state", "done"),
    place.run("jobs", "--json", "--limit", "2"),
    place.run("jobs", "--json", "--before", ids[1] ?? ""),
    place.run("jobs", "--limit", "2"),
    place.run("jobs", "--queue", "nobody"),
  ]);
  assert.deepEqual(idsOf(all.out), ids.toReversed());
  assert.deepEqual(idsOf(night.out), [ids[0]]);
  assert.deepEqual(idsOf(byTask.out), [ids[1]]);
  assert.deepEqual(idsOf(byState.out), [ids[0]]);
  assert.deepEqual(idsOf(page.out), [ids[2], ids[1]]);
  assert.deepEqual(idsOf(next.out), [ids[0]]);
  assert.match(table.out, /^ID +TASK +QUEUE +STATE +ATTEMPT +SUBMITTED +TOOK\n/);
  assert.match(table.out, new RegExp(`^${ids[2]} +echo +default +ready +0 +\\d.* ago +no worker takes from that queue$`, "m"));
  assert.match(table.err, new RegExp(`There may be more: --before ${ids[1]}`));
  assert.deepEqual([none.out, none.err], ["", "No jobs.\n"]);
});

test("cancel and retry, by id and by filter, never all without --all", async (t) => {
  const place = new Place(t);
  const good = await submit(place, "tasks.ts#upper", "a");
  const bad = await submit(place, "tasks.ts#picky", "bad\u001b[31m");
  for (const command of ["cancel", "retry"]) {
    const { code, err } = await place.run(command);
    assert.equal(code, 2);
    assert.match(err, /ids, filters .*or --all/);
  }
  const unknown = await place.run("cancel", good, "nosuchjob");
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /no job nosuchjob in this store/);
  assert.equal(await stateOf(place, good), "ready");

  assert.equal((await place.run("cancel", good, "--reason", "not needed")).out, "Cancelled 1 job.\n");
  assert.match((await place.run("show", good)).out, /^cancel reason +not needed$/m);
  await place.run("retry", good);
  await place.run("cancel", good, "--reason", "\u001b[31mred\u0007\nalert");
  assert.match((await place.run("show", good)).out, /^cancel reason {2} \[31mred alert$/m);
  assert.equal((await place.run("cancel", good)).out, "Nothing to cancel: all of them have ended.\n");
  assert.deepEqual(json((await place.run("retry", good, "--json")).out), [{ retried: 1, ids: [good] }]);
  const refused = await place.run("retry", good);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /is ready\. Only failed, cancelled and expired jobs can/);
  assert.deepEqual(json((await place.run("cancel", "--task", "upper", "--json")).out), [{ cancelled: 1, requested: 0 }]);

  const worker = await startWorker(place, "--verbose");
  await worker.says(`failed picky ${bad}`);
  const shown = await place.run("show", bad);
  assert.match(shown.out, /^error +RangeError: bad \[31m is not good\n +at /m);
  assert.match(shown.err, new RegExp(`manyhands retry ${bad}`));
  assert.match((await place.run("jobs", "--state", "failed")).out, /RangeError: bad \[31m is not good$/m);
  assert.equal((await place.run("retry", "--all-failed")).out, "1 job will run again.\n");
  await until("it has failed again", () => linesOf(worker.out).filter((line) => line === `failed picky ${bad}`).length === 2);
  const hold = await submit(place, "tasks.ts#mark", "hold");
  await until("the held job runs", () => place.lines("ran").includes("hold"));
  assert.match((await place.run("cancel", hold)).out, /Cancelled 0 jobs; asked the workers of 1 running job to stop/);
  await worker.says(`cancelled mark ${hold}`);
  assert.equal((await place.run("cancel", "--all")).code, 0);
});

test("a worker gives back what it does not finish; queues and doctor see what is there", async (t) => {
  const place = new Place(t);
  const worker = await startWorker(place, "--json", "--verbose", "--queues", "default,other", "--grace", "0");
  const [joined] = json(worker.out);
  assert.deepEqual([joined?.["event"], joined?.["queues"]], ["joined", ["default", "other"]]);
  const hold = await submit(place, "tasks.ts#mark", "hold");
  await submit(place, "tasks.ts#upper", "x", "--queue", "other");
  await worker.says('"event":"ended"');
  await until("the held job runs", () => place.lines("ran").includes("hold"));

  const [table, asJson, doctor] = await Promise.all([
    place.run("queues"),
    place.run("queues", "--json"),
    place.run("doctor", "--json"),
  ]);
  assert.match(table.out, /^QUEUE +WORKERS +RUNNING +DONE\ndefault +1 +1 +0\nother +1 +0 +1\n$/);
  const [queue] = json(asJson.out) as [{ queue: string; workers: number; counts: Record<string, number> }];
  assert.deepEqual([queue.queue, queue.workers, queue.counts["running"]], ["default", 1, 1]);
  const found = json(doctor.out)[0] as {
    ok: boolean;
    workers: { pid: number; host: string; running: number }[];
    store: { kind: string };
  };
  assert.deepEqual([found.ok, found.store.kind, found.workers.length], [true, "sqlite", 1]);
  assert.deepEqual([found.workers[0]?.pid, found.workers[0]?.host, found.workers[0]?.running], [worker.child.pid, hostname(), 1]);

  worker.child.kill("SIGINT");
  const { code, out } = await worker.ended;
  assert.equal(code, 0);
  assert.deepEqual(
    json(out)
      .slice(-2)
      .map(({ event }) => event),
    ["stopping", "stopped"],
  );
  assert.equal(await stateOf(place, hold), "ready");
});

test("doctor finds a worker that was killed, and exits with 1", async (t) => {
  const place = new Place(t);
  const missing = await place.run("doctor");
  assert.equal(missing.code, 0);
  assert.match(missing.out, /There is no store at .*It is made when a job is first submitted/);
  const worker = await startWorker(place);
  await submit(place, "tasks.ts#mark", "hold");
  await until("the held job runs", () => place.lines("ran").includes("hold"));
  worker.child.kill("SIGKILL");
  await worker.ended;
  const { code, out } = await place.run("doctor");
  assert.equal(code, 1, out);
  assert.match(
    out,
    /problem +Worker \w+ \(process \d+\) has died; what it ran \(1 job\) is given to others when its lease runs out/,
  );
  assert.match(out, /^1 problem found\.$/m);
  place.write("notes.txt", "no store");
  const foreign = await place.run("doctor", "--store", "sqlite:notes.txt", "--json");
  assert.equal(foreign.code, 1);
  assert.equal(json(foreign.out)[0]?.["ok"], false);
});

test("the second signal ends a worker at once", async (t) => {
  const place = new Place(t);
  const worker = await startWorker(place);
  await submit(place, "tasks.ts#mark", "hold");
  await until("the held job runs", () => place.lines("ran").includes("hold"));
  worker.child.kill("SIGTERM");
  await worker.says("SIGTERM: stopping, 1 job running; a second signal ends it at once");
  assert.equal((await worker.insist("SIGTERM")).code, 143);
});
