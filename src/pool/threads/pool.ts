// The pool of worker threads.
import type { ResourceLimits } from "node:worker_threads";
import { checkOptions } from "../../core/suggest.ts";
import { UsageError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import type { Size } from "../options.ts";
import { checkName, mergeEnv, resolveSize } from "../options.ts";
import type { PoolOptions } from "../pool.ts";
import { Pool } from "../pool.ts";
import { openThreads } from "./link.ts";

/** Options of a {@link ThreadPool}. */
export interface ThreadPoolOptions extends PoolOptions {
  /** How many threads. Default `"auto"`: the cores this program really has. More than cores is fine for tasks that wait. */
  readonly size?: Size;
  /**
   * Limits of each thread's heap, as `node:worker_threads` takes them. A thread whose heap grows beyond them dies alone where Node
   * can end it in time; where it cannot (one huge allocation), Node ends the whole program. A ProcessPool survives both.
   */
  readonly resourceLimits?: ResourceLimits;
  /** Environment variables added to this program's own; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A name for the threads in debuggers and profiles. */
  readonly name?: string;
}

const knownLimits = ["maxYoungGenerationSizeMb", "maxOldGenerationSizeMb", "codeRangeSizeMb", "stackSizeMb"] as const;

/** Node takes no notice of a limit that it does not know or that is no number. */
function checkLimits(limits: ResourceLimits | undefined): ResourceLimits | undefined {
  checkOptions(limits, knownLimits, "ThreadPool resourceLimits");
  for (const name of knownLimits) {
    const limit = limits?.[name];
    if (limit === undefined || (typeof limit === "number" && limit > 0 && limit < Infinity)) continue;
    throw new UsageError(`ThreadPool resourceLimits.${name} must be a number of MB above 0, found ${show(limit)}.`);
  }
  return limits;
}

/**
 * Runs tasks on threads of this process, for work that computes. Threads start when they are first needed, and idle ones do
 * not keep the program alive. A task that does not stop when asked is ended with its thread, which is replaced.
 *
 * @example
 * await using pool = new ThreadPool();
 * const numbers = await pool.map(fib, [27, 28, 29]);
 */
export class ThreadPool extends Pool {
  constructor(options: ThreadPoolOptions = {}) {
    checkOptions(options, ["size", "grace", "resourceLimits", "env", "name", "runtime"], "ThreadPool");
    const runtime = options.runtime ?? systemRuntime;
    const resourceLimits = checkLimits(options.resourceLimits);
    const terms = { resourceLimits, name: checkName(options.name, "ThreadPool"), env: mergeEnv(options.env, "ThreadPool") };
    const crew = {
      noun: "thread",
      crossing: "thread",
      imports: true,
      size: resolveSize(options.size, "ThreadPool"),
      open: (idPrefix: string) => openThreads(runtime, terms, idPrefix),
      overdue: "killed",
    } as const;
    super("ThreadPool", crew, options);
  }
}
