// What is to be done when a submitted call has ended: jobs of the same graph, stored with it, so that they outlive whoever
// submitted it. One for success needs the call as any join does. One for the other ends tolerates the call, and so is ready
// however that ends; its worker looks how it ended, and a job with nothing to do ends as cancelled.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import type { Ended } from "../store/job.ts";
import type { Call, Node } from "../task/call.ts";
import { call, flatten, Hole, isCall } from "../task/call.ts";
import type { FinalState } from "../task/state.ts";
import type { Task } from "../task/task.ts";
import { isTask } from "../task/task.ts";
import type { Part } from "./policy.ts";

/** How a call failed, as `onFailed` gets it. */
export interface CallFailure {
  /** The name of the error: `"TypeError"`, `"TimeoutError"`, `"CancelledError"`. */
  readonly name: string;
  readonly message: string;
  /** The id of the job that failed. */
  readonly job: string;
  readonly state: Exclude<FinalState, "done">;
}

/** What is to be done when a call has ended. */
export interface Callbacks<Result = never> {
  /** Run as a job of its own when the call is done: a task gets its result, a call has its own arguments. */
  readonly onDone?: Task<readonly [result: Result], unknown> | Call<unknown>;
  /** Run as a job of its own when the call has failed, expired or been cancelled: a task is told how, a call has its own arguments. */
  readonly onFailed?: Task<readonly [failure: CallFailure], unknown> | Call<unknown>;
}

type Kind = keyof Callbacks;

/** The id of a call's callback, so that it can be found by that of the call. */
export function callbackId(root: string, kind: Kind): string {
  return `${root}.${kind}`;
}

interface CallbackNode {
  readonly node: Node;
  readonly kind: Kind;
  readonly part: Part;
}

function callOf(given: unknown, kind: Kind): Call<unknown> {
  if (isCall(given)) {
    if (flatten(given).length === 1) return given;
    throw new UsageError(
      `submit() ${kind} is a call that holds other calls, which would run at once. Let its task submit them, or make them part of the call.`,
    );
  }
  if (isTask(given)) return call(given as unknown as Task<readonly [unknown], unknown>, new Hole(0));
  throw new UsageError(`submit() ${kind} must be a task or a call, found ${show(given)}.`);
}

/** The callbacks as calls that depend on the call at `root`. Throws UsageError for what cannot be one. */
export function callbackNodes({ onDone, onFailed }: Callbacks, root: number): CallbackNode[] {
  const nodes: CallbackNode[] = [];
  const add = (given: unknown, kind: Kind, tolerates: ReadonlySet<number>, part: Part): void => {
    if (given === undefined) return;
    const made = callOf(given, kind);
    nodes.push({ node: { call: made, args: made.args, dependsOn: [root], tolerates }, kind, part });
  };
  add(onDone, "onDone", new Set(), {});
  add(onFailed, "onFailed", new Set([root]), { onFailed: true });
  return nodes;
}

/** What a callback is told of a call that ended otherwise than done, with this error. */
export function failureOf({ id, state }: Ended, error: unknown): CallFailure {
  const { name, message } = error instanceof Error ? error : { name: typeof error, message: show(error) };
  return { name, message, job: id, state: state as CallFailure["state"] };
}
