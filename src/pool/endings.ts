// The errors with which a pool ends calls: what failed, what was found, what to do.
import { CancelledError, ExpiredError, TimeoutError, WorkerDiedError } from "../core/errors.ts";
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

export function importTimedOut({ definition }: Entry, afterMs: number): TimeoutError {
  return new TimeoutError(
    `Task "${definition.name}" could not be run: importing ${imports(definition)} took longer than ${afterMs} ms. Look for a ` +
      'top-level "await" in it, or in what it imports, that does not settle; or give the task a longer "timeout".',
    afterMs,
  );
}

export function expired(entry: Entry, id: string): ExpiredError {
  const { expiresMs } = entry.definition.policy;
  return new ExpiredError(
    `${name(entry, id)} expired: it was not started within ${expiresMs} ms. Add workers, or give it a longer "expires" or "deadline".`,
  );
}

/** It was not done within its deadline; `cause` is why its last attempt failed, if it did. */
export function overdue(entry: Entry, id: string, cause: unknown): TimeoutError {
  const { deadlineMs = 0 } = entry.definition.policy;
  const last = cause instanceof Error ? ` Attempt ${entry.attempt} failed: ${cause.message}` : "";
  return new TimeoutError(
    `${name(entry, id)} was not done within its deadline of ${deadlineMs} ms.${last}`,
    deadlineMs,
    cause === undefined ? undefined : { cause },
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

function imports({ module }: Definition): string {
  return module ? showModule(module) : "its module";
}

/** It was running when its worker died, and that was once too often. */
export function died(entry: Entry, id: string, noun: Noun, death: Death): WorkerDiedError {
  const times = entry.crashes + 1;
  const ran = death.importing ? `imported ${imports(entry.definition)} for it` : "ran it";
  const again = times === 1 ? "" : ` This has happened ${times} times; the task's "crashes" allows no more.`;
  return error(`${name(entry, id)} failed: the ${noun} that ${ran} ${describe(death)}.${again}`, death);
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

/** What to do about a module whose import ends the worker. */
function importAdvice({ reason }: Death): string {
  switch (reason) {
    case "out-of-memory":
      return "Have the module load less when it is imported, or give the workers a larger heap (resourceLimits, or --max-old-space-size).";
    case "signal":
      return "Look for what ends it: the system when memory runs short, or native code that the module loads.";
    default:
      return "A module with tasks must not end the program when it is imported.";
  }
}

/** Workers die while they import its module, every time. */
export function importsDie(definition: Definition, noun: Noun, death: Death): WorkerDiedError {
  return error(
    `Task "${definition.name}" cannot run: each ${noun} that imported ${imports(definition)} died: it ${describe(death)}. ${importAdvice(death)}`,
    death,
  );
}

/** No worker can be started. */
export function startsDie({ name }: Definition, noun: Noun, death: Death): WorkerDiedError {
  const { cause } = death;
  const last = cause instanceof Error ? `The last attempt failed: ${cause.message}` : `The last one ${describe(death)}`;
  return error(
    `Task "${name}" cannot run: no ${noun} could be started. ${last}. Check the pool's options (execArgv, env, resourceLimits), what ` +
      "the program loads at its start (NODE_OPTIONS, --import), and the system's limits (open files, processes, memory).",
    death,
  );
}

/** Nobody can ask for it any more, because the call above it has failed. */
export function notNeeded(root: Entry): CancelledError {
  return new CancelledError(`Not started, because the call of task "${root.definition.name}" that needed it had failed.`);
}
