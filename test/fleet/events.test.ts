// Following what happens to jobs: through the client, on virtual time and on real stores, and by a reader that is killed and goes on.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect, EventsLostError, task, UsageError } from "../../src/index.ts";
import type { EventsOptions, Hands, JobEvent } from "../../src/index.ts";
import { seededRandom, TestClock } from "../../src/testing/index.ts";
import { folder, Program, until } from "../fixtures/support.ts";
import { networks } from "../servers/fresh.ts";

const double = task("events.double", (n: number) => n * 2, { module: import.meta.url });
const fails = task("events.fails", () => Promise.reject(new Error("no")), { module: import.meta.url, queue: "bad" });
const tasks = [{ double, fails }];

async function open(t: TestContext, url = "memory:"): Promise<Hands> {
  const hands = await connect(url);
  t.after(() => hands.close());
  return hands;
}

/** The next so many events. */
async function next(events: AsyncIterable<JobEvent>, count: number): Promise<JobEvent[]> {
  const found: JobEvent[] = [];
  for await (const event of events) if (found.push(event) === count) break;
  return found;
}

const brief = ({ task, from, state }: JobEvent): string => `${task} ${from ?? "added"} ${state}`;

test("what is submitted after the call is followed to its end", async (t) => {
  const hands = await open(t);
  const events = hands.events();
  hands.work({ tasks });
  const future = hands.submit(double, 2);
  const found = await next(events, 3);
  assert.deepEqual(found.map(brief), ["events.double added ready", "events.double ready running", "events.double running done"]);
  assert.equal(await future, 4);
  assert.deepEqual(
    found.map(({ id, queue, attempt }) => [id, queue, attempt]),
    [0, 1, 1].map((attempt) => [future.id, "default", attempt]),
  );
});

test("queue, task and states choose", async (t) => {
  const hands = await open(t);
  const begun = (options: EventsOptions): Promise<JobEvent[]> => next(hands.events(options), 2);
  const [byQueue, byTask, byState] = [
    begun({ queue: "bad", states: ["failed"] }),
    begun({ task: "events.double", states: ["running"] }),
    begun({ states: ["done", "failed"] }),
  ];
  hands.work({ tasks, queues: ["*"] });
  for (let i = 0; i < 2; i++) {
    await hands.submit(double, i);
    await assert.rejects(Promise.resolve(hands.submit(fails)));
  }
  assert.deepEqual((await byQueue).map(brief), Array(2).fill("events.fails running failed"));
  assert.deepEqual((await byTask).map(brief), Array(2).fill("events.double ready running"));
  assert.deepEqual((await byState).map(brief), ["events.double running done", "events.fails running failed"]);
});

test("it goes on behind any event", async (t) => {
  const hands = await open(t);
  const events = hands.events();
  await Promise.all([1, 2, 3].map((n) => hands.submit(double, n).submitted));
  const all = await next(events, 3);
  const [first] = all;
  assert.ok(first);
  assert.deepEqual(await next(hands.events({ after: first.cursor }), 2), all.slice(1));
});

test("it ends by its signal and when the fleet is closed, also while it waits", async () => {
  const clock = new TestClock();
  const hands = await connect("memory:", { runtime: clock });
  const stop = new AbortController();
  const [bySignal, byClose] = [hands.events({ signal: stop.signal }).next(), hands.events().next()];
  await clock.advance(5000);
  stop.abort();
  assert.deepEqual(await bySignal, { value: undefined, done: true });
  await hands.close();
  assert.deepEqual(await byClose, { value: undefined, done: true });
  assert.throws(() => hands.events(), /has been closed/);
});

test("whoever leaves while it waits is let go at once", { timeout: 5000 }, async (t) => {
  const hands = await open(t);
  const events = hands.events();
  const waiting = events.next();
  await hands.count();
  assert.deepEqual(await events.return(), { done: true, value: undefined });
  assert.deepEqual(await waiting, { done: true, value: undefined });
});

test("a reader whose events are gone is told, and where it may go on", async (t) => {
  const hands = await open(t);
  assert.equal(await hands.keepEvents(), 0);
  assert.equal(await hands.keepEvents("2h"), 7_200_000);
  const reading = hands.events();
  await hands.submit(double, 1).submitted;
  const { value } = await reading.next();
  assert.ok(value);
  await hands.keepEvents(0);
  await assert.rejects(reading.next(), (error) => error instanceof EventsLostError && error.from === null);
});

test("wrong options are refused at once, and a wrong cursor when it is used", async (t) => {
  const hands = await open(t);
  assert.throws(() => hands.events({ state: "done" } as object), /did you mean "states"\?/i);
  assert.throws(() => hands.events({ states: ["finished" as "done"] }), UsageError);
  assert.throws(() => hands.events({ after: 7 as unknown as string }), /cursor of an event, found 7/);
  await hands.keepEvents("1h");
  await assert.rejects(hands.events({ after: "x" }).next(), UsageError);
  await assert.rejects(hands.keepEvents("soon" as "1d"), UsageError);
});

test("on virtual time the events of two runs are the same", async () => {
  const run = async (): Promise<unknown> => {
    const clock = new TestClock({ seed: 7 });
    const hands = await connect("memory:", { runtime: clock });
    const found = next(hands.events(), 9);
    hands.work({ tasks });
    hands.map(double, [1, 2, 3]).catch(() => undefined);
    await clock.advance(5000);
    const closed = hands.close();
    await clock.advance(5000);
    await closed;
    return found;
  };
  assert.deepEqual(await run(), await run());
});

/** Kills a reader now and then, which goes on behind the last line that it wrote; the lines together must be what happened, in order. */
async function killReaders(t: TestContext, url: string): Promise<void> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const file = join(folder(t), "events");
  const lines = (): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
  const start = (): Program => {
    const cursor = lines().at(-1)?.split(" ")[0];
    return new Program(t, join(import.meta.dirname, "../fixtures/event-reader.ts"), [
      url,
      file,
      ...(cursor === undefined ? [] : [cursor]),
    ]);
  };
  const hands = await open(t, url);
  const witness = hands.events();
  let reader = start();
  await reader.says("ready");
  hands.work({ tasks });
  const kills = 5;
  const results: PromiseLike<unknown>[] = [];
  for (let i = 0; i < kills; i++) {
    const before = lines().length;
    results.push(
      hands.map(
        double,
        Array.from({ length: 200 }, (_, n) => n),
      ),
    );
    const some = Math.floor(random() * 500) + 1;
    await until(`the reader wrote ${some} lines`, () => lines().length >= before + some);
    reader.kill("SIGKILL");
    await reader.exited;
    reader = start();
  }
  await Promise.all(results);
  const expected = (await next(witness, kills * 600)).map(
    ({ cursor, id, from, state }) => `${cursor} ${id} ${from ?? "added"} ${state}`,
  );
  await until("the last reader has read all", () => lines().at(-1) === expected.at(-1));
  // It may have begun a moment later.
  const first = expected.indexOf(lines()[0] ?? "");
  assert.ok(first >= 0);
  assert.deepEqual(lines(), expected.slice(first), reader.errors);
}

test("a reader that is killed goes on where it was: SQLite", { timeout: 60_000 }, (t) =>
  killReaders(t, `sqlite:${folder(t)}/hands.db`),
);
for (const { kind, given, fresh } of networks()) {
  const skip = "skip" in given ? given.skip : false;
  test(`a reader that is killed goes on where it was: ${kind}`, { timeout: 60_000, skip }, (t) => killReaders(t, fresh()));
}
