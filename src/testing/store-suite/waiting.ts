// Cases of how long the ready jobs of a queue have waited, which is how a fleet that falls behind is seen, and of the look by which
// a worker notices that it misses work.
import assert from "node:assert/strict";
import type { Bench, Case } from "./bench.ts";
import { done, failed, start } from "./bench.ts";

async function oldest(bench: Bench, queue: string = "queue"): Promise<number | null | undefined> {
  return (await bench.store.queues()).find((stats) => stats.queue === queue)?.oldestReadyAt;
}

/** The cases of `QueueStats.oldestReadyAt` and of `next`. */
export const waiting: readonly Case[] = [
  [
    "a queue says since when the job has been ready that waits longest",
    async (bench) => {
      await bench.add({ id: "a" });
      bench.now = start + 10;
      await bench.add({ id: "b" }, { id: "mail", queue: "mail" });
      assert.deepEqual([await oldest(bench), await oldest(bench, "mail")], [start, start + 10]);
      const [a] = await bench.claim("w", 1);
      assert.equal(await oldest(bench), start + 10);
      await bench.claim("w", 1);
      assert.equal(await oldest(bench), null);
      assert.ok(a);
      await bench.settle(done(a));
      assert.equal(await oldest(bench), null);
    },
  ],
  [
    "a job that waits behind another task or a higher priority is not overlooked",
    async (bench) => {
      await bench.add({ id: "low", priority: -1 });
      bench.now = start + 5;
      await bench.add({ id: "high", priority: 1 }, { id: "other", task: "other" });
      assert.equal(await oldest(bench), start);
    },
  ],
  [
    "the wait begins when a job becomes ready: due, released, retried or revived; a paused queue has it, too",
    async (bench) => {
      await bench.add({ id: "due", dueAt: start + 20 }, { id: "above", dependsOn: ["due"] });
      assert.equal(await oldest(bench), null);
      bench.now = start + 25;
      await bench.store.tend(bench.now, 10);
      assert.equal(await oldest(bench), start + 25);
      const due = await bench.claimOne();
      bench.now = start + 30;
      await bench.settle({ id: due.id, fence: due.fence, kind: "released" });
      assert.equal(await oldest(bench), start + 30);
      const again = await bench.claimOne();
      await bench.settle(failed(again));
      assert.equal(await oldest(bench), null);
      bench.now = start + 40;
      await bench.store.retry({ ids: ["due"] }, bench.now);
      await bench.store.pause("queue", true);
      assert.equal(await oldest(bench), start + 40);
    },
  ],
  [
    "jobs that were cancelled or expired at the head of a line do not wait",
    async (bench) => {
      const cancelled = Array.from({ length: 150 }, (_, i) => `c${i}`);
      await bench.add(...cancelled.map((id) => ({ id })), { id: "late", expiresAt: start + 1 });
      bench.now = start + 7;
      await bench.add({ id: "last" });
      await bench.store.cancel({ ids: cancelled }, null, bench.now);
      await bench.store.tend(bench.now, 10);
      assert.equal(await oldest(bench), start + 7);
    },
  ],
  [
    "what stands first in its line can be looked at, without taking it",
    async (bench) => {
      const next = (...tasks: string[]): Promise<string | null> => bench.store.next(["nothing", "queue"], tasks);
      assert.equal(await next("task"), null);
      await bench.add({ id: "first" }, { id: "second" }, { id: "elsewhere", queue: "mail" }, { id: "other", task: "other" });
      assert.equal(await next("nobody's", "task"), "first");
      assert.equal(await next("other"), "other");
      assert.equal(await next("nobody's"), null);
      assert.equal((await bench.claim("w", 1))[0]?.id, "first");
      assert.equal(await next("task"), "second");
      await bench.store.pause("queue", true);
      assert.equal(await next("task"), null);
      await bench.store.pause("queue", false);
      const [second] = await bench.claim("w", 1);
      assert.equal(second?.id, "second");
      assert.equal(await next("task"), null);
      await bench.settle({ id: "second", fence: second.fence, kind: "released" });
      assert.equal(await next("task"), "second", "one that came back stands there, too");
    },
  ],
];
