// What a running task can ask: its id, its attempt, the signal that asks it to stop, and where to report progress.
import { AsyncLocalStorage } from "node:async_hooks";
import { UsageError } from "../core/errors.ts";

/** What a running task may ask and tell. */
export interface Context {
  /** The id of the job or future. */
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  /** 1 for the first attempt. Attempts given back at a shutdown are not counted. */
  readonly attempt: number;
  /** Aborts when the job is cancelled, its attempt times out or its worker stops; `signal.reason` is the error. */
  readonly signal: AbortSignal;
  /** Writes a line with the task's name and id to the program's standard error, wherever the task runs. */
  log(message: string): void;
  /** Reports how far the task is, 0 to 1, with an optional note; shown by `future.progress` and the command line. */
  progress(fraction: number, note?: string): void;
}

// One storage for the process, whatever the number of copies of manyhands loaded: a worker of one copy runs tasks of another.
const storageKey = Symbol.for("manyhands.context");
const holder = globalThis as unknown as Record<symbol, AsyncLocalStorage<Context> | undefined>;
const storage: AsyncLocalStorage<Context> = (holder[storageKey] ??= new AsyncLocalStorage<Context>());

/** The context of the running task. Throws {@link UsageError} outside a task. */
export function context(): Context {
  const current = storage.getStore();
  if (current) return current;
  throw new UsageError("context() was called outside a running task. It has a value only while an executor runs a task.");
}

/** The context of the running task, or undefined outside one. */
export function currentContext(): Context | undefined {
  return storage.getStore();
}

/** Runs `run` with `current` as its context, also across its awaits. */
export function withContext<T>(current: Context, run: () => T): T {
  return storage.run(current, run);
}
