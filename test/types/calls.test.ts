// Type tests: this file is compiled by `npm run check:types` (and by the tests below); each @ts-expect-error is a claim that
// the line does not compile. The bodies never run.
import { test } from "node:test";
import { call, chain, chord, chunks, collect, group, skip, task } from "../../src/index.ts";
import type { Call, CallFailure, Executor, Future, Hands, Task } from "../../src/index.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : ["the types differ"]): void {}

const length = task("types.length", (text: string) => text.length);
const slow = task("types.slow", async (text: string, times?: number) => text.repeat(times ?? 1));
const total = task("types.total", (counts: number[]) => counts.reduce((a, b) => a + b, 0));
const nested = task("types.nested", (input: { readonly a: number; readonly list: readonly { readonly b: string }[] }) => input.a);

function calls(executor: Executor): void {
  same<ReturnType<typeof length>, number>();
  same<ReturnType<typeof slow>, Promise<string>>();
  const one = call(length, "x");
  same<typeof one, Call<number, never>>();
  same<ReturnType<typeof callSlow>, Call<string>>();
  call(total, [call(length, "a"), 2, call(length, "b")]);
  call(nested, { a: call(length, "a"), list: [{ b: call(slow, "b") }] });
  call(length, call(slow, "x", 2));
  // @ts-expect-error a number is no string
  call(length, 5);
  // @ts-expect-error the argument is missing
  call(length);
  // @ts-expect-error one argument too many
  call(length, "a", "b");
  // @ts-expect-error a call of the wrong type
  call(length, call(length, "a"));
  // @ts-expect-error a call of the wrong type deep inside
  call(total, [call(slow, "a")]);
  // @ts-expect-error not a task
  call((text: string) => text, "a");

  const future = executor.submit(slow, "x", 3);
  same<typeof future, Future<string, never>>();
  same<Awaited<typeof future>, string>();
  const ofCall = executor.submit(one);
  same<typeof ofCall, Future<number, never>>();
  // @ts-expect-error a wrong argument
  void executor.submit(slow, "x", "3");
  const mapped = executor.map(length, ["a", "b"]);
  same<Awaited<typeof mapped>, number[]>();
  // @ts-expect-error the inputs must be strings
  void executor.map(length, [1, 2]);
  const starred = executor.starmap(slow, [["a", 1] as const, ["b"] as const]);
  same<Awaited<typeof starred>, string[]>();
  // @ts-expect-error the tuple is of the wrong types
  void executor.starmap(slow, [[1, "a"] as const]);
}

function callSlow(): Call<string> {
  return call(slow, "a", 1);
}

const weigh = task("types.weigh", (outcomes: readonly PromiseSettledResult<number>[]) => outcomes.length);
const report = task(
  "types.report",
  (config: { readonly title: string }, outcomes: PromiseSettledResult<number>[]) => config.title + outcomes.length,
);
const heard = task("types.heard", (n: number) => void n);
const failedTask = task("types.failed", (failure: CallFailure) => void failure.job);
const wrong = task("types.wrong", (n: boolean) => void n);

function flows(hands: Hands, executor: Executor): void {
  const counts = ["a", "b"].map((text) => call(length, text));
  const both = group([call(length, "a"), call(slow, "b")]);
  same<typeof both, Call<[number, string]>>();
  const settled = group(counts, { failed: "collect" });
  same<typeof settled, Call<PromiseSettledResult<number>[]>>();
  const successes = skip([call(length, "a"), call(slow, "b")]);
  same<typeof successes, Call<(number | string)[]>>();
  call(total, group(counts));
  call(total, skip(counts));
  call(report, { title: "all" }, collect(counts));
  call(report, { title: call(slow, "a") }, collect(counts));
  // @ts-expect-error outcomes are no numbers
  call(total, collect(counts));
  // @ts-expect-error results are no outcomes
  call(report, { title: "all" }, skip(counts));
  // @ts-expect-error members of a wrong type
  call(total, group([call(slow, "a")]));
  // @ts-expect-error not a policy
  group(counts, { failed: "ignore" });
  // @ts-expect-error not a call
  group([5]);

  const joined = chord(counts, total);
  same<typeof joined, Call<number>>();
  chord(counts, weigh, { failed: "collect" });
  // @ts-expect-error the body takes outcomes
  chord(counts, weigh);
  // @ts-expect-error the body takes results
  chord(counts, total, { failed: "collect" });

  const last = chain(
    call(slow, "a"),
    length,
    task("types.half", (n: number) => n / 2 > 1),
  );
  same<typeof last, Call<boolean>>();
  // @ts-expect-error a number is no string
  chain(call(length, "a"), length);

  const all = chunks(length, ["a", "b"], 10);
  same<typeof all, Call<number[]>>();
  // @ts-expect-error inputs of a wrong type
  chunks(length, [1, 2], 10);

  void executor.submit(joined, { priority: 1, deadline: "5m" });
  void hands.submit(joined, { onDone: heard, onFailed: failedTask });
  void hands.submit(joined, { onDone: call(heard, 1) });
  // @ts-expect-error the callback takes something else
  void hands.submit(joined, { onDone: wrong });
  // @ts-expect-error the callback takes something else
  void hands.submit(joined, { onFailed: heard });
}

function options(): void {
  task("types.a", (n: number) => n, { retries: 3, timeout: "30s", unique: { key: (n) => n.toFixed() } });
  // @ts-expect-error an unknown option
  task("types.b", (n: number) => n, { retry: 3 });
  // @ts-expect-error not a duration
  task("types.c", (n: number) => n, { timeout: "30 parsecs" });
  // @ts-expect-error the key's parameter is a number
  task("types.d", (n: number) => n, { unique: { key: (n: string) => n } });
  const typed: Task<readonly [number], number> = task("types.e", (n: number) => n).with({ priority: 5 });
  void typed(3);
}

test("the type claims of this file compile", () => {
  // The proof is in the compiler: `npm run check:types`. Here only that the file loads.
  void [calls, flows, options];
});
