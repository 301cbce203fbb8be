// Type tests: this file is compiled by `npm run check:types` (and by the tests below); each @ts-expect-error is a claim that
// the line does not compile. The bodies never run.
import { test } from "node:test";
import { call, task } from "../../src/index.ts";
import type { Call, Executor, Future, Task } from "../../src/index.ts";

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
  void [calls, options];
});
