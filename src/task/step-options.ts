// What a task says of its steps, and the checks of it.
import type { Duration } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkOptions } from "../core/suggest.ts";

/** How a step is done. */
export interface StepOptions<T> {
  /** Undoes the step when the job fails for good or is cancelled: the last step first. Called with what the step gave. */
  readonly undo?: (result: T) => unknown;
}

/** How a task sleeps. */
export interface SleepOptions {
  /** By which the sleep is known when the task runs again. Default: its duration. */
  readonly name?: string;
}

/** How a task waits for a signal. */
export interface WaitOptions {
  /** After this time the wait rejects with a TimeoutError. Default: it waits for ever. */
  readonly timeout?: Duration;
}

const longestName = 200;

/** The name of a step, of a wait or of a signal. Throws {@link UsageError} for what is none. */
export function checkName(name: unknown, what: string): string {
  if (typeof name === "string" && name !== "" && name.length <= longestName) return name.toWellFormed();
  throw new UsageError(`${what} takes a name of 1 to ${longestName} characters, found ${show(name)}.`);
}

/** Checks a step, and gives what undoes it. */
export function checkStep<T>(name: string, run: unknown, options: StepOptions<T> | undefined): StepOptions<T>["undo"] {
  const where = `context().step(${show(name)})`;
  if (name.startsWith("!"))
    throw new UsageError(`${where} begins with "!", as records do that are not the task's. Give it another name.`);
  if (typeof run !== "function") throw new UsageError(`${where} takes a function, found ${show(run)}.`);
  checkOptions(options, ["undo"], where);
  const undo = options?.undo;
  if (undo === undefined || typeof undo === "function") return undo;
  throw new UsageError(`${where} undo must be a function, found ${show(undo)}.`);
}

export function checkSleep(options: SleepOptions): void {
  checkOptions(options, ["name"], "context().sleep()");
}

export function checkWait(options: WaitOptions): void {
  checkOptions(options, ["timeout"], "context().waitFor()");
}
