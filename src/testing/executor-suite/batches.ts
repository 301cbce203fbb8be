// Tasks that do many calls at once: what is gathered, and how each call ends.
import assert from "node:assert/strict";
import { CancelledError, TimeoutError } from "../../core/errors.ts";
import type { Future } from "../../pool/future.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import { together, waitTogether } from "./tasks.ts";

export const batches: readonly Case[] = [
  [
    "calls are run together, as many as the task takes; the last ones wait no longer than they may",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const inputs = Array.from({ length: 23 }, (_, i) => ({ file, text: `a${i}` }));
      const results = await executor.map(together, inputs);
      assert.deepEqual(
        results,
        inputs.map(({ text }) => text.toUpperCase()),
      );
      assert.deepEqual(bench.lines(file).toSorted(), ["10", "10", "3"]);
    },
  ],
  [
    "of a batch only the calls that failed are run again, and each has its own outcome",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const patient = together.with({ retries: 2, backoff: { initial: 1 }, batch: { size: 10, wait: "50ms" } });
      const texts = ["good", "bad", "flaky", "late"];
      const settled = await executor
        .map(
          patient,
          texts.map((text) => ({ file, text })),
        )
        .settled();
      assert.deepEqual(
        settled.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : (outcome.reason as Error).name)),
        ["GOOD", "RangeError", "FLAKY", "LATE"],
      );
      assert.equal(bench.lines(file)[0], "4");
    },
  ],
  [
    "an outcome that cannot be sent fails its own call alone",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const settled = await executor
        .map(together, [
          { file, text: "function" },
          { file, text: "fine" },
        ])
        .settled();
      assert.deepEqual(
        settled.map(({ status }) => status),
        ["rejected", "fulfilled"],
      );
    },
  ],
  [
    "a cancelled call of a batch ends, the others go on",
    async (bench) => {
      const executor = await bench.executor();
      const [file, release] = [bench.file(), bench.file()];
      const submit = (text: string): Future<string> => executor.submit(waitTogether, { file, release, text });
      const [one, two, three] = [submit("1"), submit("2"), submit("3")];
      const all = Promise.allSettled([one, two, three]);
      await bench.untilLines(file, 1);
      await two.cancel();
      assert.ok((await failureOf(() => two)) instanceof CancelledError);
      bench.release(release);
      assert.deepEqual(await Promise.all([one, three]), ["1", "3"]);
      await all;
      assert.equal(bench.lines(file).length, 1);
    },
  ],
  [
    "a time-out is the batch's, and fails all its calls",
    async (bench) => {
      const executor = await bench.own();
      const [file, release] = [bench.file(), bench.file()];
      const hasty = waitTogether.with({ timeout: "100ms" });
      const futures = ["never", "1", "2"].map((text) => executor.submit(hasty, { file, release, text }));
      for (const { status, reason } of (await Promise.allSettled(futures)) as PromiseRejectedResult[]) {
        assert.equal(status, "rejected");
        assert.ok(reason instanceof TimeoutError, String(reason));
      }
    },
  ],
  [
    "calls that were with a worker that died are run by themselves",
    async (bench) => {
      const executor = await bench.own();
      const [file, release] = [bench.file(), bench.file()];
      bench.release(release);
      const futures = ["die", "1", "2"].map((text) =>
        executor.submit(waitTogether.with({ crashes: 1 }), { file, release, text }),
      );
      const settled = await Promise.allSettled(futures);
      assert.deepEqual(
        settled.map(({ status }) => status),
        ["rejected", "fulfilled", "fulfilled"],
      );
      assert.deepEqual(bench.lines(file).toSorted(), ["1", "2", "die", "die,1,2"]);
    },
  ],
];
