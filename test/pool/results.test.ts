// What the three ways of asking for results do, on a production that the test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRuntime } from "../../src/core/runtime.ts";
import { Results } from "../../src/pool/results.ts";
import type { Production, Sink } from "../../src/pool/results.ts";

/** Produces what it is told to. */
class Played implements Production {
  released = 0;
  stops = 0;
  cancels: (string | undefined)[] = [];
  sink: Sink | undefined;

  release(count: number): void {
    this.released += count;
  }

  stop(): void {
    this.stops += 1;
  }

  async cancel(reason: string | undefined): Promise<{ waiting: number; stopped: number; killed: number; requested: number }> {
    this.cancels.push(reason);
    return { waiting: 1, stopped: 0, killed: 0, requested: 0 };
  }
}

function play(ordered = true): { played: Played; results: Results<string>; sink: Sink } {
  const played = new Played();
  const results = new Results<string>({
    task: "played",
    ordered,
    defer: (run) => systemRuntime.defer(run),
    produce: (sink) => {
      played.sink = sink;
      return played;
    },
  });
  return { played, results, sink: played.sink as Sink };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("nothing is released before someone asks", async () => {
  const { played, results, sink } = play();
  sink.outcome(1, "done", "b");
  sink.outcome(0, "done", "a");
  await turn();
  assert.equal(played.released, 0);
  const array = Promise.resolve(results);
  await turn();
  assert.equal(played.released, 2);
  sink.outcome(2, "done", "c");
  assert.equal(played.released, 3);
  sink.ended();
  assert.deepEqual(await array, ["a", "b", "c"]);
});

test("iteration releases what it has handed out, in order", async () => {
  const { played, results, sink } = play();
  sink.outcome(2, "done", "c");
  const iterator = results[Symbol.asyncIterator]();
  const first = iterator.next();
  const second = iterator.next();
  sink.outcome(1, "done", "b");
  await turn();
  assert.equal(played.released, 0);
  sink.outcome(0, "done", "a");
  assert.deepEqual([await first, await second].map(({ value }) => value), ["a", "b"]); // oxfmt-ignore
  assert.equal(played.released, 2);
  sink.ended();
  assert.equal((await iterator.next()).value, "c");
  assert.equal((await iterator.next()).done, true);
  assert.equal((await iterator.next()).done, true);
});

test("iteration tells a failure after what is ready before it, once", async () => {
  const { played, results, sink } = play();
  const iterator = results[Symbol.asyncIterator]();
  sink.outcome(0, "done", "a");
  sink.outcome(2, "done", "c");
  sink.outcome(3, "failed", new RangeError("no"));
  assert.equal(played.stops, 1);
  assert.equal((await iterator.next()).value, "a");
  await assert.rejects(iterator.next(), RangeError);
  assert.equal((await iterator.next()).done, true);
});

test("every outcome is told, and none stops the rest", async () => {
  const { played, results, sink } = play();
  const settled = results.settled();
  sink.outcome(1, "failed", "no");
  sink.outcome(0, "done", "a");
  sink.ended();
  assert.deepEqual(await settled, [
    { status: "fulfilled", value: "a" },
    { status: "rejected", reason: "no" },
  ]);
  assert.equal(played.stops, 0);
  await assert.rejects(Promise.resolve(results), (error) => error === "no");
});

test("after a failure, the outcomes there are can still be asked for", async () => {
  const { results, sink } = play();
  const array = Promise.resolve(results);
  sink.outcome(0, "done", "a");
  sink.outcome(1, "failed", "no");
  await assert.rejects(array, (error) => error === "no");
  sink.ended();
  assert.equal((await results.settled()).length, 2);
});

test("a failure that nobody asks about is an unhandled rejection", async (t) => {
  // The test runner itself listens, and would fail the test.
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  t.after(() => listeners.forEach((listener) => process.on("unhandledRejection", listener)));
  const { sink } = play();
  const unhandled = new Promise((resolve) => process.once("unhandledRejection", resolve));
  const error = new RangeError("unheard");
  sink.outcome(0, "failed", error);
  assert.equal(await unhandled, error);
});

test("cancelling rejects the results when all has stopped, and nobody has to care", async () => {
  const { played, results, sink } = play();
  const receipt = await results.cancel("enough");
  assert.equal(receipt.waiting, 1);
  assert.deepEqual(played.cancels, ["enough"]);
  sink.ended();
  await assert.rejects(Promise.resolve(results), { code: "CANCELLED", reason: "enough" });
  const { results: over, sink: overSink } = play();
  overSink.ended();
  assert.equal((await over.cancel()).waiting, 0);
  assert.deepEqual(await over, []);
});

test("results have catch and finally, as promises do", async () => {
  const { results, sink } = play();
  const ends: string[] = [];
  const caught = results.catch((error) => [String(error)]);
  const ended = results.finally(() => void ends.push("failed"));
  sink.outcome(0, "failed", new RangeError("broken"));
  sink.ended();
  assert.deepEqual(await caught, ["RangeError: broken"]);
  await assert.rejects(ended, RangeError);
  const { results: fine, sink: fineSink } = play();
  const kept = fine.catch(() => []).finally(() => void ends.push("done"));
  fineSink.outcome(0, "done", "a");
  fineSink.ended();
  assert.deepEqual(await kept, ["a"]);
  assert.deepEqual(ends, ["failed", "done"]);
});
