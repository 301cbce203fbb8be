// The tasks a worker knows, from what its user passed: tasks, modules, or promises of modules. A module counts with every task
// that was defined in it, exported or not, since a graph may name tasks that stay private to their module.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import type { AnyTask, Definition } from "../task/task.ts";
import { definedTasks, definitionOf, isTask } from "../task/task.ts";

/**
 * A task, a module of tasks (`import * as tasks`), or the promise of one (`import("./tasks.ts")`). The file that calls `work()` gives its own tasks
 * as they are: an `import()` of itself, while it awaits a job at its top level, would wait for it, and it for the job, for ever.
 */
export type TaskSource = AnyTask | object | Promise<object>;

function tasksOfModule(module: object): Definition[] {
  const found = Object.values(module).filter(isTask).map(definitionOf);
  const modules = new Set(found.map((definition) => definition.module).filter((url) => url !== undefined));
  for (const definition of definedTasks().values()) {
    if (definition.module !== undefined && modules.has(definition.module)) found.push(definition);
  }
  return found;
}

/** The tasks by name. Without sources: every task this program has defined so far. Rejects with UsageError when there is none. */
export async function roster(sources: readonly TaskSource[] | undefined): Promise<ReadonlyMap<string, Definition>> {
  const found = new Map<string, Definition>();
  if (sources === undefined) for (const definition of definedTasks().values()) found.set(definition.name, definition);
  for (const source of sources ?? []) {
    const resolved: unknown = await source;
    if ((typeof resolved !== "object" && typeof resolved !== "function") || resolved === null) {
      throw new UsageError(`A worker takes tasks and modules of tasks, found ${show(resolved)}.`);
    }
    const definitions = isTask(resolved) ? [definitionOf(resolved)] : tasksOfModule(resolved);
    if (definitions.length === 0) {
      throw new UsageError(`A worker was given a module without tasks. Define some with task("name", fn) and export them.`);
    }
    for (const definition of definitions) found.set(definition.name, definition);
  }
  if (found.size > 0) return found;
  throw new UsageError(
    'A worker needs tasks: pass { tasks: [import("./tasks.ts")] }, or import the modules that define them first.',
  );
}
