// Many inputs in one job: a task made of another one, which runs that one over each input of its one argument, one after
// another. It is in no registry: whoever knows a task can make it, so no worker need be told of it.
import { UsageError } from "../core/errors.ts";
import { currentContext } from "./context.ts";
import type { StandardSchema } from "./schema.ts";
import { validate } from "./schema.ts";
import type { Definition } from "./task.ts";

/** What its name has after that of the task. A task's own name holds no spaces. */
export const chunkSuffix = " each";

/** One for each definition: pools know a task by its function. */
const made = new WeakMap<Definition, Definition>();

function runEach({ fn, name, options }: Definition): Definition["fn"] {
  const { output } = options;
  return async (inputs) => {
    const results: unknown[] = [];
    for (const input of inputs as readonly unknown[]) {
      currentContext()?.signal.throwIfAborted();
      const result = await fn(input);
      results.push(output ? await validate(output, result, `The result of task "${name}"`) : result);
    }
    return results;
  };
}

function eachOf(schema: StandardSchema): StandardSchema {
  const check: StandardSchema["~standard"]["validate"] = (inputs) => {
    const value: unknown[] = [];
    for (const [index, input] of (inputs as readonly unknown[]).entries()) {
      const outcome = schema["~standard"].validate(input);
      // Whoever checks refuses what is asynchronous.
      if (outcome instanceof Promise) return outcome;
      if (outcome.issues) return { issues: outcome.issues.map((issue) => ({ ...issue, path: [index, ...(issue.path ?? [])] })) };
      value.push(outcome.value);
    }
    return { value };
  };
  return { "~standard": { version: 1, vendor: "manyhands", validate: check } };
}

/** A limit that is about single calls, which a chunk of many would pass as one. */
function singleLimit({ policy }: Definition): string | undefined {
  if (policy.throttleMs > 0) return "throttle";
  if (policy.debounce) return "debounce";
  return policy.limits.find(({ kind, key }) => kind === "rate" || typeof key === "function")?.kind;
}

/** The task that runs this one over lists of inputs. Throws {@link UsageError} for a task with `unique`, or a limit that goes by single calls. */
export function chunkOf(definition: Definition): Definition {
  const { name, options } = definition;
  const limited = singleLimit(definition);
  if (limited)
    throw new UsageError(
      `Task "${name}" has a "${limited}" that goes by single calls, and a chunk is many. Submit it without chunks().`,
    );
  if (options.unique)
    throw new UsageError(`Task "${name}" is unique by its arguments, and a chunk has those of many. Submit it without chunks().`);
  let chunk = made.get(definition);
  if (!chunk) {
    const { input, output: _checkedOneByOne, ...others } = options;
    chunk = {
      ...definition,
      name: name + chunkSuffix,
      fn: runEach(definition),
      many: undefined,
      options: input ? { ...others, input: eachOf(input) } : others,
      each: definition,
    };
    made.set(definition, chunk);
  }
  return chunk;
}
