// The errors with which a pool ends calls: what failed, what was found, what to do.
import { CancelledError, DependencyFailedError, ExpiredError, TimeoutError, WorkerDiedError } from "../core/errors.ts";
import { showModule } from "../task/load.ts";
import type { Definition } from "../task/task.ts";
import type { Entry } from "./entry.ts";
import type { Death } from "./link.ts";

/** How a pool's workers are called in messages. */
export type Noun = "thread" | "process" | "event loop";

function name(entry: Entry, id: string): string {
  return `Task "${entry.definition.name}" (${id})`;
}

export function cancelled(entry: Entry, id: string, reason: string | undefined): CancelledError {
  return new CancelledError(`${name(entry, id)} was cancelled${reason ? `: ${reason}` : "."}`, reason);
}

export function timedOut(entry: Entry, id: string, afterMs: number): TimeoutError {
  return new TimeoutError(
    `${name(entry, id)} ran longer than its timeout of ${afterMs} ms in attempt ${entry.attempt}.`,
    afterMs,
  );
}

export function expired(entry: Entry, id: string): ExpiredError {
  const { expiresMs } = entry.definition.policy;
  return new ExpiredError(
    `${name(entry, id)} expired: it was not started within ${expiresMs} ms. Add workers, or give it a longer "expires".`,
  );
}

export function dependencyFailed(entry: Entry, id: string, dependency: Entry, cause: unknown): DependencyFailedError {
  const why = cause instanceof Error ? `: ${cause.message}` : ".";
  return new DependencyFailedError(
    `${name(entry, id)} could not run because task "${dependency.definition.name}", which it depends on, did not succeed${why}`,
    { cause },
  );
}

/** How a worker ended, phrased to follow "the thread that ran it". */
function describe({ reason, detail, cause }: Death): string {
  switch (reason) {
    case "out-of-memory":
      return "ran out of memory";
    case "signal":
      return `was ended by ${detail}`;
    case "exit":
      return `exited with code ${detail}`;
    case "uncaught":
      return `ended with an error that nothing caught: ${cause instanceof Error ? cause.message : String(detail)}`;
    case "lease-lost":
      return "was lost";
  }
}

function error(message: string, { reason, detail, cause }: Death): WorkerDiedError {
  return new WorkerDiedError(message, reason, detail, cause === undefined ? undefined : { cause });
}

/** It was running when its worker died, for the `entry.crashes + 1`th time. */
export function died(entry: Entry, id: string, noun: Noun, death: Death): WorkerDiedError {
  const times = entry.crashes + 1;
  const again = times === 1 ? "" : ` This was the ${times}th ${noun} it was given to; the task's "crashes" allows no more.`;
  return error(`${name(entry, id)} failed: the ${noun} that ran it ${describe(death)}.${again}`, death);
}

/** Its arguments were moved to a worker that died with them. */
export function spent(entry: Entry, id: string, noun: Noun, death: Death | undefined): WorkerDiedError {
  const how = death ? describe(death) : "was ended";
  return error(
    `${name(entry, id)} failed: the ${noun} that had its arguments ${how}, and they were moved there with transfer(), so it ` +
      "cannot run again. Send a copy where a task must survive the death of its worker.",
    death ?? { reason: "signal", detail: undefined, cause: undefined, begun: undefined, importing: false },
  );
}

/** Workers die while they import its module, every time. */
export function importsDie({ name, module }: Definition, noun: Noun, death: Death): WorkerDiedError {
  return error(
    `Task "${name}" cannot run: each ${noun} that imported ${module ? showModule(module) : "its module"} died: it ${describe(death)}. ` +
      "A module with tasks must not end the program when it is imported.",
    death,
  );
}

/** No worker can be started. */
export function startsDie({ name }: Definition, noun: Noun, death: Death): WorkerDiedError {
  return error(
    `Task "${name}" cannot run: no ${noun} could be started. The last one ${describe(death)}. Check the pool's options ` +
      "(execArgv, env, resourceLimits) and what the program loads at its start (NODE_OPTIONS, --import).",
    death,
  );
}

/** Nobody can ask for it any more, because the call above it has failed. */
export function notNeeded(root: Entry): CancelledError {
  return new CancelledError(`Not started, because the call of task "${root.definition.name}" that needed it had failed.`);
}
