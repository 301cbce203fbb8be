// Loading tasks in workers: a worker imports the module that defines a task and finds the task by name. A module that
// starts work of its own while a worker loads it would start workers without end; `isWorker` lets executors refuse that.
import { fileURLToPath } from "node:url";
import { UsageError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { companionOf, companionSuffix } from "./batch.ts";
import { chunkOf, chunkSuffix } from "./chunk.ts";
import type { Definition } from "./task.ts";
import { definedTasks } from "./task.ts";

// What a worker does when work is started in it that no task started. One for the process or thread, whatever the number of
// copies of manyhands loaded; its presence is what makes a worker.
type OnUnguarded = (error: UsageError) => void;
const workerKey = Symbol.for("manyhands.worker");
const holder = globalThis as unknown as Record<symbol, OnUnguarded | undefined>;

/**
 * Marks this process or thread as a worker of a pool: from now on only running tasks may start work. `onUnguarded` is
 * told of any other attempt to start work, so that it is seen also where the program catches or drops the error.
 */
export function becomeWorker(onUnguarded: (error: UsageError) => void): void {
  holder[workerKey] = onUnguarded;
}

/** True in a thread or process of a pool. */
export function isWorker(): boolean {
  return holder[workerKey] !== undefined;
}

/** The module's name for people: a path where it is a file. */
export function showModule(url: string): string {
  return url.startsWith("file:") ? fileURLToPath(url.replace(/[?#].*$/, "")) : url;
}

/** The refusal of work started while a worker imports the module that starts it. The worker is told of it, too. */
export function unguardedEntry(what: string): UsageError {
  const error = new UsageError(
    `${what} was called in a worker, outside a running task: the worker imported the module that defines its task, and that module ` +
      "starts work of its own. Put the tasks in a module by themselves, or guard the program's start with `if (import.meta.main)`.",
  );
  holder[workerKey]?.(error);
  return error;
}

/** Throws unless a task of this module can be imported elsewhere. */
export function importableModule(definition: Definition): string {
  const { name, module } = definition;
  if (module && /^(file|data|https?):/.test(module)) return module;
  throw new UsageError(
    `Task "${name}" cannot run in another thread or process: it was defined in ${module ? `"${module}"` : "an unknown module"}, which no ` +
      "worker can import. Define it in a file of its own, or pass { module: import.meta.url } where it is bundled.",
  );
}

/**
 * Imports a module for what it does, not for what it exports: `import()` would take a module that exports a function named `then`
 * for a promise, and wait for it to settle. A module that only imports the other one has no exports.
 */
async function importModule(module: string): Promise<void> {
  await import(`data:text/javascript,${encodeURIComponent(`import ${JSON.stringify(module)};`)}`);
}

/** Imports `module` in this worker and returns the task's definition. Rejects with {@link UsageError} when it is not there. */
export async function loadTask(module: string, name: string): Promise<Definition> {
  if (name.endsWith(companionSuffix)) return companionOf(await loadTask(module, name.slice(0, -companionSuffix.length)));
  if (name.endsWith(chunkSuffix)) return chunkOf(await loadTask(module, name.slice(0, -chunkSuffix.length)));
  const known = definedTasks().get(name);
  if (known) return known;
  try {
    await importModule(module);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Task "${name}" cannot be loaded: importing ${showModule(module)} failed: ${why}`, { cause: error });
  }
  const found = definedTasks().get(name);
  if (found) return found;
  const others = definedTasks().size === 0 ? "It defines no task at all." : didYouMean(name, definedTasks().keys());
  throw new UsageError(
    `Task "${name}" is not defined by ${showModule(module)} when it is imported. Define it at the top level of the module, not inside a ` +
      `function or behind a condition. ${others}`,
  );
}
