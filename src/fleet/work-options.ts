// How a worker is asked to work, and what is made of that.
import { toMs } from "../core/durations.ts";
import type { Duration } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { Labels } from "../task/requires.ts";
import { checkLabels } from "../task/requires.ts";
import type { QueueChoice } from "./queue-choice.ts";
import { queueEntries } from "./queue-choice.ts";
import type { TaskSource } from "./roster.ts";
import type { WorkerEvent } from "./worker-event.ts";

/** How a worker works. */
export interface WorkOptions {
  /** Tasks, modules of tasks, or promises of modules. Default: every task this program has defined. */
  readonly tasks?: readonly TaskSource[];
  /**
   * The queues to take from: names, and patterns such as `"mail-*"`; or the weight of each, `{ "mail-*": 3, default: 1 }`, by which room is
   * divided among those that have work (queues of one pattern share its part). Queues that fit a pattern are found within half a second of their
   * first job. Default: those its tasks name.
   */
  readonly queues?: QueueChoice;
  /** What this worker has, for tasks with `requires`: `{ gpu: true, memory: "16GiB", zone: "a" }`. Default: nothing. */
  readonly labels?: Labels;
  /** How many tasks at a time run on the event loop. Default 50. */
  readonly concurrency?: number;
  /** Threads for tasks with `on: "thread"`. Default: one a core. */
  readonly threads?: number | "auto";
  /** Processes for tasks with `on: "process"`. Default: one a core. */
  readonly processes?: number | "auto";
  /** How long after its last sign of life the worker's jobs are given to others. Default `"10s"`. */
  readonly lease?: Duration;
  /** How long running tasks may take to end after a stop or an abort. Default `"10s"` for a stop. */
  readonly grace?: Duration;
  /** Joins, but takes no jobs until `worker.resume()`. Default false. */
  readonly paused?: boolean;
  /**
   * Told what happens: attempts that end, lines that tasks log, troubles with the lease, the store or a schedule. Default: lines and warnings
   * go to standard error.
   */
  readonly report?: (event: WorkerEvent) => void;
}

/** The options with their defaults. */
export interface WorkTerms {
  readonly leaseMs: number;
  /** Of a stop. */
  readonly graceMs: number;
  readonly concurrency: number;
  readonly labels: Labels;
  readonly isPaused: boolean;
}

const optionNames = ["tasks", "queues", "labels", "concurrency", "threads", "processes", "lease", "grace", "paused", "report"];

/** What the options mean. Throws UsageError for what cannot be meant. */
export function workTerms(options: WorkOptions): WorkTerms {
  checkOptions(options, optionNames, "work()");
  const leaseMs = toMs(options.lease ?? "10s", "work() lease");
  const graceMs = toMs(options.grace ?? "10s", "work() grace");
  const concurrency = checkInteger(options.concurrency ?? 50, "work() concurrency", 1);
  if (leaseMs < 100) throw new UsageError(`work() lease must be at least 100 ms, found ${leaseMs} ms.`);
  if (options.tasks !== undefined && !Array.isArray(options.tasks)) {
    throw new UsageError(`work() tasks must be a list, found ${show(options.tasks)}.`);
  }
  if (options.queues !== undefined) queueEntries(options.queues);
  const labels = checkLabels(options.labels, "work() labels");
  const isPaused = options.paused ?? false;
  if (typeof isPaused !== "boolean") throw new UsageError(`work() paused is true or false, found ${show(isPaused)}.`);
  if (options.report !== undefined && typeof options.report !== "function") {
    throw new UsageError(`work() report must be a function of an event, found ${show(options.report)}.`);
  }
  return { leaseMs, graceMs, concurrency, labels, isPaused };
}
