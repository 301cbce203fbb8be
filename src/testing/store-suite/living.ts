// Cases of a store as a thing: being watched, described and closed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { ClosedError } from "../../core/errors.ts";
import type { StoreEvent } from "../../store/store.ts";
import type { Bench, Case } from "./bench.ts";
import { claim, done, start, wants } from "./bench.ts";

/** Resolves when the listener has been called with this event after `act`. */
async function told(bench: Bench, event: StoreEvent, act: () => Promise<unknown>): Promise<void> {
  const heard = new EventTarget();
  const stop = bench.store.watch((each) => void heard.dispatchEvent(new Event(each)));
  const called = once(heard, event);
  await act();
  await called;
  stop();
}

/** The cases of being watched, described and closed. */
export const living: readonly Case[] = [
  [
    "a listener is told when work becomes ready, when jobs end, and of jobs that are due soon",
    async (bench) => {
      await told(bench, "ready", () => bench.add({ id: "a" }, { id: "b", dueAt: start + 5 }));
      const job = await bench.claimOne();
      await told(bench, "ended", () => bench.settle(done(job)));
      await told(bench, "scheduled", () => bench.add({ id: "c", dueAt: bench.now + 5 }));
      await told(bench, "ready", () => bench.store.tend(start + 5, 10));
      await told(bench, "ended", () => bench.store.cancel({}, null, start));
      await told(bench, "ready", () => bench.store.retry({}, start + 5));
      bench.now = start + 5;
      await bench.claim();
      await told(bench, "ready", () => bench.store.leave("w", bench.now));
    },
  ],
  [
    "a listener that was taken away is not called",
    async (bench) => {
      let calls = 0;
      const stop = bench.store.watch(() => void (calls += 1));
      stop();
      stop();
      await told(bench, "ready", () => bench.add({ id: "a" }));
      assert.equal(calls, 0);
    },
  ],
  [
    "a store says what it is",
    async (bench) => {
      await bench.add({ id: "a" });
      const { kind, location, engine, schema, jobs, problems } = await bench.store.info();
      assert.ok(kind !== "" && location !== "" && engine !== "" && schema >= 1);
      assert.equal(jobs, 1);
      for (const problem of problems) assert.match(problem, /^\S.*\.$/, "a problem is a sentence");
    },
  ],
  [
    "close finishes what was asked; later calls reject, and a second close does nothing",
    async (bench) => {
      await bench.join("w");
      const added = bench.add({ id: "a" });
      const listed = bench.store.list({}, { limit: 5 });
      const closed = bench.store.close();
      assert.deepEqual(await added, [{ id: "a", existing: null }]);
      assert.equal((await listed).length, 1);
      await closed;
      await bench.store.close();
      const { store } = bench;
      await assert.rejects(bench.add({ id: "b" }), ClosedError);
      await assert.rejects(claim(store, "w", wants(1), start), ClosedError);
      await assert.rejects(store.get(["a"]), ClosedError);
      await assert.rejects(store.tend(start, 1), ClosedError);
      await assert.rejects(store.renew("w", start), ClosedError);
      await assert.rejects(store.info(), ClosedError);
      assert.throws(() => store.watch(() => undefined), ClosedError);
    },
  ],
];
