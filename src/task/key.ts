// Keys: texts by which a task's jobs are told apart (by tenant, by customer, by host). A key is a text or a function of the
// arguments; it is asked at submit, where a mistake can still be told to whoever made it.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";

/** A text, or a function of the task's arguments that gives one. It must answer at once, and the same for the same arguments. */
export type Key<Args extends readonly unknown[] = readonly unknown[]> = string | ((...args: Args) => string);

/** Stores index keys; longer ones would not fit. */
const longest = 200;

/** Throws {@link UsageError} for what can be no key. */
export function checkKey(key: unknown, where: string): void {
  if (typeof key === "function" || typeof key === "string") return;
  throw new UsageError(`${where} must be a text or a function of the arguments, found ${show(key)}.`);
}

/** The key of a job with these arguments. Throws {@link UsageError} when the function gives no text, or one of more than 200 characters. */
export function keyOf(key: Key<never>, args: readonly unknown[], where: string): string {
  const given: unknown = typeof key === "function" ? (key as (...args: readonly unknown[]) => unknown)(...args) : key;
  if (typeof given !== "string") throw new UsageError(`${where} must give a text, found ${show(given)}.`);
  // Half a character, as a cut through an emoji leaves, is nothing that every store can keep.
  if (given.length <= longest) return given.toWellFormed();
  throw new UsageError(
    `${where} gives a text of ${given.length} characters; at most ${longest} are kept. Give a shorter one, such as an id.`,
  );
}
