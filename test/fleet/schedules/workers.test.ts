// Schedules with real workers on virtual time: who fires, how late, what it costs, and what becomes of jobs that overlap.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, connect, context, task } from "../../../src/index.ts";
import type { JobInfo, ScheduleOptions, When, WorkerEvent } from "../../../src/index.ts";
import { Hands } from "../../../src/fleet/hands.ts";
import { scheduledBy } from "../../../src/task/scheduled.ts";
import { memoryStore } from "../../../src/store/memory/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { TestClock } from "../../../src/testing/index.ts";
import * as tasks from "./tasks.ts";

const nothing = task("workers.nothing", () => undefined);
/** Takes its time; ends early when it is cancelled. */
const slow = task("workers.slow", async (ms: number, clock: TestClock | null = theClock) => {
  const { signal } = context();
  await new Promise<void>((resolve, reject) => {
    clock?.after(ms, resolve);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
});
let theClock: TestClock | null = null;

/** A fleet of one store: programs that share it, and how often they asked it what. */
class Fleet {
  readonly clock = new TestClock();
  readonly calls = new Map<string, number>();
  readonly #store: Store;
  readonly #open: Hands[] = [];

  constructor(t: TestContext) {
    theClock = this.clock;
    const memory = memoryStore({ runtime: this.clock });
    const { calls } = this;
    this.#store = new Proxy(memory, {
      get(target, name: keyof Store) {
        // The programs of a fleet do not close one another's store.
        if (name === "close") return () => Promise.resolve();
        const value: unknown = target[name];
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          calls.set(name, (calls.get(name) ?? 0) + 1);
          return (value as (...given: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    t.after(async () => {
      for (const hands of this.#open) await this.run(hands.close());
      await memory.close();
    });
  }

  get store(): Store {
    return this.#store;
  }

  program(): Hands {
    const hands = new Hands(this.#store, this.clock);
    this.#open.push(hands);
    return hands;
  }

  worker(report: (event: WorkerEvent) => void = () => undefined): ReturnType<Hands["work"]> {
    return this.program().work({ tasks: [nothing, slow, tasks], report });
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.run(promise);
  }

  define(name: string, when: When, ms: number | null = null, options: ScheduleOptions = {}): Promise<unknown> {
    return this.run(this.program().schedule(name, when, ms === null ? call(nothing) : call(slow, ms), options));
  }

  /** The jobs of a schedule, oldest first. */
  async jobs(name: string): Promise<JobInfo[]> {
    const all = await this.run(this.program().jobs({ limit: 10_000 }));
    return all.filter(({ id }) => scheduledBy(id)?.schedule === name).toReversed();
  }

  /** Seconds since the first of the year at which ticks were meant; negative for those triggered. */
  async ticks(name: string): Promise<number[]> {
    return (await this.jobs(name)).map(({ id }) => ((scheduledBy(id)?.at ?? 0) - Date.UTC(2026, 0, 1)) / 1000);
  }
}

test("any worker fires, and no program has to run for it alone (celery#251, #1495: beat is a singleton)", async (t) => {
  const fleet = new Fleet(t);
  const first = fleet.worker();
  await fleet.define("tick", "*/10 * * * * *");
  await fleet.clock.advance("25s");
  const second = fleet.worker();
  await fleet.clock.advance("5s");
  await fleet.run(first.stop());
  await fleet.clock.advance("20s");
  const third = fleet.worker();
  await fleet.run(third.ready);
  await fleet.run(second.stop());
  await fleet.clock.advance("11s");
  assert.deepEqual(await fleet.ticks("tick"), [10, 20, 30, 40, 50, 60]);
});

test("a tick fires at most 250 ms late, also of a schedule that another program defined a moment ago", async (t) => {
  const fleet = new Fleet(t);
  for (let i = 0; i < 5; i++) fleet.worker();
  await fleet.clock.advance("7s");
  for (let round = 0; round < 20; round++) {
    const name = `round${round}`;
    await fleet.define(name, { at: fleet.clock.now() + 30 + round * 13 });
    await fleet.clock.advance("1s");
    const [job] = await fleet.jobs(name);
    const late = (job?.submittedAt ?? 0) - (scheduledBy(job?.id ?? "")?.at ?? 0);
    assert.ok(late >= 0 && late <= 250, `${late} ms late`);
  }
  await fleet.define("every", "* * * * * *");
  await fleet.clock.advance("60s");
  const lates = (await fleet.jobs("every")).map(({ id, submittedAt }) => submittedAt - (scheduledBy(id)?.at ?? 0));
  assert.ok(lates.length >= 59 && Math.max(...lates) <= 250, String(lates));
  assert.ok(
    lates.slice(1).every((late) => late <= 5),
    "whoever fired last fires at once",
  );
});

test("workers that have nothing to fire ask for the schedules every few seconds, and no more", async (t) => {
  const fleet = new Fleet(t);
  await fleet.define("daily", "0 3 * * *");
  fleet.worker();
  await fleet.clock.advance("1m");
  fleet.calls.clear();
  await fleet.clock.advance("10m");
  assert.ok((fleet.calls.get("records") ?? 0) <= 61, `${fleet.calls.get("records")} questions`);
  assert.equal(fleet.calls.get("addIf") ?? 0, 0);
  assert.equal(fleet.calls.get("get") ?? 0, 0);
});

test("of many workers one tries to fire, not all", async (t) => {
  const fleet = new Fleet(t);
  for (let i = 0; i < 10; i++) fleet.worker();
  await fleet.define("tick", "*/5 * * * * *");
  await fleet.clock.advance("30s");
  fleet.calls.clear();
  await fleet.clock.advance("5m");
  assert.equal(fleet.calls.get("addIf"), 60);
});

test("a tick's job is found by its name and time, and knows its time", async () => {
  await using hands = await connect("memory:");
  hands.work({ tasks: [tasks], threads: 1, processes: 1 });
  for (const each of [tasks.onLoop, tasks.onThread, tasks.onProcess]) {
    const at = hands.now() - 5000;
    await hands.schedule(each.name, { at }, call(each));
    const id = `${each.name}@${new Date(at).toISOString()}`;
    for (;;) {
      if ((await hands.jobs({ ids: [id] })).length > 0) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await hands.job(id), [id, at]);
  }
  const at = hands.now() - 1000;
  const triggered = (
    await hands.schedule("graph", { at: at + 36e5 }, call(tasks.both, call(tasks.onLoop), call(tasks.onThread)))
  ).trigger();
  const [a, b, own] = (await triggered) as [[string, number], [string, number], [string, number]];
  assert.deepEqual([a[0], b[0], own[0]], [`${triggered.id}/1`, `${triggered.id}/2`, triggered.id]);
  assert.ok(own[1] > at && a[1] === own[1] && b[1] === own[1]);
  assert.equal(scheduledBy(triggered.id)?.isTriggered, true);
  const [seen, none] = await hands.submit(tasks.onLoop);
  assert.deepEqual([scheduledBy(seen), none], [undefined, undefined]);
});

test("all workers away: the default makes up for the last missed tick, once", async (t) => {
  const fleet = new Fleet(t);
  await fleet.define("latest", "*/10 * * * *");
  await fleet.define("none", "*/10 * * * *", null, { catchUp: "none" });
  await fleet.define("all", "*/10 * * * *", null, { catchUp: "all", window: "25m" });
  await fleet.clock.advance("65m");
  fleet.worker();
  fleet.worker();
  await fleet.clock.advance("6m");
  const minutes = async (name: string): Promise<number[]> => (await fleet.ticks(name)).map((seconds) => seconds / 60);
  assert.deepEqual(await minutes("latest"), [60, 70]);
  assert.deepEqual(await minutes("none"), [70]);
  assert.deepEqual(await minutes("all"), [40, 50, 60, 70]);
  const missed = (await fleet.run(fleet.program().schedules())).map((each) => [each.name, each.missed, each.fired]);
  assert.deepEqual(missed, [
    ["all", 3, 4],
    ["latest", 5, 2],
    ["none", 6, 1],
  ]);
});

test("a single time that nobody was there for fires late; one that is over when it is defined fires at once", async (t) => {
  const fleet = new Fleet(t);
  const start = fleet.clock.now();
  await fleet.define("missed", { at: start + 60_000 });
  await fleet.clock.advance("10m");
  await fleet.define("over", { at: start });
  await fleet.define("dropped", { at: start }, null, { catchUp: "none" });
  fleet.worker();
  await fleet.clock.advance("1m");
  assert.deepEqual([await fleet.ticks("missed"), await fleet.ticks("over"), await fleet.ticks("dropped")], [[60], [0], []]);
  await fleet.define("over", { at: start });
  await fleet.clock.advance("1m");
  assert.deepEqual(await fleet.ticks("over"), [0], "defined again, it does not fire again");
});

test("overlap allow: ticks run side by side", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  await fleet.define("jobs", "*/10 * * * * *", 25_000);
  await fleet.clock.advance("32s");
  assert.deepEqual(
    (await fleet.jobs("jobs")).map(({ state }) => state),
    ["running", "running", "running"],
  );
});

test("overlap skip: ticks are dropped and counted while the one before lives", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  await fleet.define("jobs", "*/10 * * * * *", 25_000, { overlap: "skip" });
  await fleet.clock.advance("75s");
  assert.deepEqual(await fleet.ticks("jobs"), [10, 40, 70]);
  const info = await fleet.run(fleet.program().schedule("jobs").info());
  assert.deepEqual([info?.fired, info?.skipped, info?.missed], [3, 4, 0]);
});

test("overlap queue: ticks wait for the end of the one before, in order", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  fleet.worker();
  await fleet.define("jobs", "*/10 * * * * *", 15_000, { overlap: "queue" });
  await fleet.clock.advance("45s");
  const info = await fleet.run(fleet.program().schedule("jobs").info());
  assert.deepEqual(
    info?.queued.map((time) => (time - Date.UTC(2026, 0, 1)) / 1000),
    [40],
  );
  await fleet.clock.advance("25s");
  const jobs = await fleet.jobs("jobs");
  assert.deepEqual((await fleet.ticks("jobs")).slice(0, 4), [10, 20, 30, 40]);
  jobs.slice(1).forEach((job, index) => {
    const gap = (job.startedAt ?? 0) - (jobs[index]?.endedAt ?? Infinity);
    assert.ok(gap >= 0 && gap <= 250, `tick ${index + 2} started ${gap} ms after the end of the one before`);
  });
});

test("overlap queue: a job that fails and waits for its retry still lives", async (t) => {
  const fleet = new Fleet(t);
  let fails = 1;
  const flaky = task(
    "workers.flaky",
    () => {
      if (fails-- > 0) throw new Error("not yet");
    },
    { retries: 1, backoff: { initial: "15s", jitter: 0 } },
  );
  const hands = fleet.program();
  hands.work({ tasks: [flaky] });
  await fleet.run(hands.schedule("jobs", "*/10 * * * * *", call(flaky), { overlap: "queue" }));
  await fleet.clock.advance("24s");
  assert.deepEqual(
    (await fleet.jobs("jobs")).map(({ state }) => state),
    ["scheduled"],
  );
  await fleet.clock.advance("3s");
  assert.deepEqual(
    (await fleet.jobs("jobs")).map(({ state }) => state),
    ["done", "done"],
  );
});

test("overlap cancelOther: the one before is cancelled, and the tick runs when it has ended", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  fleet.worker();
  await fleet.define("jobs", "*/10 * * * * *", 25_000, { overlap: "cancelOther" });
  await fleet.clock.advance("34s");
  const jobs = await fleet.jobs("jobs");
  assert.deepEqual(
    jobs.map(({ state }) => state),
    ["cancelled", "cancelled", "running"],
  );
  assert.match(jobs[0]?.cancelReason ?? "", /next tick of schedule "jobs"/);
  assert.ok((jobs[1]?.startedAt ?? 0) >= (jobs[0]?.endedAt ?? Infinity));
});

test("the clock goes back: nothing fires twice; it goes forward: ticks fire within a second", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  await fleet.define("tick", "* * * * *");
  await fleet.clock.advance("150s");
  fleet.clock.jump(-90_000);
  await fleet.clock.advance("2m");
  assert.deepEqual(await fleet.ticks("tick"), [60, 120, 180]);
  fleet.clock.jump(10 * 60_000);
  await fleet.clock.advance("1s");
  assert.deepEqual(await fleet.ticks("tick"), [60, 120, 180, 780]);
});

test("a schedule paused, resumed, changed and removed between two ticks", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  await fleet.define("tick", "*/10 * * * * *");
  const schedule = fleet.program().schedule("tick");
  await fleet.clock.advance("15s");
  await fleet.run(schedule.pause());
  assert.deepEqual(await fleet.run(schedule.next()), []);
  await fleet.clock.advance("20s");
  await fleet.run(schedule.resume());
  await fleet.clock.advance("10s");
  assert.deepEqual(await fleet.ticks("tick"), [10, 40], "the ticks of a pause are dropped");
  await fleet.define("tick", { every: "30s" });
  await fleet.clock.advance("45s");
  assert.deepEqual(await fleet.ticks("tick"), [10, 40, 60, 90]);
  assert.equal(await fleet.run(schedule.remove()), true);
  assert.equal(await fleet.run(schedule.remove()), false);
  await fleet.clock.advance("2m");
  assert.deepEqual(await fleet.ticks("tick"), [10, 40, 60, 90]);
});

test("removed and defined again with the same ticks, none of them fires a second time", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  const at = fleet.clock.now() + 5000;
  await fleet.define("again", { at });
  await fleet.clock.advance("10s");
  await fleet.run(fleet.program().schedule("again").remove());
  await fleet.define("again", { at });
  await fleet.clock.advance("10s");
  assert.deepEqual(await fleet.ticks("again"), [5]);
});

test("a trigger runs now, also while it is paused, and counts as one before the next tick", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  await fleet.define("jobs", "*/10 * * * * *", 8000, { overlap: "skip", paused: true });
  const schedule = fleet.program().schedule("jobs");
  await fleet.clock.advance("15s");
  const future = schedule.trigger();
  await fleet.run(future.submitted);
  await fleet.run(schedule.resume());
  await fleet.clock.advance("6s");
  const info = await fleet.run(schedule.info());
  assert.deepEqual([info?.fired, info?.skipped], [0, 1]);
  await fleet.run(future);
  await fleet.clock.advance("9s");
  assert.equal((await fleet.run(schedule.info()))?.fired, 1);
});

test("a tick whose task has a unique key that another live job holds is dropped and counted", async (t) => {
  const fleet = new Fleet(t);
  const hands = fleet.program();
  hands.work({ tasks: [slow] });
  const unique = slow.with({ unique: { key: "one" } });
  void hands.submit(unique, 25_000);
  await fleet.run(hands.schedule("jobs", "*/10 * * * * *", call(unique, 1)));
  await fleet.clock.advance("35s");
  const info = await fleet.run(hands.schedule("jobs").info());
  assert.deepEqual([info?.fired, info?.skipped], [1, 2]);
  assert.deepEqual(await fleet.ticks("jobs"), [30]);
});

test("what jobs put out does not make workers read the schedules again", async (t) => {
  const fleet = new Fleet(t);
  fleet.worker();
  await fleet.define("tick", "0 0 1 1 *");
  const id = await fleet.run(fleet.program().submit(nothing.with({ delay: "1h" })).submitted);
  await fleet.clock.advance("1s");
  const asked = fleet.calls.get("records") ?? 0;
  for (let i = 0; i < 25; i++) {
    const part = { job: id, name: `part/${i}`, text: "1", claim: null, tell: true };
    assert.deepEqual(await fleet.run(fleet.store.write([part], fleet.clock.now())), [true]);
    await fleet.clock.advance("200ms");
  }
  assert.ok((fleet.calls.get("records") ?? 0) - asked <= 1, `${fleet.calls.get("records")} questions, ${asked} before`);
});

test("a schedule that cannot be read is told of once, and the others fire", async (t) => {
  const fleet = new Fleet(t);
  const events: WorkerEvent[] = [];
  await fleet.run(fleet.store.addIf({ name: "schedule/foreign", from: null, to: '{"v":99}' }, [], fleet.clock.now()));
  await fleet.define("tick", "*/10 * * * * *");
  fleet.worker((event) => events.push(event));
  await fleet.clock.advance("35s");
  const failed = events.flatMap((event) =>
    event.kind === "schedule-failed" ? [`${event.schedule}: ${event.error.message}`] : [],
  );
  assert.equal(failed.length, 1);
  assert.match(failed[0] ?? "", /^foreign: .*another version/);
  assert.deepEqual(await fleet.ticks("tick"), [10, 20, 30]);
  const listed = await fleet.run(fleet.program().schedules());
  assert.deepEqual(
    listed.map(({ name, fired }) => [name, fired]),
    [
      ["foreign", undefined],
      ["tick", 3],
    ],
  );
  assert.match(listed[0]?.problem ?? "", /"foreign" was written by another version .* or remove the schedule/);
  assert.equal(await fleet.run(fleet.program().schedule("foreign").remove()), true);
});
