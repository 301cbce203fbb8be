// Events: what leaves one, in which order they are read, and what is said when they are gone.
import assert from "node:assert/strict";
import { EventsLostError, UsageError } from "../../core/errors.ts";
import type { Gate } from "../../store/job.ts";
import type { Store, StoredEvent } from "../../store/store.ts";
import type { Bench, Case } from "./bench.ts";
import { done, failed, namesOf, newJob, start, wants } from "./bench.ts";

const dayMs = 86_400_000;

/** Keeps events from now on; gives where they begin. */
async function begin(store: Store): Promise<string> {
  await store.keepEvents(dayMs);
  return (await store.events(null, 1)).next;
}

/** All events behind a cursor, read in pages. */
async function readAll(store: Store, after: string, page: number = 100): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (let from = after; ;) {
    const { events, next } = await store.events(from, page);
    all.push(...events);
    assert.ok(events.length <= page);
    if (next === from) return all;
    from = next;
  }
}

/** The states a job came to, each with what it came from, its attempt and its worker. */
function story(events: readonly StoredEvent[], id: string): string[] {
  return events
    .filter((event) => event.id === id)
    .map(({ from, state, attempt, worker }) => `${from ?? "added"} ${state} ${attempt}${worker === null ? "" : ` ${worker}`}`);
}

const gate: Gate = { name: "g", room: 1, everyMs: null, until: "stopped" };

async function losesThem(store: Store, after: string | null): Promise<string | null> {
  let from: string | null | undefined;
  await assert.rejects(store.events(after, 10), (error) => {
    assert.ok(error instanceof EventsLostError, String(error));
    from = error.from;
    return true;
  });
  return from ?? null;
}

async function fill(bench: Bench, count: number): Promise<void> {
  await bench.add(...Array.from({ length: count }, (_, i) => ({ id: `j${String(i).padStart(4, "0")}` })));
}

export const events: readonly Case[] = [
  [
    "none are kept until that is asked for, and then what happens from then on",
    async (bench) => {
      const { store } = bench;
      await bench.add({ id: "before" });
      assert.equal(await store.keepEvents(null), 0);
      assert.equal(await losesThem(store, null), null);
      assert.equal(await store.keepEvents(null, 5000), 5000);
      assert.equal(await store.keepEvents(null, 6000), 5000);
      assert.equal(await store.keepEvents(dayMs), dayMs);
      const { events: none, next } = await store.events(null, 100);
      assert.deepEqual(none, []);
      await bench.add({ id: "after" });
      assert.deepEqual(namesOf(await readAll(store, next)), ["after"]);
    },
  ],
  [
    "a job leaves an event with each state it comes to, through retries, a suspension and its end",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      const before = Math.floor(store.now()) - 5000;
      await bench.add({ id: "a", task: "task", queue: "queue", dueAt: bench.now + 5 });
      await store.tend((bench.now += 5), 10);
      const one = await bench.claimOne();
      await bench.settle({ id: "a", fence: one.fence, kind: "retry", error: '"e"', dueAt: bench.now });
      const two = await bench.claimOne();
      await bench.settle({ id: "a", fence: two.fence, kind: "waiting", dueAt: null, seen: 0, waits: '"for"' });
      await store.write([{ job: "a", name: "signal/x", text: "1", claim: null, tell: false }], bench.now);
      const three = await bench.claimOne();
      await store.suspend("w", [["a", three.fence, '"child"']]);
      await store.suspend("w", [["a", three.fence, '"another"']]);
      await store.suspend("w", [["a", three.fence, null]]);
      await bench.settle(done(three));
      const found = await readAll(store, first);
      assert.deepEqual(story(found, "a"), [
        "added scheduled 0",
        "scheduled ready 0",
        "ready running 1 w",
        "running ready 1",
        "ready running 2 w",
        "running waiting 1",
        "waiting ready 1",
        "ready running 2 w",
        "running waiting 2 w",
        "waiting running 2 w",
        "running done 2 w",
      ]);
      for (const { task, queue, at } of found) {
        assert.deepEqual([task, queue], ["task", "queue"]);
        assert.ok(at >= before && at <= store.now() + 5000, `${at} is about now`);
      }
    },
  ],
  [
    "a retry that is claimed in the same step leaves both events",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      await bench.add({ id: "a" });
      const { fence } = await bench.claimOne();
      await store.settle("w", [{ id: "a", fence, kind: "retry", error: '"e"', dueAt: bench.now }], wants(1), bench.now);
      assert.deepEqual(story(await readAll(store, first), "a").slice(2), ["running ready 1", "ready running 2 w"]);
    },
  ],
  [
    "jobs of a graph leave theirs: released, failed with a dependency, made live again, cancelled, expired",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      await bench.add({ id: "good" }, { id: "bad" }, { id: "above", dependsOn: ["good"] }, { id: "top", dependsOn: ["bad"] });
      const [good, bad] = await bench.claim();
      assert.ok(good && bad);
      await bench.settle(done(good), failed(bad));
      await bench.add({ id: "late", dependsOn: ["bad"] });
      await store.retry({ ids: ["top"] }, bench.now);
      await store.cancel({ ids: ["above"] }, null, bench.now);
      await bench.add({ id: "old", expiresAt: bench.now + 1 });
      await store.tend((bench.now += 1), 10);
      const found = await readAll(store, first);
      assert.deepEqual(story(found, "above"), ["added blocked 0", "blocked ready 0", "ready cancelled 0"]);
      assert.deepEqual(story(found, "top"), ["added blocked 0", "blocked failed 0", "failed blocked 0"]);
      assert.deepEqual(story(found, "bad").slice(2), ["running failed 1 w", "failed ready 0"]);
      assert.deepEqual(story(found, "late"), ["added failed 0"]);
      assert.deepEqual(story(found, "old"), ["added ready 0", "ready expired 0"]);
    },
  ],
  [
    "a job before a gate is blocked, also when it passes at once",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      await bench.add({ id: "a", gates: [gate] }, { id: "b", gates: [gate, { ...gate, name: "h" }], expiresAt: bench.now + 1e6 });
      const a = await bench.claimOne();
      await bench.settle({ id: "a", fence: a.fence, kind: "retry", error: '"e"', dueAt: bench.now });
      await bench.settle(done(await bench.claimOne()));
      await bench.settle(done(await bench.claimOne()));
      const found = await readAll(store, first);
      const end = ["ready running 2 w", "running done 2 w"];
      const way = ["added blocked 0", "blocked ready 0", "ready running 1 w"];
      assert.deepEqual(story(found, "a"), [...way, "running blocked 1", "blocked ready 1", ...end]);
      assert.deepEqual(story(found, "b"), [...way, "running done 1 w"]);
    },
  ],
  [
    "what a lost worker ran and what is moved to another queue leave theirs; what stays in its state leaves none",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      await bench.add({ id: "a" });
      await bench.claimOne();
      await store.tend((bench.now += dayMs), 10);
      await store.change({ ids: ["a"] }, { queue: "other", priority: 2 }, bench.now);
      await store.change({ ids: ["a"] }, { dueAt: bench.now + 9 }, bench.now);
      const found = await readAll(store, first);
      assert.deepEqual(story(found, "a").slice(1), ["ready running 1 w", "running ready 1", "ready scheduled 1"]);
      assert.deepEqual(
        found.map(({ queue }) => queue),
        ["queue", "queue", "queue", "other"],
      );
    },
  ],
  [
    "what is changed and stays in its state leaves none, also when the events before it are gone",
    async (bench) => {
      const { store } = bench;
      await begin(store);
      await bench.add({ id: "below" }, { id: "a" }, { id: "due", dueAt: start + 1e12 }, { id: "above", dependsOn: ["below"] });
      await bench.add({ id: "before", gates: [{ ...gate, room: 0 }] });
      const { next } = await store.events(null, 1);
      await store.tend(Math.ceil(store.now()) + dayMs + 60_000, 100);
      const call = { args: "[2]", policy: null, gates: [], expiresAt: null, submittedAt: start };
      await store.change({ ids: ["a"] }, { call }, start);
      const all = ["a", "above", "before", "due"];
      assert.deepEqual((await store.change({ ids: all }, { queue: "other", priority: 2 }, start)).toSorted(), all);
      assert.deepEqual(await readAll(store, next), []);
      await store.change({ ids: ["a"] }, { dueAt: start + 1e12 }, start);
      assert.deepEqual(namesOf(await readAll(store, next)), ["a"]);
    },
  ],
  [
    "many jobs in few steps leave all of theirs, in pages of any length, from any of them on",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      await fill(bench, 1500);
      const claimed = await bench.claim("w", 1000);
      await store.settle(
        "w",
        claimed.map((job) => done(job)),
        wants(1000),
        bench.now,
      );
      const found = await readAll(store, first, 77);
      assert.equal(found.length, 1500 + 1000 + 1000 + 500);
      assert.deepEqual(story(found, "j0000"), ["added ready 0", "ready running 1 w", "running done 1 w"]);
      assert.deepEqual(story(found, "j1499"), ["added ready 0", "ready running 1 w"]);
      for (const at of [0, 1, 76, 77, 1499, 1500, 3998]) {
        const { events: some } = await store.events(found[at]?.cursor ?? "", 3);
        assert.deepEqual(some, found.slice(at + 1, at + 4), `behind event ${at}`);
      }
      assert.deepEqual(await store.events(first, 0), { events: [], next: first });
    },
  ],
  [
    "jobs that are moved here were added as they are",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      const { unique: _unique, ...facts } = newJob({ id: "a" }, bench.now);
      const nothing = { uniqueKey: null, uniqueUntil: null, cause: null, cancelAt: null, cancelReason: null, progress: null };
      const whole = {
        ...facts,
        ...nothing,
        state: "failed" as const,
        dependencies: 0,
        pending: 0,
        attempt: 2,
        crashes: 0,
        fence: 2,
      };
      const times = { readyAt: bench.now, startedAt: bench.now, endedAt: bench.now, worker: "v" };
      await store.load([{ ...whole, ...times, result: null, error: '"e"', waits: null, gate: null, records: [] }], bench.now);
      assert.deepEqual(story(await readAll(store, first), "a"), ["added failed 2 v"]);
    },
  ],
  [
    "old ones are deleted by those who tend; who was behind is told, and from where to go on",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      for (let i = 0; i < 30; i++) await bench.add({ id: `j${i}` });
      const found = await readAll(store, first);
      const later = Math.ceil(store.now()) + dayMs + 60_000;
      await store.tend(later, 1);
      const from = await losesThem(store, first);
      assert.ok(from !== null);
      const rest = await readAll(store, from);
      assert.ok(rest.length < 30 && rest.length > 0, `a step deletes some: ${rest.length} are left`);
      assert.deepEqual(rest, found.slice(-rest.length));
      await store.tend(later, 100);
      const last = found.at(-1)?.cursor ?? "";
      assert.deepEqual((await store.events(last, 10)).events, [], "who has read all misses nothing");
      await losesThem(store, found.at(-2)?.cursor ?? "");
      await bench.add({ id: "new" });
      assert.deepEqual(namesOf(await readAll(store, last)), ["new"]);
    },
  ],
  [
    "when it is switched off they are gone, and a cursor of then does not go on when it is switched on again",
    async (bench) => {
      const { store } = bench;
      const first = await begin(store);
      await bench.add({ id: "a" });
      const { next } = await store.events(first, 10);
      assert.equal(await store.keepEvents(0), 0);
      assert.equal(await losesThem(store, next), null);
      await bench.add({ id: "b" });
      await store.keepEvents(dayMs);
      const from = await losesThem(store, next);
      assert.deepEqual(await readAll(store, from ?? ""), []);
      await bench.add({ id: "c" });
      assert.deepEqual(namesOf(await readAll(store, from ?? "")), ["c"]);
    },
  ],
  [
    "a text that is no cursor is refused, and one of another store goes nowhere",
    async (bench) => {
      const { store } = bench;
      await begin(store);
      await assert.rejects(store.events("nonsense", 1), UsageError);
      await assert.rejects(store.events("", 1), UsageError);
      const { next } = await store.events(null, 1);
      await losesThem(store, next.replace(/^\d+/, "999999999999999"));
      await assert.rejects(store.events(next.replace(/^\d+/, "99999999999999999999"), 1), UsageError);
    },
  ],
];
