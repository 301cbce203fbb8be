// What a running task can ask: its id, its attempt, the signal that asks it to stop, and where to report progress.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Duration } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import type { SleepOptions, StepOptions, WaitOptions } from "./step-options.ts";

/** What a running task may ask and tell. Its parts may be taken out of it: `const { signal, progress } = context()`. */
export interface Context {
  /** The id of the job or future. */
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  /** In a job that a schedule made: the time of its tick, or when it was triggered. Its id begins with the schedule's name. */
  readonly scheduledFor: Date | undefined;
  /** 1 for the first attempt. Attempts given back at a shutdown are not counted. */
  readonly attempt: number;
  /** Aborts when the job is cancelled, its attempt times out or its worker stops; `signal.reason` is the error. */
  readonly signal: AbortSignal;
  /** Writes a line with the task's name and id to the program's standard error, wherever the task runs. */
  readonly log: (message: string) => void;
  /**
   * Runs `run` once and remembers what it gave (a copy), by name: when the job runs again, after a crash, a retry or a sleep, the step gives
   * that and does not run. With `undo` it is undone when the job fails for good or is cancelled, the last step first. Steps of
   * one name are told apart by their order. A pool remembers nothing: there a step runs each time. Rejects with what `run` throws,
   * CodecError for what cannot be stored, UsageError for a bad name. It costs a write to the store.
   */
  readonly step: <T>(name: string, run: () => T | PromiseLike<T>, options?: StepOptions<T>) => Promise<T>;
  /** Sleeps for a duration or until a time, over restarts, and holds no slot. Code outside steps runs again when the job goes on. */
  readonly sleep: (duration: Duration | Date, options?: SleepOptions) => Promise<void>;
  /**
   * Waits for `hands.signal(id, name, payload)` and gives the payload; the next call of the same name takes the next signal. Holds no
   * slot. Rejects with a TimeoutError after `timeout`. Fleet only: a pool has no signals and rejects with a UsageError.
   */
  readonly waitFor: (signal: string, options?: WaitOptions) => Promise<unknown>;
  /** Reports how far the task is, 0 to 1, with an optional note; shown by `future.progress` and the command line. */
  readonly progress: (fraction: number, note?: string) => void;
}

/**
 * What runs at the moment. A worker that runs a task many times in a row, which has ended at once each time, enters one frame for
 * all of them, because entering costs more than such a task. What such a task leaves behind (a timer, a promise nobody awaits)
 * finds no context there, for it has ended. A task that goes on later has a frame of its own, so that others do not find its
 * context; only one that goes on later for the first time, after runs that ended at once, still shares theirs.
 */
export interface Frame {
  current: Context | undefined;
}

// One storage for the process, whatever the number of copies of manyhands loaded: a worker of one copy runs tasks of another.
const storageKey = Symbol.for("manyhands.context");
const holder = globalThis as unknown as Record<symbol, AsyncLocalStorage<Frame> | undefined>;
const storage: AsyncLocalStorage<Frame> = (holder[storageKey] ??= new AsyncLocalStorage<Frame>());

/** The context of the running task. Throws {@link UsageError} outside a task. */
export function context(): Context {
  const current = currentContext();
  if (current) return current;
  throw new UsageError("context() was called outside a running task. It has a value only while an executor runs a task.");
}

/** The context of the running task, or undefined outside one. */
export function currentContext(): Context | undefined {
  return storage.getStore()?.current;
}

/** Why what a task took out of its context refuses it: its attempt has come to its end. */
export function hasEnded(what: string, { id, task }: Pick<Context, "id" | "task">): UsageError {
  return new UsageError(
    `context().${what}() was called when its task had ended (job ${id} of task "${task}"). Await in the task whatever it does.`,
  );
}

/** Runs `run` in a frame: what `frame.current` says is the context, also across awaits. */
export function withFrame<T>(frame: Frame, run: () => T): T {
  return storage.run(frame, run);
}

/** Throws {@link UsageError} for what is no fraction of progress. */
export function checkFraction(fraction: number): void {
  if (typeof fraction === "number" && fraction >= 0 && fraction <= 1) return;
  throw new UsageError(`context().progress() takes a fraction from 0 to 1, found ${show(fraction)}.`);
}
