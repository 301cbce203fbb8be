// Events that were written while a clock was ahead: they hold up no others, and are not taken for old before their time.
import assert from "node:assert/strict";
import { EventsLostError } from "../../src/core/errors.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import type { Store } from "../../src/store/store.ts";
import { namesOf, newJob } from "../../src/testing/store-suite/bench.ts";

const dayMs = 86_400_000;
/** How far the clock is ahead. */
export const aheadMs: number = 365 * dayMs;

/** `add` adds a job of this id, while the clock is ahead or not; the store's own clock is that of this machine. */
export async function prunesPastAhead(store: Store, add: (id: string, isAhead: boolean) => Promise<unknown>): Promise<void> {
  await store.keepEvents(dayMs);
  const first = (await store.events(null, 1)).next;
  const ids = Array.from({ length: 60 }, (_, i) => `j${i}`);
  for (const [i, id] of ids.entries()) await add(id, (i > 5 && i < 30) || i === 40);
  const { events, next } = await store.events(first, 100);
  assert.deepEqual(namesOf(events), ids);
  const added = Math.ceil(store.now());
  const isAhead = events.map(({ at }) => at > added + dayMs);
  assert.equal(isAhead.filter(Boolean).length, 25, "each event has its own time");

  await store.tend(added + dayMs / 2, 100);
  assert.equal((await store.events(first, 100)).events.length, 60, "none is old yet");
  // The first ahead are the first of all from the first step on.
  for (let step = 0; step < 10; step++) await store.tend(added + dayMs + 60_000, 1);
  await assert.rejects(store.events(events.at(-2)?.cursor ?? "", 10), EventsLostError);
  assert.deepEqual((await store.events(next, 10)).events, [], "who has read all misses nothing");

  await add("last ahead", true);
  await add("last", false);
  await store.tend(added + dayMs / 2, 100);
  assert.deepEqual(namesOf((await store.events(next, 10)).events), ["last ahead", "last"], "what comes then is kept");
}

/** The same on a store that takes its time from this runtime. */
export async function prunesPastAheadOf(open: (runtime: Runtime) => Promise<Store>): Promise<void> {
  let ahead = 0;
  const store = await open({ ...systemRuntime, now: () => systemRuntime.now() + ahead });
  await prunesPastAhead(store, async (id, isAhead) => {
    ahead = isAhead ? aheadMs : 0;
    await store.add([newJob({ id })], store.now());
    ahead = 0;
  });
  await store.close();
}
