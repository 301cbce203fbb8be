// Graphs by their other names, members that may fail, and what a submit says for a whole graph.
import assert from "node:assert/strict";
import { DependencyFailedError, ExpiredError, TimeoutError, UsageError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { Call } from "../../task/call.ts";
import { call } from "../../task/call.ts";
import { chain, chord, chunks, collect, group, skip } from "../../task/flow.ts";
import type { Case } from "./bench.ts";
import { failureOf } from "./bench.ts";
import {
  add,
  checked,
  double,
  echo,
  first,
  flaky,
  gathering,
  never,
  note,
  rejecting,
  sum,
  throwing,
  waitFor,
  whoRan,
} from "./tasks.ts";

const bad = (): Call<number> => call(throwing, "error");
const oneBad = (): Call<number>[] => [call(double, 1), bad(), call(double, 3)];

/** Outcomes as texts, so that they can be compared. */
function told(outcomes: readonly PromiseSettledResult<unknown>[]): string[] {
  return outcomes.map((each) =>
    each.status === "fulfilled" ? `= ${String(each.value)}` : `${(each.reason as Error).name}: ${(each.reason as Error).message}`,
  );
}

const shapes: readonly Case[] = [
  [
    "a chain gives each task the result of the one before it",
    async (bench) => {
      const executor = await bench.executor();
      assert.equal(await executor.submit(chain(call(add, 1, 2), double, double, double)), 24);
      assert.equal(await executor.submit(chain(call(add, 1, 2))), 3);
      assert.equal(await executor.submit(chain(group([call(double, 1), call(double, 2)]), sum, double)), 12);
    },
  ],
  [
    "a group gives the list of its members' results, by itself and as an argument",
    async (bench) => {
      const executor = await bench.executor();
      const members = (): Call<number>[] => [call(double, 1), call(double, 2)];
      assert.deepEqual(await executor.submit(group(members())), [2, 4]);
      assert.equal(await executor.submit(sum, group(members())), 6);
      assert.deepEqual(await executor.submit(group([group(members()), call(double, 3)])), [[2, 4], 6]);
      assert.deepEqual(await executor.submit(echo, { deep: [group(members()), group([])] }), { deep: [[2, 4], []] });
      const shared = call(double, 5);
      assert.deepEqual(await executor.submit(group([shared, shared, call(add, shared, 1)])), [10, 10, 11]);
    },
  ],
  [
    "a chord's body gets its members' results",
    async (bench) => {
      const executor = await bench.executor();
      assert.equal(await executor.submit(chord([call(double, 1), call(double, 2)], sum)), 6);
      assert.equal(await executor.submit(chord([], sum)), 0);
    },
  ],
  [
    "chunks run many inputs in one job, and give all results in order",
    async (bench) => {
      const executor = await bench.executor();
      const ran = await executor.submit(chunks(whoRan, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4));
      assert.deepEqual(
        ran.map(({ n }) => n),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      const ids = ran.map(({ id }) => id);
      assert.equal(new Set(ids).size, 3);
      assert.equal(new Set(ids.slice(0, 4)).size, 1);
      assert.equal(await executor.submit(sum, chunks(double, new Set([1, 2, 3]), 2)), 12);
      assert.deepEqual(await executor.submit(chunks(double, [1, 2], 100)), [2, 4]);
      assert.equal(await executor.submit(call(sum, chunks(double, [], 10))), 0);
    },
  ],
  [
    "a chunk checks each of its inputs and results",
    async (bench) => {
      const executor = await bench.executor();
      assert.deepEqual(await executor.submit(chunks(checked, [1.7, 2.2], 2)), [10.5, 20.5]);
      const input = await failureOf(() => executor.submit(chunks(checked, [1, "2" as unknown as number], 2)));
      assert.ok(input instanceof UsageError);
      assert.match(input.message, /input of task "suite\.checked each" does not fit its schema: 1\.n: no number/);
      const error = (await failureOf(() => executor.submit(chunks(checked, [1, 20], 2)))) as Error;
      assert.match(String(error.cause), /result of task "suite\.checked" does not fit its schema/);
    },
  ],
];

const children: readonly Case[] = [
  [
    "a running task submits groups, chunks and deadlines as any program does",
    async (bench) => {
      const executor = await bench.executor();
      const { late, ...gathered } = await executor.submit(gathering, bench.file());
      assert.deepEqual(gathered, {
        sum: 8,
        statuses: ["fulfilled", "rejected", "fulfilled"],
        chunks: 12,
        nested: [[2], []],
      });
      assert.match(String(late), /deadline/);
    },
  ],
];

const failures: readonly Case[] = [
  [
    "a join fails with the way down to the member that failed",
    async (bench) => {
      const executor = await bench.executor();
      const graph = call(first, chord([call(double, 1), call(add, bad(), 1), call(double, 3)], sum), 1);
      const error = await failureOf(() => executor.submit(graph));
      assert.ok(error instanceof DependencyFailedError);
      assert.deepEqual(error.path, ["suite.first", "suite.sum", "suite.add", "suite.throwing"]);
      assert.match(error.message, /suite\.first > suite\.sum > suite\.add > suite\.throwing\): out of range/);
      assert.match(error.jobId, /\w/);
      assert.ok(error.cause instanceof RangeError);
      const own = await failureOf(() => executor.submit(group(oneBad())));
      assert.ok(own instanceof DependencyFailedError);
      assert.deepEqual(own.path, ["manyhands.group", "suite.throwing"]);
    },
  ],
  [
    "the way down is one of several, where there are several",
    async (bench) => {
      const executor = await bench.executor();
      const shared = bad();
      const error = await failureOf(() => executor.submit(call(add, call(double, shared), call(echo, shared) as Call<number>)));
      assert.ok(error instanceof DependencyFailedError);
      assert.equal(error.path.length, 3);
      assert.equal(error.path[0], "suite.add");
      assert.match(String(error.path[1]), /^suite\.(double|echo)$/);
      assert.equal(error.path[2], "suite.throwing");
    },
  ],
  [
    "collect gives every outcome, as Promise.allSettled does",
    async (bench) => {
      const executor = await bench.executor();
      const outcomes = await executor.submit(group(oneBad(), { failed: "collect" }));
      assert.deepEqual(told(outcomes), ["= 2", "RangeError: out of range", "= 6"]);
      const { reason } = outcomes[1] as PromiseRejectedResult;
      assert.ok(reason instanceof RangeError);
      assert.equal((reason as unknown as { readonly limit: bigint }).limit, 7n);
      assert.ok(reason.cause instanceof TypeError);
      const inside = await executor.submit(echo, { config: 1, results: collect(oneBad()) });
      const { config, results } = inside as { config: number; results: PromiseSettledResult<number>[] };
      assert.equal(config, 1);
      assert.deepEqual(told(results), told(outcomes));
    },
  ],
  [
    "skip gives the successes alone",
    async (bench) => {
      const executor = await bench.executor();
      assert.deepEqual(await executor.submit(group(oneBad(), { failed: "skip" })), [2, 6]);
      assert.equal(await executor.submit(chord(oneBad(), sum, { failed: "skip" })), 8);
      assert.equal(await executor.submit(add, call(sum, skip(oneBad())), call(double, 1)), 10);
      assert.deepEqual(await executor.submit(echo, skip([bad()])), []);
    },
  ],
  [
    "however a member ends, its join is not left waiting",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const [file, release] = [bench.file(), bench.file()];
      const blocker = executor.submit(waitFor, release, 1);
      await bench.until("it has started", () => blocker.state === "running");
      const members = [
        call(rejecting, "later"),
        call(double.with({ expires: 20 }), 1),
        call(add, bad(), 1),
        call(never.with({ timeout: 50 }), file) as unknown as Call<number>,
        call(double, 4),
      ];
      const joined = executor.submit(group(members, { failed: "collect" }));
      const begun = systemRuntime.elapsed();
      await bench.until("one has expired", () => systemRuntime.elapsed() - begun > 40);
      bench.release(release);
      const names = told(await joined).map((line) => line.replace(/:.*$/s, ""));
      assert.deepEqual(names, ["Error", "ExpiredError", "DependencyFailedError", "TimeoutError", "= 8"]);
      const { reason } = (await joined)[2] as PromiseRejectedResult;
      assert.ok(reason instanceof DependencyFailedError);
      assert.deepEqual(reason.path, ["suite.add", "suite.throwing"]);
      assert.ok(reason.cause instanceof RangeError);
      assert.equal(await blocker, 1);
    },
  ],
  [
    "a member that one join needs and another tolerates runs once, and fails the one",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const shared = call(flaky, file, 9);
      const both = group([call(echo, collect([shared])), call(first, shared, 1)], { failed: "collect" });
      const [tolerant, strict] = await executor.submit(both);
      assert.equal(tolerant.status, "fulfilled");
      assert.equal(strict.status, "rejected");
      assert.deepEqual(bench.lines(file), ["1"]);
      const sure = await failureOf(() => executor.submit(first, collect([shared]), shared));
      assert.ok(sure instanceof DependencyFailedError);
    },
  ],
  [
    "a thousand members, half of them failing, join",
    async (bench) => {
      const executor = await bench.executor();
      const members = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? call(double, i) : call(rejecting, `no ${i}`)));
      assert.equal(await executor.submit(chord(members, sum, { failed: "skip" })), 499_000);
    },
  ],
];

const whole: readonly Case[] = [
  [
    "a submit's priority goes down to every call without one of its own",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const [file, release] = [bench.file(), bench.file()];
      const blocker = executor.submit(waitFor, release, 1);
      await bench.until("it has started", () => blocker.state === "running");
      const usual = executor.submit(note, file, "usual");
      const own = call(note.with({ priority: -1 }), file, "own");
      const urgent = executor.submit(call(first, call(note, file, "urgent"), own), { priority: 5 });
      await Promise.all([usual.submitted, urgent.submitted]);
      bench.release(release);
      await Promise.all([usual, urgent]);
      assert.deepEqual(bench.lines(file), ["urgent", "usual", "own"]);
    },
  ],
  [
    "a deadline stops what runs, and says so",
    async (bench) => {
      const executor = await bench.executor();
      // No worker need be started first.
      await executor.submit(double, 1);
      const future = executor.submit(never.with({ deadline: 500, retries: 5, backoff: { initial: 1 } }), bench.file());
      const error = await failureOf(() => future);
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /was not done within its deadline of 500 ms/);
      assert.equal(error.afterMs, 500);
      assert.equal(future.state, "failed");
    },
  ],
  [
    "no attempt begins after the deadline",
    async (bench) => {
      const executor = await bench.executor();
      const file = bench.file();
      const patient = flaky.with({ deadline: "30s", retries: 5, backoff: { initial: "40s", jitter: 0 } });
      const error = await failureOf(() => executor.submit(patient, file, 9));
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /deadline of 30000 ms\. Attempt 1 failed: attempt 1 fails/);
      assert.equal((error.cause as Error).message, "attempt 1 fails");
      assert.deepEqual(bench.lines(file), ["1"]);
    },
  ],
  [
    "what waits until its deadline expires, and a submit's deadline goes down",
    async (bench) => {
      const executor = await bench.own({ size: 1 });
      const [file, release] = [bench.file(), bench.file()];
      const blocker = executor.submit(waitFor, release, 1);
      await bench.until("it has started", () => blocker.state === "running");
      const late = executor.submit(double.with({ deadline: 30 }), 1);
      assert.ok((await failureOf(() => late)) instanceof ExpiredError);
      assert.equal(late.state, "expired");
      const members = [call(note, file, "late"), call(note.with({ deadline: "1h" }), file, "in time")];
      const body = call(echo.with({ deadline: "1h" }), collect(members)) as Call<PromiseSettledResult<string>[]>;
      const graph = executor.submit(body, { deadline: 30 });
      const begun = systemRuntime.elapsed();
      await bench.until("its time is over", () => systemRuntime.elapsed() - begun > 50);
      bench.release(release);
      assert.match(told(await graph).join("; "), /^ExpiredError: .*; = in time$/);
      assert.deepEqual(bench.lines(file), ["in time"]);
    },
  ],
];

export const flows: readonly Case[] = [...shapes, ...children, ...failures, ...whole];
