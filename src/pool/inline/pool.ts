// The pool without workers: tasks run on this event loop, many at a time as far as they wait for something.
import { checkInteger, checkOptions } from "../../core/suggest.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { PoolOptions } from "../pool.ts";
import { Pool } from "../pool.ts";
import { openInline } from "./link.ts";

/** Options of an {@link InlinePool}. */
export interface InlinePoolOptions extends PoolOptions {
  /** How many tasks may be under way at a time. Default 64. */
  readonly concurrency?: number;
}

/**
 * Runs tasks on this very event loop: for tests, for small work, and for tasks that mostly wait. Values are copied as for a thread.
 * It is the one pool that cannot stop a task: a busy loop blocks the program, and a task that ignores its signal is abandoned
 * after the grace period, counted as `requested` in receipts. `process.exit()` in a task ends the program.
 */
export class InlinePool extends Pool {
  constructor(options: InlinePoolOptions = {}) {
    checkOptions(options, ["concurrency", "grace", "runtime"], "InlinePool");
    const runtime = options.runtime ?? systemRuntime;
    const crew = {
      noun: "event loop",
      crossing: "thread",
      imports: false,
      size: checkInteger(options.concurrency ?? 64, "InlinePool concurrency", 1),
      open: (idPrefix: string) => openInline(runtime, idPrefix, () => this),
      overdue: "abandoned",
    } as const;
    super("InlinePool", crew, options);
  }
}
