// The silent stop: a store that answers and gives nothing, on virtual time.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Hands } from "../../src/fleet/hands.ts";
import { task } from "../../src/index.ts";
import type { WorkerEvent, WorkOptions } from "../../src/index.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import type { Store } from "../../src/store/store.ts";
import { TestClock } from "../../src/testing/index.ts";
import * as jobs from "../fixtures/jobs.ts";

interface Scene {
  readonly clock: TestClock;
  readonly hands: Hands;
  readonly events: WorkerEvent[];
  /** From now on nothing is given out until the store connects anew. */
  silence(): void;
  reconnects: number;
  /** A worker that had claimed everything dies. */
  loseWorker(): Promise<void>;
  count(state: "ready" | "running" | "done"): Promise<number>;
}

function scene(t: TestContext): Scene {
  const clock = new TestClock();
  const store = memoryStore({ runtime: clock });
  let isSilent = false;
  const seen: Store = new Proxy(store, {
    get(target, name: keyof Store) {
      if (name === "settle") {
        const settle: Store["settle"] = (worker, outcomes, wants, now) =>
          store.settle(worker, outcomes, isSilent ? [] : wants, now);
        return settle;
      }
      if (name === "reconnect") {
        return () => {
          isSilent = false;
          made.reconnects += 1;
        };
      }
      const value: unknown = target[name];
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const hands = new Hands(seen, clock);
  t.after(() => clock.run(hands.close()));
  const loseWorker = async (): Promise<void> => {
    const now = clock.now();
    const worker = { id: "dead", host: "", pid: 1, queues: ["default"], tasks: ["hold"], startedAt: now };
    await store.join(worker, now + 1);
    await store.settle("dead", [], [{ queues: ["default"], tasks: ["hold"], limit: 10 }], now);
    await store.tend(now + 1, 10);
  };
  const count = (state: "ready" | "running" | "done"): Promise<number> => store.count({ states: [state] });
  const made: Scene = { clock, hands, events: [], silence: () => void (isSilent = true), reconnects: 0, loseWorker, count };
  return made;
}

function work({ hands, events }: Scene, options: WorkOptions = { tasks: [jobs] }): void {
  hands.work({ ...options, report: (event) => void (event.kind === "ended" || events.push(event)) });
}

test("a worker that has room and is not given a job that waits connects anew, and says so", async (t) => {
  const made = scene(t);
  work(made);
  made.silence();
  const future = made.hands.submit(jobs.echo, "at last");
  assert.equal(await made.clock.run(future), "at last");
  assert.equal(made.reconnects, 1);
  const [event, ...others] = made.events;
  assert.ok(event?.kind === "stalled" && event.id === future.id && event.ms >= 10_000 && event.ms < 20_000);
  assert.deepEqual(others, []);
});

test("a worker without work, with a paused queue or with much to do stays connected", async (t) => {
  const made = scene(t);
  work(made);
  await made.clock.advance("5m");
  for (let i = 0; i < 200; i++) {
    void made.hands.submit(jobs.echo, i);
    await made.clock.advance("1s");
  }
  await made.clock.run(made.hands.queue("default").pause());
  const held = made.hands.submit(jobs.echo, "held");
  await made.clock.advance("5m");
  await made.clock.run(made.hands.queue("default").resume());
  assert.equal(await made.clock.run(held), "held");
  assert.equal(made.reconnects, 0);
  assert.deepEqual(made.events, []);
});

test("a worker without room stays connected, and so does one that may not have a second job on its last chance", async (t) => {
  const made = scene(t);
  const gate = Promise.withResolvers<void>();
  const hold = task("hold", () => gate.promise, { crashes: 1 });
  await Promise.all([made.hands.submit(hold).submitted, made.hands.submit(hold).submitted, made.clock.advance(0)]);
  await made.loseWorker();
  work(made, { tasks: [hold] });
  await made.clock.advance("1m");
  assert.deepEqual([await made.count("running"), await made.count("ready")], [1, 1], "one of two on their last chance");
  const full = task("full", () => gate.promise);
  work(made, { tasks: [full], concurrency: 1 });
  for (let i = 0; i < 3; i++) void made.hands.submit(full);
  await made.clock.advance("2m");
  assert.deepEqual([await made.count("running"), await made.count("ready")], [2, 3]);
  assert.equal(made.reconnects, 0);
  gate.resolve();
  await made.clock.advance("1m");
  assert.equal(await made.count("done"), 5);
});
