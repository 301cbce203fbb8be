// From what a user types, `path/to/tasks.ts#name`, to a task. Modules are imported by path from the current folder; Node runs
// TypeScript as it is. Every way this can go wrong ends in one line that names the file, the place in it and what to do.
import { readdirSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { UsageError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Middleware } from "../fleet/middleware/middleware.ts";
import type { Task } from "../task/task.ts";
import { isTask } from "../task/task.ts";
import type { Cli } from "./command.ts";
import { placeOf } from "./place.ts";

/** A task of any type, as it is exported by a module. */
export type LoadedTask = Task<readonly unknown[], unknown>;

/** A module of tasks. */
export interface TaskModule {
  /** Absolute path. */
  readonly path: string;
  readonly exports: object;
  /** The tasks it exports, by the name they are exported under. */
  readonly tasks: ReadonlyMap<string, LoadedTask>;
}

function nearbyFile(path: string): string {
  const folder = dirname(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return ` There is no folder ${folder} either.`;
  const names = readdirSync(folder).filter((name) => /\.[cm]?[jt]s$/.test(name));
  const bare = names.find((name) => name.replace(/\.[cm]?[jt]s$/, "") === basename(path));
  const hint = bare === undefined ? didYouMean(basename(path), names) : `Did you mean "${bare}"?`;
  return hint.startsWith("Did") ? ` ${hint}` : "";
}

function checkFile(given: string): string {
  const path = given.startsWith("file:") ? fileURLToPath(given) : resolve(given);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new UsageError(`There is no module "${given}" (looked at ${path}).${nearbyFile(path)}`);
  if (!found.isFile())
    throw new UsageError(`"${given}" is not a file. Give the module that defines the task, such as "tasks.ts".`);
  return path;
}

function importFailed(given: string, thrown: unknown): UsageError {
  if (!(thrown instanceof Error)) return new UsageError(`"${given}" could not be imported: it threw ${String(thrown)}.`);
  const reason = thrown.message.trim().replaceAll(/\s*\n\s*/g, " ");
  const hint = /Cannot find package 'manyhands'/.test(reason) ? ". Install it beside the module: npm install manyhands." : "";
  return new UsageError(`"${given}" could not be imported: ${thrown.name}${placeOf(thrown)}: ${reason}${hint}`, {
    cause: thrown,
  });
}

/** A job names its task by name alone. */
function checkNames(given: string, tasks: Iterable<LoadedTask>): void {
  const seen = new Set<string>();
  for (const { name } of tasks) {
    if (seen.has(name))
      throw new UsageError(`"${given}" has two tasks with the name "${name}". Give each task a name of its own.`);
    seen.add(name);
  }
}

/** After so long something is said of an import, which may never end. */
const slowImportMs = 3000;

/** What is needed to say so. */
export type Telling = Pick<Cli, "output" | "runtime">;

async function importFile({ output, runtime }: Telling, given: string): Promise<Pick<TaskModule, "path" | "exports">> {
  const path = checkFile(given);
  const slow = runtime.after(slowImportMs, () =>
    output.warn(
      `"${given}" has not finished loading: a top-level await, in it or in a module it imports, still waits. Ctrl-C ends the command.`,
    ),
  );
  try {
    return { path, exports: (await import(pathToFileURL(path).href)) as object };
  } catch (error) {
    throw importFailed(given, error);
  } finally {
    slow.cancel();
  }
}

/** Imports the list of middleware that a module exports as `use`. Rejects with UsageError when there is none. */
export async function loadUse(telling: Telling, given: string): Promise<readonly Middleware[]> {
  const { exports } = await importFile(telling, given);
  const { use } = exports as { readonly use?: readonly Middleware[] };
  if (use !== undefined) return use;
  throw new UsageError(`"${given}" exports no middleware. Export the list: export const use = [encryption({ ... })].`);
}

/** Imports a module of tasks. Rejects with UsageError when there is none, it cannot be imported, or it exports no task. */
export async function loadModule(telling: Telling, given: string): Promise<TaskModule> {
  const { path, exports } = await importFile(telling, given);
  const tasks = new Map<string, LoadedTask>();
  for (const [name, value] of Object.entries(exports)) if (isTask(value)) tasks.set(name, value as LoadedTask);
  checkNames(given, new Set(tasks.values()));
  if (tasks.size > 0) return { path, exports, tasks };
  throw new UsageError(`"${given}" exports no tasks. Define one with: export const name = task("name", fn).`);
}

/** Imports the module and finds the task in `module#task`, by its name or by the name it is exported under. */
export async function loadTask(telling: Telling, given: string): Promise<{ readonly path: string; readonly task: LoadedTask }> {
  const at = given.lastIndexOf("#");
  const { path, tasks } = await loadModule(telling, at < 0 ? given : given.slice(0, at));
  const names = [...tasks.values()].map(({ name }) => name);
  if (at < 0) throw new UsageError(`Which task of "${given}"? Say "${given}#name". It has: ${names.join(", ")}.`);
  const wanted = given.slice(at + 1);
  const task = [...tasks.values()].find(({ name }) => name === wanted) ?? tasks.get(wanted);
  if (task) return { path, task };
  throw new UsageError(`"${given.slice(0, at)}" has no task "${wanted}". ${didYouMean(wanted, names)}`);
}
