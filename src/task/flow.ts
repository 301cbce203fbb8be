// Graphs by the names they have elsewhere (Celery's canvas). All of them are nested calls and nothing more: `chain` and `chord`
// are `call` written in another order; a group is the list of its members, and a job only where nothing takes it as an
// argument, so that someone has the list as its result.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { Call } from "./call.ts";
import { call, gatheringCall, isCall } from "./call.ts";
import { chunkOf } from "./chunk.ts";
import type { FailedPolicy } from "./gather.ts";
import { resolveOptions } from "./options.ts";
import type { AnyTask, Task } from "./task.ts";
import { definitionOf, taskOf } from "./task.ts";

/** What becomes of a group, and of what takes its results, when a member does not succeed. */
export interface GroupOptions<Failed extends FailedPolicy = FailedPolicy> {
  /**
   * `"fail"` (default): it fails at once with a DependencyFailedError that names the member, and what nobody else needs is not begun.
   * `"collect"`: it gets every outcome, as `Promise.allSettled` gives them. `"skip"`: it gets the successes alone, in their order.
   */
  readonly failed?: Failed;
}

/** The results of calls, in their order. */
export type ResultsOf<Calls extends readonly Call<unknown>[]> = {
  -readonly [K in keyof Calls]: Calls[K] extends Call<infer Result> ? Result : never;
};

/** The outcomes of calls, in their order. */
export type OutcomesOf<Calls extends readonly Call<unknown>[]> = {
  -readonly [K in keyof Calls]: Calls[K] extends Call<infer Result> ? PromiseSettledResult<Result> : never;
};

type Calls = readonly Call<unknown>[] | [];
type Member<List extends readonly Call<unknown>[]> = ResultsOf<List>[number];

/** What workers run where a group is a job: its results are its result. Every worker knows it; it has the queue of the first member. */
export const groupTask: AnyTask = taskOf({
  fn: (results) => results,
  many: undefined,
  name: "manyhands.group",
  options: {},
  policy: resolveOptions({}, "manyhands.group"),
  module: import.meta.url,
  place: undefined,
});

function checkCalls(calls: unknown, what: string): readonly Call<unknown>[] {
  if (!Array.isArray(calls)) throw new UsageError(`${what} takes a list of calls, found ${show(calls)}.`);
  const list: readonly unknown[] = calls;
  const wrong = list.findIndex((each) => !isCall(each));
  if (wrong < 0) return list as readonly Call<unknown>[];
  throw new UsageError(`${what} takes calls, found ${show(list[wrong])} at ${wrong}. Make calls with call(task, ...args).`);
}

/** Calls that run beside each other; gives the list of their results, in their order. */
export function group<List extends Calls>(calls: List, options?: GroupOptions<"fail">): Call<ResultsOf<List>>;
export function group<List extends Calls>(calls: List, options: GroupOptions<"collect">): Call<OutcomesOf<List>>;
export function group<List extends Calls>(calls: List, options: GroupOptions<"skip">): Call<Member<List>[]>;
export function group(calls: readonly Call<unknown>[], options: GroupOptions = {}): Call<unknown> {
  checkOptions(options, ["failed"], "group()");
  const { failed = "fail" } = options;
  if (!["fail", "collect", "skip"].includes(failed))
    throw new UsageError(`group() failed must be "fail", "collect" or "skip", found ${show(failed)}.`);
  return gatheringCall(groupTask, checkCalls(calls, "group()"), failed);
}

/**
 * The outcomes of calls, as `Promise.allSettled` gives them: for an argument whose task wants to know what failed, instead of failing.
 *
 * @example
 * const all = (paths: string[]) => call(report, collect(paths.map((path) => call(countWords, path))));
 */
export function collect<List extends Calls>(calls: List): Call<OutcomesOf<List>> {
  return gatheringCall(groupTask, checkCalls(calls, "collect()"), "collect") as Call<OutcomesOf<List>>;
}

/** The results of those calls that succeed, in their order: for an argument whose task can do without the others. */
export function skip<List extends Calls>(calls: List): Call<Member<List>[]> {
  return gatheringCall(groupTask, checkCalls(calls, "skip()"), "skip") as Call<Member<List>[]>;
}

/** Calls that run beside each other, and then `body` with the list of their results: `call(body, group(calls, options))`. */
export function chord<List extends Calls, Result>(
  calls: List,
  body: Task<readonly [results: ResultsOf<List>], Result>,
  options?: GroupOptions<"fail">,
): Call<Result>;
export function chord<List extends Calls, Result>(
  calls: List,
  body: Task<readonly [outcomes: OutcomesOf<List>], Result>,
  options: GroupOptions<"collect">,
): Call<Result>;
export function chord<List extends Calls, Result>(
  calls: List,
  body: Task<readonly [results: Member<List>[]], Result>,
  options: GroupOptions<"skip">,
): Call<Result>;
export function chord(calls: readonly Call<unknown>[], body: AnyTask, options: GroupOptions = {}): Call<unknown> {
  return call(body as Task<readonly [unknown], unknown>, group(calls, options as GroupOptions<"fail">));
}

type Step<From, To> = Task<readonly [result: From], To>;

/** One call after another: each task takes the result of the one before it. `chain(call(a, 1), b, c)` is `call(c, call(b, call(a, 1)))`. */
export function chain<A, B>(first: Call<A>, b: Step<A, B>): Call<B>;
export function chain<A, B, C>(first: Call<A>, b: Step<A, B>, c: Step<B, C>): Call<C>;
export function chain<A, B, C, D>(first: Call<A>, b: Step<A, B>, c: Step<B, C>, d: Step<C, D>): Call<D>;
export function chain<A, B, C, D, E>(first: Call<A>, b: Step<A, B>, c: Step<B, C>, d: Step<C, D>, e: Step<D, E>): Call<E>;
export function chain<A, B, C, D, E, F>(
  first: Call<A>,
  b: Step<A, B>,
  c: Step<B, C>,
  d: Step<C, D>,
  e: Step<D, E>,
  f: Step<E, F>,
): Call<F>;
export function chain<A>(first: Call<A>, ...tasks: Step<A, A>[]): Call<A>;
export function chain(first: Call<unknown>, ...tasks: AnyTask[]): Call<unknown> {
  if (!isCall(first))
    throw new UsageError(`chain() begins with a call, found ${show(first)}. Make one with call(task, ...args).`);
  return tasks.reduce((before: Call<unknown>, task) => call(task as Task<readonly [unknown], unknown>, before), first);
}

/**
 * The task over many inputs, `size` of them in one job, which runs it over one after another: a million tiny inputs are a thousand jobs
 * of a thousand. Gives all results, in the order of the inputs. The job is the unit of what the task's options say: one that fails is tried again
 * from its first input, and its timeout is for all its inputs. Throws UsageError for a task with `unique`, or a limit that goes by single calls (`rate`, `throttle`, `debounce`, a key that is a function).
 */
export function chunks<Input, Result>(
  task: Task<readonly [input: Input], Result>,
  inputs: Iterable<Input>,
  size: number,
): Call<Result[]> {
  checkInteger(size, "chunks() size", 1);
  const chunk = taskOf(chunkOf(definitionOf(task))) as Task<readonly [inputs: readonly unknown[]], Result[]>;
  const members: Call<Result[]>[] = [];
  let part: Input[] = [];
  for (const input of inputs) {
    if (part.push(input) < size) continue;
    members.push(call(chunk, part));
    part = [];
  }
  if (part.length > 0) members.push(call(chunk, part));
  return gatheringCall(groupTask, members, "flat") as Call<Result[]>;
}
