// What a claimed job gets beside itself is asked for at once, so that a claim costs one wait for the store and not one for each question.
import assert from "node:assert/strict";
import { test } from "node:test";
import { givenBeside } from "../../src/fleet/given.ts";
import type { ClaimedJob } from "../../src/store/job.ts";
import type { Store } from "../../src/store/store.ts";

test("inputs, and what is to be known of deadlines that have passed, are asked for at once", { timeout: 10_000 }, async () => {
  const asked: string[] = [];
  const all = Promise.withResolvers<void>();
  // Answers nobody before all have asked.
  const ask = async <T>(what: string, answer: T): Promise<T> => {
    if (asked.push(what) === 3) all.resolve();
    await all.promise;
    return answer;
  };
  const store = {
    now: () => 1000,
    inputs: (ids: readonly string[]) => ask("inputs", [ids.map(() => "1")]),
    records: (id: string, name: string) => ask(`${name} of ${id}`, name === "retried" ? [{ name, text: "990" }] : []),
  } as unknown as Store;
  const claimed = ["a", "b"].map((id, dependencies) => ({ id, dependencies, policy: '{"deadlineMs":100}', submittedAt: 0 }));
  const { inputs, deadlines } = await givenBeside(store, claimed as unknown as readonly ClaimedJob[]);
  assert.deepEqual(asked.toSorted(), ["inputs", "retried of a", "retried of b"]);
  assert.deepEqual([...inputs], [["b", ["1"]]]);
  assert.deepEqual([...deadlines.values()], Array(2).fill({ at: 1090, ms: 100 }));
});
