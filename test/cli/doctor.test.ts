// What `manyhands doctor` and `queues` say of a fleet that falls behind or hangs, on every kind of store. Jobs and workers
// are put there with times that have passed, so that nothing waits.
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { Findings } from "../../src/cli/doctor/findings.ts";
import { lookAtQueues } from "../../src/cli/doctor/queues.ts";
import { lookAtRunning } from "../../src/cli/doctor/workers.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { Hands } from "../../src/fleet/hands.ts";
import { openStore } from "../../src/fleet/open.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import type { Store } from "../../src/store/store.ts";
import { newJob, newWorker, wants } from "../../src/testing/store-suite/bench.ts";
import { networks } from "../servers/fresh.ts";
import { json, Place } from "./command.ts";

interface Report {
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly hints: readonly string[];
  readonly stuckWorkers: readonly string[];
  readonly longJobs: readonly { readonly id: string; readonly worker: string }[];
  readonly clock: { readonly machineAheadMs: number };
  readonly queues: readonly { readonly queue: string; readonly waitedMs: number | null }[];
}

const minute = 60_000;

/** A store with what a test puts there, and what the commands say of it. */
class Fleet {
  readonly store: Store;
  readonly place: Place;
  readonly #url: string;

  constructor(store: Store, place: Place, url: string) {
    this.store = store;
    this.place = place;
    this.#url = url;
  }

  ago(minutes: number): number {
    return this.store.now() - minutes * minute;
  }

  async add(id: string, minutesAgo: number, task: string = "task", queue: string = "queue"): Promise<void> {
    const at = this.ago(minutesAgo);
    await this.store.add([newJob({ id, task, queue }, at)], at);
  }

  /** A worker that began ten minutes ago. */
  join(id: string, leaseMinutes: number = 10): Promise<void> {
    return this.store.join({ ...newWorker(id), startedAt: this.ago(10) }, this.ago(-leaseMinutes));
  }

  async run(...args: string[]): Promise<{ readonly code: number | string; readonly out: string; readonly err: string }> {
    return this.place.startWith({ MANYHANDS_URL: this.#url }, ...args).ended;
  }

  /** What doctor says; what it says of the server is left to others. */
  async report(): Promise<Report> {
    const { out, err } = await this.run("doctor", "--json");
    const [found] = json(out);
    assert.ok(found, err);
    const report = found as unknown as Report;
    return { ...report, problems: report.problems.filter((problem) => !problem.startsWith("fsync is off")) };
  }
}

type OpenFleet = (t: TestContext) => Promise<Fleet>;

async function open(t: TestContext, url: string | undefined): Promise<Fleet> {
  const place = new Place(t);
  const at = url ?? `sqlite:${join(place.path, "jobs.db")}`;
  const store = await openStore(at, { runtime: systemRuntime });
  t.after(() => store.close());
  return new Fleet(store, place, at);
}

function cases(openFleet: OpenFleet): void {
  test("nothing to say of a fleet that is well; the clock is a fact", async (t) => {
    const fleet = await openFleet(t);
    await fleet.join("w");
    await fleet.add("a", 0);
    const { problems, hints, clock, queues } = await fleet.report();
    assert.deepEqual([problems, hints], [[], []]);
    assert.ok(Math.abs(clock.machineAheadMs) < 2000);
    assert.ok((queues[0]?.waitedMs ?? -1) >= 0);
    assert.match((await fleet.run("doctor")).out, /^clock +\d{4}-.*; this machine's is .* the store's$/m);
  });

  test("a worker that takes nothing while work waits is stuck", async (t) => {
    const fleet = await openFleet(t);
    await fleet.join("w");
    await fleet.add("a", 5);
    const { ok, problems, hints, stuckWorkers } = await fleet.report();
    assert.equal(ok, false);
    assert.match(
      problems.join("\n"),
      /^Worker w \(process 7 on host\) is stuck: it runs nothing, and job a \("task" in queue "queue"\) has waited for 5 m 0\d s\. Restart it\.$/,
    );
    assert.deepEqual([hints, stuckWorkers], [[], ["w"]]);
    await fleet.store.pause("queue", true);
    assert.deepEqual((await fleet.report()).problems, [], "a paused queue may wait");
  });

  test("a queue whose workers are busy is behind, which is a hint", async (t) => {
    const fleet = await openFleet(t);
    await fleet.join("w");
    await fleet.add("a", 6);
    await fleet.store.settle("w", [], wants(1), fleet.ago(5));
    await fleet.add("b", 4);
    const { problems, hints } = await fleet.report();
    assert.deepEqual(problems, []);
    assert.match(
      hints.join("\n"),
      /^Queue "queue" is behind: its oldest ready job has waited for 4 m 0\d s, and its worker is busy\. Start more\.$/,
    );
    const table = await fleet.run("queues");
    assert.match(table.out, /^QUEUE +WORKERS +READY +RUNNING +WAITING\nqueue +1 +1 +1 +4 m 0\d s\n$/);
    const [line] = json((await fleet.run("queues", "--json")).out);
    assert.ok(Math.abs(Date.parse(String(line?.["oldestReadyAt"])) - fleet.ago(4)) < minute);
  });

  test("a worker that does not know what waits is not stuck, and its queue is behind for the others", async (t) => {
    const fleet = await openFleet(t);
    await fleet.join("w");
    await fleet.add("a", 6);
    await fleet.store.settle("w", [], wants(1), fleet.ago(5));
    const other = { ...newWorker("other"), tasks: ["other"], startedAt: fleet.ago(10) };
    await fleet.store.join(other, fleet.ago(-10));
    await fleet.add("b", 4);
    const { problems, hints } = await fleet.report();
    assert.deepEqual(problems, []);
    assert.match(hints.join("\n"), /for 4 m 0\d s, and those of its workers that know what waits are busy\. Start more\.$/);
  });

  test("a task that no worker of the queue knows", async (t) => {
    const fleet = await openFleet(t);
    await fleet.join("w");
    await fleet.add("a", 5, "other");
    const { problems } = await fleet.report();
    assert.match(
      problems.join("\n"),
      /^Queue "queue" is behind: .*, and no worker of it knows the task "other"\. Start one that does/,
    );
  });

  test("a worker whose lease ran out, and jobs that run for hours", async (t) => {
    const fleet = await openFleet(t);
    await fleet.add("a", 130);
    await fleet.join("w");
    await fleet.store.settle("w", [], wants(1), fleet.ago(120));
    const { problems, hints, longJobs } = await fleet.report();
    assert.deepEqual(problems, []);
    assert.match(hints.join("\n"), /^1 job has been running for more than an hour: a on worker w\. If they hang/);
    assert.deepEqual(
      longJobs.map(({ id, worker }) => [id, worker]),
      [["a", "w"]],
    );
    await fleet.store.renew("w", fleet.ago(3));
    assert.match(
      (await fleet.report()).problems.join("\n"),
      /^Worker w \(process 7 on host\) has not renewed its lease, which ran out 3 m 0\d s ago: .*Restart it; what it ran \(1 job\) is given to others\.$/,
    );
  });
}

test("a worker that has taken the work at the second look is not stuck", async () => {
  const store = memoryStore();
  const now = store.now();
  await store.join({ ...newWorker("w"), startedAt: now - 10 * minute }, now + 10 * minute);
  await store.add([newJob({ id: "a" })], now - 5 * minute);
  await using hands = new Hands(store, systemRuntime);
  const runtime: Runtime = {
    ...systemRuntime,
    after: (_ms, run, options) => {
      void store.settle("w", [], wants(1), now);
      return systemRuntime.after(0, run, options);
    },
  };
  const findings = new Findings();
  await lookAtQueues(findings, { hands, runtime, now, queues: await hands.queues(), workers: await hands.workers() });
  assert.deepEqual([findings.problems, findings.json["stuckWorkers"]], [[], []]);
});

test("a worker that joins while doctor looks has lost nothing", async () => {
  const store = memoryStore();
  const now = store.now();
  await store.add([newJob({ id: "a" })], now);
  await using hands = new Hands(store, systemRuntime);
  const scene = { hands, runtime: systemRuntime, now, queues: [], workers: await hands.workers() };
  await store.join(newWorker("w"), now + minute);
  await store.settle("w", [], wants(1), now);
  const findings = new Findings();
  await lookAtRunning(findings, scene);
  assert.deepEqual([findings.problems, findings.json["lostJobs"]], [[], 0]);
});

test("doctor says when no store can be made", async (t) => {
  const place = new Place(t);
  const { code, out } = await place.run("doctor", "--json", "--store", "sqlite:tasks.ts/below/hands.db");
  assert.equal(code, 1);
  const [{ problems, hints }] = json(out) as unknown as [Report];
  assert.match(problems[0] ?? "", /There is no store at .*, and none can be made: .*tasks\.ts is no folder\. Change to a folder/);
  assert.deepEqual(hints, []);
});

const mayWriteAnywhere = process.getuid?.() === 0 ? "this user may write in every folder" : false;

test("doctor says when its folder cannot be written", { skip: mayWriteAnywhere }, async (t) => {
  const place = new Place(t);
  chmodSync(place.path, 0o555);
  t.after(() => chmodSync(place.path, 0o755));
  const { code, out } = await place.run("doctor");
  assert.equal(code, 1);
  assert.match(out, /^problem +There is no store at .*, and none can be made: the folder .* cannot be written \(EACCES\)/m);
});

describe("doctor on sqlite", () => cases((t) => open(t, undefined)));
for (const { kind, given, fresh } of networks()) {
  test(`commands that look make no store on ${kind}`, { skip: "skip" in given ? given.skip : false }, async (t) => {
    const place = new Place(t);
    const url = fresh();
    for (const command of ["jobs", "queues"]) {
      const { code, err } = await place.run(command, "--store", url);
      assert.deepEqual([code, /There is no store at .*--store or MANYHANDS_URL/.test(err)], [2, true], err);
    }
    for (let times = 0; times < 2; times += 1) {
      const { code, out } = await place.run("doctor", "--store", url);
      assert.equal(code, 0, out);
      assert.match(out, /^store +none yet at /m);
    }
  });
  describe(`doctor on ${kind}`, { skip: "skip" in given ? given.skip : false }, () => cases((t) => open(t, fresh())));
}
