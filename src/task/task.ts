// Defining tasks. A task is the plain function plus a name, options and the module it lives in; workers import that
// module and find the task by name in the registry this file keeps for the process (threads have one each).
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import type { ResultOf } from "./generator.ts";
import { definingModule } from "./module.ts";
import type { Policy, TaskOptions } from "./options.ts";
import { resolveOptions } from "./options.ts";

const brand = Symbol.for("manyhands.task");

/** What executors know of a task beyond its function. */
export interface Definition {
  readonly fn: (...args: readonly unknown[]) => unknown;
  /** Where many calls are done at once: the function of their inputs. */
  readonly many: ((inputs: readonly unknown[]) => unknown) | undefined;
  readonly name: string;
  readonly options: TaskOptions<never>;
  readonly policy: Policy;
  /** URL of the module that defines it; undefined where it could not be found out. */
  readonly module: string | undefined;
  /** `module:line`, for error messages. */
  readonly place: string | undefined;
  /** The task that this one runs over each of the inputs in its one argument; see `chunk.ts`. */
  readonly each?: Definition;
}

/**
 * A named, typed function that any executor can run. It is still the plain function: unit tests call it directly.
 * `Args` and `Result` are its parameters and its awaited result; the result of an async generator is what it returns, and what it yields is
 * read with `future.stream()`.
 */
export interface Task<Args extends readonly unknown[], Result, Returns = Result | Promise<Result>> {
  (...args: Args): Returns;
  readonly name: string;
  readonly options: TaskOptions<Args, Result>;
  /** A copy with other options; the task itself is unchanged. */
  with(options: TaskOptions<Args, Result>): Task<Args, Result, Returns>;
}

/** A task of any type, as executors handle it. */
export interface AnyTask {
  readonly name: string;
}

/** The task's definition. Throws {@link UsageError} for anything that is not a task. */
export function definitionOf(task: unknown): Definition {
  if (isTask(task)) return (task as unknown as Record<symbol, Definition>)[brand] as Definition;
  throw new UsageError(`Expected a task, found ${show(task)}. Define it with task("name", fn) and pass what that returns.`);
}

/** True for a value made by {@link task}, also by another copy of manyhands. */
export function isTask(value: unknown): value is AnyTask {
  return typeof value === "function" && brand in value;
}

// One registry for the process, whatever the number of copies of manyhands loaded.
const registryKey = Symbol.for("manyhands.tasks");
type Registry = Map<string, Definition>;
function registry(): Registry {
  const holder = globalThis as unknown as Record<symbol, Registry | undefined>;
  return (holder[registryKey] ??= new Map());
}

/** The tasks defined so far in this process or thread, by name. */
export function definedTasks(): ReadonlyMap<string, Definition> {
  return registry();
}

function withoutQuery(module: string | undefined): string | undefined {
  return module?.replace(/[?#].*$/, "");
}

function register(definition: Definition): void {
  const existing = registry().get(definition.name);
  // The same place again is a module loaded twice (hot reload, two copies in a test runner) or a task made in a function.
  const samePlace =
    existing !== undefined &&
    withoutQuery(existing.module) === withoutQuery(definition.module) &&
    existing.place === definition.place;
  if (existing && !samePlace) {
    throw new UsageError(
      `Two tasks are named "${definition.name}": one at ${existing.place ?? "an unknown place"}, one at ${definition.place ?? "an unknown place"}. ` +
        "A task is found by its name: rename one of them.",
    );
  }
  registry().set(definition.name, definition);
}

function checkName(name: unknown): asserts name is string {
  // oxlint-disable-next-line no-control-regex -- control characters are just what a name must not hold
  if (typeof name === "string" && name.length > 0 && name.length <= 200 && !/[\s#\u0000-\u001f\p{Surrogate}]/u.test(name)) return;
  throw new UsageError(`A task's name has 1 to 200 characters without spaces or "#", found ${show(name)}.`);
}

/** True for a `function*`: what it returns cannot be sent, and nothing of it has run by then. */
function isPlainGenerator(fn: unknown): boolean {
  return Object.prototype.toString.call(fn) === "[object GeneratorFunction]";
}

function make(definition: Definition): AnyTask {
  const { fn } = definition;
  const made = function (this: unknown, ...args: readonly unknown[]): unknown {
    return fn.apply(this, args as unknown[]);
  };
  Object.defineProperties(made, {
    name: { value: definition.name, configurable: true },
    length: { value: fn.length, configurable: true },
    options: { value: definition.options, enumerable: true },
    [brand]: { value: definition },
    with: {
      value: (options: TaskOptions<never>) => {
        const merged = Object.freeze({ ...definition.options, ...options });
        return make({ ...definition, options: merged, policy: policyOf(definition.name, merged, definition.many) });
      },
    },
  });
  return made;
}

/** A task of this definition; for executors that wrap what they run. It is not registered. */
export function taskOf(definition: Definition): AnyTask {
  return make(definition);
}

/**
 * Defines a task: a named function that runs the same on an InlinePool, a ThreadPool, a ProcessPool and a fleet.
 * Define tasks at the top level of a module that workers can import; the module is found by itself in plain Node.
 *
 * Throws {@link UsageError} at once for a bad name, an unknown or ill-typed option, or a name that another task has.
 *
 * @example
 * export const countWords = task("countWords", async (path: string) => (await readFile(path, "utf8")).split(/\s+/).length);
 */
export function task<Args extends readonly unknown[], Returns>(
  name: string,
  fn: (...args: Args) => Returns,
  options: TaskOptions<Args, ResultOf<Returns>> = {},
): Task<Args, ResultOf<Returns>, Returns> {
  return defineTask(name, fn as Definition["fn"], options, undefined) as unknown as Task<Args, ResultOf<Returns>, Returns>;
}

/** Defines a task; `many` where it does many calls at once. */
export function defineTask(name: string, fn: Definition["fn"], options: TaskOptions<never>, many: Definition["many"]): AnyTask {
  checkName(name);
  if (typeof fn !== "function") throw new UsageError(`Task "${name}" needs a function, found ${show(fn)}.`);
  if (isPlainGenerator(many ?? fn)) {
    const instead = many ? "a function or an async function that returns the list of results" : "async function*";
    throw new UsageError(`Task "${name}" is a generator (function*), which runs for whoever calls it. Write ${instead}.`);
  }
  const policy = policyOf(name, options, many);
  const found = definingModule();
  const definition: Definition = {
    fn,
    many,
    name,
    options: Object.freeze({ ...options }),
    policy,
    module: options.module ?? found?.url,
    place: found ? `${found.url}:${found.line}` : options.module,
  };
  register(definition);
  return make(definition);
}

function policyOf(name: string, options: TaskOptions<never>, many: Definition["many"]): Policy {
  const policy = resolveOptions(options, `Task "${name}"`);
  if ((policy.batch === undefined) === (many === undefined)) return policy;
  throw new UsageError(
    many === undefined
      ? `Task "${name}" has a "batch", but its function takes one input. Define it with batchTask("${name}", fn, options), with a function of a list.`
      : `Task "${name}" takes many inputs at once and needs to know how many: { batch: { size: 100 } }.`,
  );
}
