// Submits that ask the store by themselves, since what they come to depends on what stands there: throttled and debounced ones, and those
// that replace. Such a call is no part of anything else that is stored in one step.
import { UsageError } from "../core/errors.ts";
import type { Node } from "../task/call.ts";
import type { TaskOptions } from "../task/options.ts";
import type { Definition } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";

/** The option by which a submit asks the store by itself. */
export type Alone = "throttle" | "debounce" | "unique";

function aloneOf({ policy, options }: Definition): Alone | undefined {
  if (policy.throttleMs > 0) return "throttle";
  if (policy.debounce) return "debounce";
  return (options as TaskOptions).unique?.onConflict === "replace" ? "unique" : undefined;
}

/** The error for a call that asks the store by itself where it cannot: `where` goes on after the option. */
export function mustBeAlone(task: string, alone: Alone, where: string): UsageError {
  const what = alone === "unique" ? `"unique" with onConflict "replace"` : `"${alone}"`;
  return new UsageError(`Task "${task}" has a ${what}${where}, or without: task.with({ ${alone}: undefined }).`);
}

function asksAlone({ call }: Node): boolean {
  return aloneOf(definitionOf(call.task)) !== undefined;
}

/**
 * The option by which the submit of this graph, with what is to be done at its end, asks the store by itself, if there is one. Throws
 * {@link UsageError} where it is a part of something.
 */
export function findAlone(nodes: readonly Node[], callbacks: readonly Node[]): Alone | undefined {
  const root = nodes[nodes.length - 1] as Node;
  const found = callbacks.find(asksAlone) ?? nodes.find(asksAlone);
  if (!found) return undefined;
  const { task } = found.call;
  const alone = aloneOf(definitionOf(task)) as Alone;
  if (found !== root) throw mustBeAlone(task.name, alone, " and is called inside another call. Submit it by itself");
  if (callbacks.length > 0) {
    throw mustBeAlone(
      task.name,
      alone,
      ": a submit that makes no job could not do what is asked for at its end. Submit it without onDone and onFailed",
    );
  }
  if (alone !== "throttle" && nodes.length > 1) {
    throw mustBeAlone(
      task.name,
      alone,
      ", and its arguments are to be replaced, so they can be no results of other calls. Submit it with plain ones",
    );
  }
  return alone;
}
