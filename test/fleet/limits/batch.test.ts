// Many calls at once on a fleet, on virtual time: what is gathered, and how each call ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { batchTask, call, CancelledError, context, snooze, task, TimeoutError, UsageError } from "../../../src/index.ts";
import type { Call, Task } from "../../../src/index.ts";
import { fleet } from "./fleet.ts";

const seen: (readonly number[])[] = [];
const double = batchTask(
  "batch.double",
  (inputs: readonly number[]) => {
    seen.push(inputs);
    return inputs.map((n) => n * 2);
  },
  { batch: { size: 10, wait: "1s" } },
);

test("calls are gathered up to the size, and the rest waits no longer than it may", async (t) => {
  const { program, clock } = fleet(t);
  seen.length = 0;
  const client = program([double]);
  const results = await clock.run(
    client.map(
      double,
      Array.from({ length: 34 }, (_, i) => i),
    ),
  );
  assert.deepEqual(
    results,
    Array.from({ length: 34 }, (_, i) => i * 2),
  );
  assert.deepEqual(
    seen.map((batch) => batch.length),
    [10, 10, 10, 4],
  );
  assert.ok(clock.elapsed() >= 1000 && clock.elapsed() < 1100, `${clock.elapsed()} ms`);
});

test("to everyone else it is a task of one input", async (t) => {
  const { program, clock } = fleet(t);
  const client = program([double]);
  const typed: Task<[input: number], number, Promise<number>> = double;
  const nested: Call<number> = call(typed, call(double, 3));
  assert.equal(await clock.run(client.submit(nested)), 12);
  assert.equal(await clock.run(client.submit(double, 4)), 8);
  assert.equal(await double(5), 10);
});

test("of a batch only what failed is retried, and what snoozes spends nothing", async (t) => {
  const { program, clock } = fleet(t);
  const tried = new Map<string, number>();
  const runs: number[] = [];
  const uneven = batchTask(
    "batch.uneven",
    (inputs: readonly string[]) => {
      runs.push(inputs.length);
      return inputs.map((input) => {
        const times = (tried.get(input) ?? 0) + 1;
        tried.set(input, times);
        if (input === "late" && times <= 3) return snooze("5s");
        if (input === "flaky" && times <= 2) return new RangeError("not yet");
        return input === "bad" ? new TypeError("never") : `${input} ${times}`;
      });
    },
    { batch: { size: 100 }, retries: 2, backoff: { initial: "1s" } },
  );
  const client = program([uneven]);
  const outcomes = await clock.run(client.map(uneven, ["good", "flaky", "bad", "late"]).settled());
  assert.deepEqual(
    outcomes.map((outcome) => ("value" in outcome ? outcome.value : (outcome as { reason: Error }).reason.message)),
    ["good 1", "flaky 3", "never", "late 4"],
  );
  assert.equal(runs[0], 4);
  assert.equal(tried.get("good"), 1);
  assert.equal(tried.get("bad"), 3);
});

test("what the function throws fails them all, and so does a list of another length", async (t) => {
  const { program, clock } = fleet(t);
  const broken = batchTask(
    "batch.broken",
    (inputs: readonly string[]) => {
      if (inputs.includes("throw")) throw new RangeError("all of them");
      return inputs.slice(1);
    },
    { batch: { size: 3, wait: "1m" } },
  );
  const client = program([broken]);
  const messages = async (inputs: readonly string[]): Promise<unknown[]> =>
    (await clock.run(client.map(broken, inputs).settled())).map((outcome) => (outcome as { reason: Error }).reason.message);
  assert.deepEqual(await messages(["a", "throw", "b"]), Array(3).fill("all of them"));
  for (const message of await messages(["a", "b", "c"])) assert.match(String(message), /was given 3 inputs .* found a list of 2/);
});

test("a cancelled call ends at once, the others go on; a time-out is the batch's", async (t) => {
  const { program, clock, sleep } = fleet(t);
  const slow = batchTask(
    "batch.slow",
    async (inputs: readonly number[]) => {
      await Promise.race([
        sleep(Math.max(...inputs)),
        new Promise((_, reject) => context().signal.addEventListener("abort", reject)),
      ]);
      return inputs;
    },
    { batch: { size: 3, wait: "1m" }, timeout: "1m" },
  );
  const client = program([slow]);
  const [one, two, three] = [client.submit(slow, 1000), client.submit(slow, 2000), client.submit(slow, 30_000)];
  await clock.advance("500ms");
  assert.equal((await clock.run(two.cancel("not wanted"))).requested, 1);
  await assert.rejects(clock.run(two, "5s"), CancelledError);
  assert.ok(clock.elapsed() < 5000);
  assert.equal(await clock.run(one), 1000);
  assert.equal(await clock.run(three), 30_000);
  const late = [1, 2, 120_000].map((ms) => client.submit(slow, ms));
  for (const each of late) await assert.rejects(clock.run(each), TimeoutError);
});

test("a worker that stops gives back what it has gathered", async (t) => {
  const { program, clock, store } = fleet(t);
  seen.length = 0;
  const patient = double.with({ batch: { size: 10, wait: "1m" } });
  const client = program();
  const worker = client.work({ tasks: [patient], report: () => undefined });
  for (const n of [1, 2, 3]) void client.submit(patient, n);
  await clock.advance("10s");
  assert.equal(await store.count({ states: ["running"] }), 3);
  await clock.run(worker.stop());
  assert.equal(await store.count({ states: ["ready"] }), 3);
  assert.equal(seen.length, 0);
});

test("what a batch cannot have is refused", async (t) => {
  const { program, clock } = fleet(t);
  const steps = batchTask(
    "batch.steps",
    async (inputs: readonly number[]) => [await context().step("a", () => 1), ...inputs.slice(1)],
    {
      batch: { size: 2 },
    },
  );
  await assert.rejects(
    clock.run(program([steps]).submit(steps, 1)),
    /does many calls at once, and steps, sleeps and signals would belong to one/,
  );
  assert.throws(() => task("batch.none", (n: number) => n, { batch: { size: 2 } }), /Define it with batchTask/);
  assert.throws(
    () => batchTask("batch.none", (n: readonly number[]) => n, {} as { batch: { size: number } }),
    /needs to know how many/,
  );
  assert.throws(() => batchTask("batch.none", (n: readonly number[]) => n, undefined as never), /needs to know how many/);
  assert.throws(() => batchTask("batch.none", (n: readonly number[]) => n, { batch: { size: 0 } }), UsageError);
  assert.throws(
    () => batchTask("batch.none", (n: readonly number[]) => n, { batch: { size: 1, wait: "2m" } }),
    /at most a minute/,
  );
});
