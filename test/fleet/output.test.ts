// What jobs say while they run: their logs and the parts of their output, on the way through a store.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { context, RestartedError, StoreError, task } from "../../src/index.ts";
import type { Hands } from "../../src/index.ts";
import { sleep } from "../../src/core/runtime.ts";
import { Hands as Fleet } from "../../src/fleet/hands.ts";
import { JobLog } from "../../src/fleet/job-log.ts";
import { memoryStore } from "../../src/store/memory/store.ts";
import type { NewRecord } from "../../src/store/job.ts";
import type { Store } from "../../src/store/store.ts";
import { simulate, TestClock } from "../../src/testing/index.ts";

interface Scene {
  readonly clock: TestClock;
  readonly hands: Hands;
  /** Every record written. */
  readonly written: NewRecord[];
  /** Set, it fails the writes; or lets them wait. */
  trouble: (() => Promise<void>) | undefined;
}

function scene(t: TestContext): Scene {
  const clock = new TestClock({ seed: 1 });
  const memory = memoryStore({ runtime: clock });
  const made: Scene = { clock, hands: undefined as never, written: [], trouble: undefined };
  const write: Store["write"] = async (records, now) => {
    made.written.push(...records);
    await made.trouble?.();
    return memory.write(records, now);
  };
  const store = new Proxy(memory, {
    get(target, key: keyof Store): unknown {
      if (key === "write") return write;
      const member = target[key];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const hands = new Fleet(store, clock);
  t.after(() => clock.run(hands.close()));
  return Object.assign(made, { hands });
}

const quiet = { report: () => undefined };
const textsOf = async (hands: Hands, id: string): Promise<string[]> => (await hands.logs(id)).lines.map(({ line }) => line);

const says = task("output.says", (count: number) => {
  for (let i = 0; i < count; i++) context().log(`line ${i}`);
});
const silent = task("output.silent", () => 1);
const failing = task(
  "output.failing",
  () => {
    const { attempt, log } = context();
    log(`attempt ${attempt}`);
    throw new Error(`attempt ${attempt} fails`);
  },
  { retries: 2, backoff: { initial: "1s", jitter: 0 } },
);

test("what a task logs is kept with its job, with time and attempt", async (t) => {
  const { clock, hands } = scene(t);
  hands.work({ tasks: [says, failing], ...quiet });
  const future = hands.submit(says, 3);
  await clock.run(future);
  assert.deepEqual(await textsOf(hands, future.id), ["line 0", "line 1", "line 2"]);
  const other = hands.submit(failing);
  await assert.rejects(clock.run(other));
  const { lines, dropped } = await hands.logs(other.id);
  assert.deepEqual(
    lines.map(({ attempt, line }) => [attempt, line]),
    [1, 2, 3].map((n) => [n, `attempt ${n}`]),
  );
  assert.equal((lines[1]?.at ?? 0) - (lines[0]?.at ?? 0), 1000);
  assert.equal(dropped, 0);
  assert.deepEqual(await hands.logs(hands.submit(silent).id), { lines: [], dropped: 0 });
  await assert.rejects(hands.logs("nobody"), { code: "USAGE", message: /no job "nobody"/ });
});

test("the log of a running task is there a moment later", async (t) => {
  const { clock, hands } = scene(t);
  const slow = task("output.slow", async () => {
    context().log("begun");
    await sleep(clock, 60_000);
  });
  hands.work({ tasks: [slow], ...quiet });
  const future = hands.submit(slow);
  await clock.advance(300);
  assert.deepEqual(await textsOf(hands, future.id), ["begun"]);
  await clock.run(future);
});

test("a task that says nothing writes nothing", async (t) => {
  const { clock, hands, written } = scene(t);
  hands.work({ tasks: [silent] });
  await clock.run(Promise.all(Array.from({ length: 100 }, () => hands.submit(silent))));
  assert.equal(written.length, 0);
});

test("many lines are few records, and the last 1000 of them are kept", async (t) => {
  const { clock, hands, written } = scene(t);
  hands.work({ tasks: [says], ...quiet });
  const future = hands.submit(says, 5000);
  await clock.run(future);
  const { lines, dropped } = await hands.logs(future.id);
  assert.equal(lines.at(-1)?.line, "line 4999");
  assert.equal(lines.length + dropped, 5000);
  assert.ok(lines.length > 900 && lines.length <= 1000, `${lines.length} lines`);
  assert.ok(written.length < 100, `${written.length} records`);
});

test("a log keeps at most 1000 lines and 64 kB, over several attempts, whatever their lengths", () => {
  const stored = new Map<string, string>();
  const put = (log: JobLog): void => {
    for (const [name, text] of log.take()) {
      if (text === null) stored.delete(name);
      else stored.set(name, text);
    }
  };
  let total = 0;
  for (const [fence, length] of [10, 3, 500, 9000, 1].entries()) {
    const log = new JobLog(fence + 1, fence + 1);
    log.adopt([...stored].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => ({ name, text })));
    for (let i = 0; i < 700; i++) {
      log.add(i, "x".repeat(length));
      total += 1;
      if (i % 7 === 0) put(log);
    }
    put(log);
    const dropped = Number(stored.get("log/dropped") ?? 0);
    const chunks = [...stored].filter(([name]) => name !== "log/dropped");
    const lines = chunks.flatMap(([, text]) => (JSON.parse(text) as { lines: [number, string][] }).lines);
    assert.equal(lines.length + dropped, total);
    assert.ok(lines.length <= 1000, `${lines.length} lines`);
    const chars = lines.reduce((sum, [, line]) => sum + line.length, 0);
    assert.ok(chars <= 64 * 1024 + 8192, `${chars} characters`);
  }
});

const counting = task("output.counting", async function* (n: number) {
  for (let i = 0; i < n; i++) yield i;
  return "counted";
});

test("a generator on the loop is read as it runs, and by its id later", async (t) => {
  const { clock, hands } = scene(t);
  const paced = task("output.paced", async function* () {
    for (let i = 0; i < 3; i++) {
      yield [i, context().attempt];
      await sleep(clock, 10_000);
    }
  });
  hands.work({ tasks: [paced], ...quiet });
  const future = hands.submit(paced);
  const seen: [unknown, number][] = [];
  const reading = (async () => {
    for await (const part of future.stream()) seen.push([part, Math.round(clock.elapsed() / 10_000)]);
  })();
  await clock.run(reading);
  assert.deepEqual(seen, [
    [[0, 1], 0],
    [[1, 1], 1],
    [[2, 1], 2],
  ]);
  const again = await clock.run(Array.fromAsync(hands.job(future.id).stream()));
  assert.deepEqual(again, [
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});

test("a generator waits while the store is slow", async (t) => {
  const place = scene(t);
  const { clock, hands } = place;
  let made = 0;
  const fast = task("output.fast", async function* () {
    for (; made < 2000; made++) yield "x".repeat(1000);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  place.trouble = () => promise;
  hands.work({ tasks: [fast], ...quiet });
  const future = hands.submit(fast);
  await clock.advance("5s");
  assert.ok(made < 1000, `${made} parts were made of which none was written`);
  resolve();
  await clock.run(future);
  assert.equal(made, 2000);
});

test("parts that cannot be written fail the attempt: no reader misses one unknowingly", async (t) => {
  const place = scene(t);
  const { clock, hands } = place;
  hands.work({ tasks: [counting], ...quiet });
  place.trouble = () => Promise.reject(new StoreError("The disk is full."));
  const future = hands.submit(counting, 3);
  await assert.rejects(clock.run(future), /The disk is full/);
  place.trouble = undefined;
  await hands.retry(future.id);
  const parts = await clock.run(Array.fromAsync(hands.job(future.id).stream()));
  assert.deepEqual(parts, [0, 1, 2]);
});

test("a task may read the stream of its child with no other slot free", async (t) => {
  const { clock, hands } = scene(t);
  const parent = task("output.parent", async () => {
    const seen: number[] = [];
    for await (const part of context().submit(counting, 3).stream()) seen.push(part);
    return seen;
  });
  hands.work({ tasks: [parent, counting], concurrency: 1, ...quiet });
  assert.deepEqual(await clock.run(hands.submit(parent), "1m"), [0, 1, 2]);
});

test("whatever breaks, a reader gets every part of the attempt that counts, once and in order", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  for (let i = 0; i < 20; i++) {
    await simulate(seed + i, {
      tasks: [counting],
      faults: { crash: 0.05, stall: 0.05 },
      program: async (hands) => {
        const futures = Array.from({ length: 5 }, () => hands.submit(counting.with({ crashes: 1000 }), 7));
        await Promise.all(
          futures.map(async (future) => {
            let parts: number[] = [];
            for await (const part of future.stream({ restarted: () => (parts = []) })) parts.push(part);
            assert.deepEqual(parts, [0, 1, 2, 3, 4, 5, 6], `seed ${seed + i}`);
            assert.equal(await future, "counted");
          }),
        );
      },
    });
  }
});

test("the error of a void attempt says what to do", () => {
  assert.match(new RestartedError("x").message, /pass \{ restarted \} to stream/);
});
