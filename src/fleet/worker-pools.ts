// The pools of a worker, for tasks with `on: "thread"` and `on: "process"`. They are made when the first such task comes. A job's
// arguments go to the thread or process as the text in which they are stored, and its result comes back as such: the worker's
// own event loop neither reads nor writes them.
import { ClosedError, SuspendedError, WorkerDiedError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Answerer } from "../pool/asked.ts";
import type { Stopped } from "../pool/entry.ts";
import { resolveSize } from "../pool/options.ts";
import type { Pool } from "../pool/pool.ts";
import { runAttempt } from "../pool/pool.ts";
import { ProcessPool } from "../pool/processes/pool.ts";
import { ThreadPool } from "../pool/threads/pool.ts";
import type { AnyTask, Definition } from "../task/task.ts";
import { taskOf } from "../task/task.ts";
import type { Attempt, AttemptEnd, AttemptOptions } from "./attempt.ts";
import type { WorkOptions } from "./work-options.ts";

type PoolPlace = "thread" | "process";

const retracted = new ClosedError("The task had not begun and was taken back.");

function endOf(error: unknown, how: Stopped | undefined): AttemptEnd {
  if (error instanceof SuspendedError) return { kind: "suspended", suspension: error.suspension };
  if (error === retracted) return { kind: "retracted" };
  if (error instanceof WorkerDiedError) return { kind: "crashed", error };
  return { kind: "failed", error, overdue: how === "killed" ? how : undefined };
}

/** How a job's worker answers what its task asks from a thread or process. */
function answererOf(options: AttemptOptions): Answerer {
  const durable = (): AttemptOptions["durable"] => options.durable;
  return {
    isDurable: true,
    now: () => durable().now(),
    read: (prefix) => durable().read(prefix),
    write: (changes) => durable().write(changes),
    isLast: (error) => durable().isLast(error),
    changed: (gone, fresh) => durable().changed(gone, fresh),
    stopped: (error) => durable().stopped(error),
    submit: (call) => options.children.submit(call),
    part: (text) => options.part(text),
  };
}

/** The threads and processes of one worker. */
export class WorkerPools {
  readonly #sizes: Readonly<Record<PoolPlace, number>>;
  readonly #runtime: Runtime;
  readonly #graceMs: number;
  readonly #pools = new Map<PoolPlace, Pool>();
  readonly #tasks = new Map<Definition, AnyTask>();

  constructor(options: Pick<WorkOptions, "threads" | "processes">, runtime: Runtime, graceMs: number) {
    this.#sizes = {
      thread: resolveSize(options.threads, "work() threads"),
      process: resolveSize(options.processes, "work() processes"),
    };
    this.#runtime = runtime;
    this.#graceMs = graceMs;
  }

  /** How many tasks run at a time there. */
  size(place: PoolPlace): number {
    return this.#sizes[place];
  }

  /** Starts an attempt; `args` are the stored text, or the values where results of dependencies had to be filled in. */
  start(
    place: PoolPlace,
    definition: Definition,
    args: readonly unknown[] | string,
    options: AttemptOptions,
    end: (end: AttemptEnd) => void,
  ): Attempt {
    const { id, attempt, timeoutMs } = options;
    const terms = {
      id,
      attempt,
      timeoutMs,
      asText: true,
      onProgress: (fraction: number, note: string | undefined): void => options.progress(fraction, note),
      onLog: (message: string): void => options.log(message),
      answerer: answererOf(options),
    };
    const running = runAttempt(this.#pool(place), this.#task(definition), args, terms);
    let stopped: Stopped | undefined;
    running.result.then(
      (result) => end({ kind: "encoded", result: result as string }),
      (error: unknown) => end(endOf(error, stopped)),
    );
    const abort = (reason: Error): void => running.stop(reason, (how) => void (stopped = how));
    return { abort, abandon: abort, resumed: () => undefined, retract: () => running.retract(retracted) };
  }

  /** Ends the threads and processes; attempts under way must have been aborted. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #pool(place: PoolPlace): Pool {
    let pool = this.#pools.get(place);
    if (!pool) {
      const options = { size: this.#sizes[place], grace: this.#graceMs, runtime: this.#runtime };
      pool = place === "thread" ? new ThreadPool(options) : new ProcessPool(options);
      this.#pools.set(place, pool);
    }
    return pool;
  }

  #task(definition: Definition): AnyTask {
    let task = this.#tasks.get(definition);
    if (!task) this.#tasks.set(definition, (task = taskOf(definition)));
    return task;
  }
}
