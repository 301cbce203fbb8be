// The check of arguments against the task's `input` schema, at submit or, where arguments wait for other calls, when these
// are done. The schema's output takes the place of the arguments.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { validate } from "../task/schema.ts";
import type { Definition } from "../task/task.ts";

/** The arguments as the task's input schema gives them. Throws {@link UsageError} when they do not fit. */
export function checkInput(definition: Definition, args: readonly unknown[]): readonly unknown[] {
  const { input } = definition.options;
  if (!input) return args;
  const what = `The input of task "${definition.name}"`;
  const isSingle = definition.fn.length <= 1 && args.length <= 1;
  const checked = validate(input, isSingle ? args[0] : args, what);
  if (checked instanceof Promise) {
    throw new UsageError(`${what} has an asynchronous schema. A schema that is checked at submit must be synchronous.`);
  }
  if (isSingle) return [checked];
  if (Array.isArray(checked)) return checked as unknown[];
  throw new UsageError(`${what}: the schema must give a list of arguments, found ${show(checked)}.`);
}
