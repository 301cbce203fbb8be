// The face that the three pools share: submit, map, starmap, close. What a call becomes is decided by the engine; a pool adds
// only its crew. A fleet's worker has a door of its own, `runAttempt`: one attempt of a task, without a policy.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { ClosedError, UsageError } from "../core/errors.ts";
import type { Inputs } from "../core/inputs.ts";
import { checkInputs } from "../core/inputs.ts";
import type { Runtime } from "../core/runtime.ts";
import { systemRuntime } from "../core/runtime.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { Call, CallArgs } from "../task/call.ts";
import { call, flatten, isCall, isGathering } from "../task/call.ts";
import { currentContext } from "../task/context.ts";
import type { GraphOptions } from "../task/inherit.ts";
import { checkGraphOptions, inheriting } from "../task/inherit.ts";
import { isWorker, unguardedEntry } from "../task/load.ts";
import type { AnyTask, Definition, Task } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";
import type { Answerer } from "./asked.ts";
import type { Crew } from "./crew.ts";
import { Engine } from "./engine.ts";
import type { AttemptTerms, Stopped } from "./entry.ts";
import type { Executor, MapOptions } from "./executor.ts";
import type { Future } from "./future.ts";
import { Graph } from "./graph.ts";
import { checkInput } from "./input.ts";
import { refuseLimited } from "./limited.ts";
import { packedText } from "./payload.ts";
import { Results } from "./results.ts";
import { Stream } from "./stream.ts";
import { Submitted } from "./submitted.ts";

/** Options that every pool has. */
export interface PoolOptions {
  /**
   * How long a task that was asked to stop, by a cancel or a time-out, may go on before it is ended. Default `"2s"`.
   */
  readonly grace?: Duration;
  /** Clock, timers, randomness and ids. Default: the real ones. For tests. */
  readonly runtime?: Runtime;
}

/** Inputs of a map taken ahead of the results consumed, unless it says otherwise. Workers rarely need more, and memory must not. */
const defaultWindow = 16_384;

let engineOf: (pool: Pool) => Engine;

/** What the three pools are. Not for use by itself. */
export abstract class Pool implements Executor {
  readonly #engine: Engine;
  readonly #kind: string;
  #closing: Promise<void> | undefined;

  static {
    engineOf = (pool) => pool.#engine;
  }

  constructor(kind: string, crew: Crew, options: PoolOptions) {
    this.#kind = kind;
    const graceMs = toMs(options.grace ?? "2s", `${kind} grace`);
    this.#engine = new Engine(crew, options.runtime ?? systemRuntime, graceMs, (asked) => this.submit(asked));
  }

  /** How many tasks it runs at a time, at most. */
  get size(): number {
    return this.#engine.crew.size;
  }

  submit<Result, Part>(call: Call<Result, Part>, options?: GraphOptions): Future<Result, Part>;
  submit<Args extends readonly unknown[], Result, Part>(
    task: Task<Args, Result, AsyncGenerator<Part, Result, unknown>>,
    ...args: CallArgs<Args>
  ): Future<Result, Part>;
  submit<Args extends readonly unknown[], Result>(task: Task<Args, Result>, ...args: CallArgs<Args>): Future<Result, never>;
  /**
   * Runs a call; calls nested in its arguments run first, each once. Throws at once: UsageError for what is not a task or cannot
   * be imported by workers, CodecError with the path of an argument that cannot be sent, ClosedError after `close()`.
   */
  submit(what: Call<unknown> | AnyTask, ...args: unknown[]): Future<unknown> {
    this.#checkOpen("submit()");
    const engine = this.#engine;
    engine.submitting();
    if (!isCall(what)) {
      const definition = this.#definitionOf(what);
      const entry = new Submitted(engine, definition);
      if (!definition.options.input && engine.intake.setFlatArgs(entry, args)) return submitted(engine, entry);
    }
    const asked = isCall(what) ? what : call(what as Task<unknown[], unknown>, ...args);
    const heirOf = inheriting(isCall(what) ? optionsOf(what, args) : {}, "submit()");
    const nodes = flatten(asked);
    const [only] = nodes.length === 1 && !isGathering(asked) ? nodes : [];
    if (only) {
      const definition = heirOf(this.#definitionOf(asked.task));
      const entry = new Submitted(engine, definition);
      engine.intake.setArgs(entry, checkInput(definition, only.args));
      return submitted(engine, entry);
    }
    for (const node of nodes) this.#definitionOf(node.call.task);
    const graph = new Graph(engine, nodes, heirOf);
    graph.start();
    return graph.future;
  }

  map<Input, Result>(
    task: Task<readonly [input: Input], Result>,
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options?: MapOptions,
  ): Results<Result>;
  /** Runs `task` over inputs of any number. Throws at once as `submit` does; an input that cannot be sent fails its element. */
  map(task: AnyTask, inputs: Inputs, options?: MapOptions): Results<unknown> {
    return this.#map("map()", task, inputs, options, false);
  }

  starmap<Args extends readonly unknown[], Result>(
    task: Task<Args, Result>,
    inputs: Iterable<Args> | AsyncIterable<Args>,
    options?: MapOptions,
  ): Results<Result>;
  /** As `map`, for a task of several parameters: each input is the list of its arguments. */
  starmap(task: AnyTask, inputs: Inputs, options?: MapOptions): Results<unknown> {
    return this.#map("starmap()", task, inputs, options, true);
  }

  /**
   * Waits for what was submitted, then ends every worker. Maps over arrays and maps that are awaited run to their end; a map over
   * other inputs, which might be endless, fails with a ClosedError. A second call gives the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#engine.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #map(what: string, task: AnyTask, inputs: Inputs, options: MapOptions | undefined, isTuple: boolean): Results<unknown> {
    this.#checkOpen(what);
    const where = `${this.#kind} ${what}`;
    checkOptions(options, ["window", "ordered"], where);
    const window = checkInteger(options?.window ?? defaultWindow, `${where} window`, 1);
    const definition = this.#definitionOf(task);
    const source = checkInputs(inputs, where);
    const engine = this.#engine;
    return new Results<unknown>({
      task: definition.name,
      ordered: options?.ordered ?? true,
      defer: (run) => engine.runtime.defer(run),
      produce: (sink) => new Stream(engine, { definition, inputs: source, window, isTuple }, sink),
    });
  }

  #definitionOf(task: AnyTask): Definition {
    const definition = definitionOf(task);
    refuseLimited(definition, this.#kind);
    return definition;
  }

  #checkOpen(what: string): void {
    if (isWorker() && !currentContext()) throw unguardedEntry(`${this.#kind} ${what}`);
    if (this.#closing) throw new ClosedError(`${what} was called after the ${this.#kind} had been closed. Make a new one.`);
  }
}

/** What is submitted with a call: options, and nothing else. */
function optionsOf({ task }: Call<unknown>, args: readonly unknown[]): GraphOptions {
  const [options = {}] = args;
  if (args.length > 1 || typeof options !== "object") {
    throw new UsageError(
      `submit() was given a call of task "${task.name}" and more arguments, which nobody would get. Give them to call(), or submit the task itself.`,
    );
  }
  return checkGraphOptions(options);
}

/** Sets an entry with its arguments on its way. */
function submitted(engine: Engine, entry: Submitted): Future<unknown> {
  const future = entry.makeFuture();
  engine.begin(entry, engine.nesting.caller());
  engine.start(entry);
  return future;
}

/** How one attempt is to be run. */
export interface AttemptOptions {
  /** The job's id, as `context().id` gives it. */
  readonly id: string;
  /** The number of the attempt, as `context().attempt` gives it. */
  readonly attempt: number;
  /** The longest it may take; the task's own `timeout` does not count. */
  readonly timeoutMs?: number | undefined;
  /** Give the result as the codec's text instead of as a value. */
  readonly asText?: boolean;
  readonly onProgress?: (fraction: number, note: string | undefined) => void;
  /** Told each line of `context().log()`. Default: standard error. */
  readonly onLog?: (message: string) => void;
  /** Answers what the task asks about its steps and children. Default: the pool. */
  readonly answerer?: Answerer;
}

/** An attempt under way. */
export interface RunningAttempt {
  /** Rejects with what the task threw, a TimeoutError, the reason of `stop` or `retract`, or, at the first death, a WorkerDiedError. */
  readonly result: Promise<unknown>;
  /** Stops it as a future's `cancel` does. `told` hears, when it has ended, how; before `result` rejects. */
  stop(reason: Error, told?: (how: Stopped) => void): void;
  /** Ends it, but only if the task has not begun. */
  retract(reason: Error): void;
}

/**
 * Runs one attempt of a task on a pool, for a caller that has a policy of its own: no retry, no second worker after a death,
 * no delay, expiry or input check. `args` is the list of arguments, or the codec's text of it.
 */
export function runAttempt(
  pool: Pool,
  task: AnyTask,
  args: readonly unknown[] | string,
  options: AttemptOptions,
): RunningAttempt {
  const engine = engineOf(pool);
  const { id, timeoutMs, asText = false, onProgress, onLog, answerer } = options;
  const terms: AttemptTerms = { id, timeoutMs, asText, onProgress, onLog, answerer };
  const entry = new Submitted(engine, definitionOf(task));
  entry.extra.terms = terms;
  entry.attempt = options.attempt;
  if (typeof args === "string") entry.setArgs(packedText(args));
  else engine.intake.setArgs(entry, args);
  const result = entry.makeFuture();
  engine.begin(entry, undefined);
  engine.start(entry);
  return {
    result,
    stop: (reason, told = () => undefined) => (entry.hasEnded ? undefined : engine.wishes.cancel(entry, reason, told)),
    retract: (reason) => (entry.hasEnded ? undefined : engine.wishes.drop([entry], reason)),
  };
}
