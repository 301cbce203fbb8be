// Whether a failed attempt is worth another one, as the task's `retryIf` says.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";

/**
 * True when another attempt is wanted. A `retryIf` that throws wants none: a broken predicate must not become an endless retry, nor
 * hide what the task threw. What it threw becomes the `cause` of the task's error; where that has a cause already, or is no
 * error, it is told as a warning of the process.
 */
export function wantsRetry(retryIf: ((error: unknown) => boolean) | undefined, error: unknown): boolean {
  if (!retryIf) return true;
  try {
    return Boolean(retryIf(error));
  } catch (cause) {
    const message = `A task failed and was not tried again, because its "retryIf" threw ${show(cause)}.`;
    if (!addCause(error, new UsageError(message, { cause }))) process.emitWarning(message);
    return false;
  }
}

/** Gives an error a cause, unless it has one or cannot be changed. */
function addCause(error: unknown, cause: Error): boolean {
  if (!(error instanceof Error) || error.cause !== undefined) return false;
  return Reflect.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
}
