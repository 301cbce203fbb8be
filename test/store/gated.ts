// Jobs that walk through two gates, on a store that is opened again after its layout was made an older one.
import assert from "node:assert/strict";
import type { Store } from "../../src/store/store.ts";
import { done, leaseMs, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";

/** Adds jobs before gates, closes the store, and has them go on, in their order, when it is opened again after `age`. */
export async function goOnThroughGates(open: () => Promise<Store>, age: () => unknown): Promise<void> {
  const gates = ["x", "y"].map((name) => ({ name, room: 1, everyMs: null, until: "stopped" as const }));
  const before = await open();
  await before.add(
    ["a", "b", "c"].map((id) => newJob({ id, gates })),
    start,
  );
  await before.close();
  await age();
  const store = await open();
  await store.join(newWorker("w"), start + leaseMs);
  const order: string[] = [];
  let [job] = (await store.settle("w", [], wants(1), start)).claimed;
  for (; job; [job] = (await store.settle("w", [done(job)], wants(1), start)).claimed) order.push(job.id);
  assert.deepEqual(order, ["a", "b", "c"]);
  await store.close();
}
