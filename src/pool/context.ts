// What a running task gets from `context()`, with the verbs of the executor that runs it.
import type { Context } from "../task/context.ts";
import { context as anyContext } from "../task/context.ts";
import type { Executor } from "./executor.ts";

/** What a running task may ask and tell. Its parts may be taken out of it: `const { signal, submit } = context()`. */
export interface TaskContext extends Context {
  /**
   * Submits a child: a call that belongs to this job. While it is awaited the job is `waiting` and its slot is another's, so that tasks may
   * call themselves deeper than a worker has slots. An attempt that runs again finds the children it has submitted before:
   * those that are done are not run again, those that failed are retried. Cancelling the job cancels them. As `submit` of the
   * executor otherwise.
   */
  readonly submit: Executor["submit"];
  /** As `map` of the executor, with a child for each input. */
  readonly map: Executor["map"];
  /** As `starmap` of the executor, with a child for each input. */
  readonly starmap: Executor["starmap"];
}

/** The context of the running task. Throws {@link UsageError} outside a task. */
export const context: () => TaskContext = anyContext as () => TaskContext;
