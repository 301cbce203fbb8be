// How a call is submitted to a fleet.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkOptions } from "../core/suggest.ts";
import type { GraphOptions } from "../task/inherit.ts";
import type { Callbacks } from "./callbacks.ts";

/** How a call is submitted. `priority` and `deadline` go down to every call in it whose task does not say its own. */
export interface SubmitOptions<Result = never> extends GraphOptions, Callbacks<Result> {
  /**
   * Your own open transaction on the store's database (a `DatabaseSync` of node:sqlite on the same file, a client of pg on the same database): the
   * job exists exactly if that is committed. `submitted` then resolves before the commit; await the result after it. While the
   * transaction is open on SQLite it has the file's one lock: do nothing else with the fleet that writes.
   */
  readonly tx?: object;
}

/** The options. Throws UsageError for what cannot be meant. */
export function checkSubmitOptions(given: unknown): SubmitOptions {
  if (given === undefined) return {};
  checkOptions(given, ["tx", "priority", "deadline", "onDone", "onFailed"], "submit()");
  const { tx } = given as SubmitOptions;
  if ("tx" in (given as object) && (typeof tx !== "object" || tx === null)) {
    throw new UsageError(
      `submit() tx must be a connection with an open transaction, found ${show(tx)}. Leave it out to submit without one.`,
    );
  }
  return given as SubmitOptions;
}
