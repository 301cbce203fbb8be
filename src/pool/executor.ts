// What every executor offers: submit, map, starmap, close. Pools and the fleet implement this one interface, and one
// conformance suite (`manyhands/testing`) holds them all to it.
import type { Call, CallArgs } from "../task/call.ts";
import type { GraphOptions } from "../task/inherit.ts";
import type { Task } from "../task/task.ts";
import type { Future } from "./future.ts";
import type { Results } from "./results.ts";

/** How `map` and `starmap` run. */
export interface MapOptions {
  /** How many inputs may be taken ahead of the results consumed; bounds the memory used. Default: chosen by the executor. */
  readonly window?: number;
  /** `true` (default): results in the order of the inputs. `false`: as they come. */
  readonly ordered?: boolean;
}

/** Runs calls. The same program gives the same results, errors, retries and time-outs on each executor. */
export interface Executor extends AsyncDisposable {
  /** Runs a call; nested calls run first, each once. What the options say goes down to them. */
  submit<Result, Part>(call: Call<Result, Part>, options?: GraphOptions): Future<Result, Part>;
  /** Runs a task that is an async generator: `future.stream()` gives what it yields. */
  submit<Args extends readonly unknown[], Result, Part>(
    task: Task<Args, Result, AsyncGenerator<Part, Result, unknown>>,
    ...args: CallArgs<Args>
  ): Future<Result, Part>;
  /** Runs `task` with these arguments, which may hold calls. */
  submit<Args extends readonly unknown[], Result>(task: Task<Args, Result>, ...args: CallArgs<Args>): Future<Result, never>;
  /** Runs a task of one parameter over any iterable. Await the results for an array, or iterate them with bounded memory. */
  map<Input, Result>(
    task: Task<readonly [input: Input], Result>,
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options?: MapOptions,
  ): Results<Result>;
  /** As `map`, for a task of several parameters: each input is the tuple of its arguments. */
  starmap<Args extends readonly unknown[], Result>(
    task: Task<Args, Result>,
    inputs: Iterable<Args> | AsyncIterable<Args>,
    options?: MapOptions,
  ): Results<Result>;
  /** Waits for what was submitted, then frees every thread, process and timer. A submit after this is a ClosedError. */
  close(): Promise<void>;
}
