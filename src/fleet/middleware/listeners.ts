// Middleware that only listens. Whatever it does, the job goes on: its errors are told to whoever cares for warnings, and nobody waits for it.
import { isThenable } from "../../core/thenable.ts";

/** Told that a listener failed. */
export type ListenerFailed = (name: string, error: unknown) => void;

/** Tells all listeners of one kind. */
export function tellAll<Args extends readonly unknown[]>(
  listeners: readonly (readonly [name: string, listener: (...args: Args) => unknown])[],
  failed: ListenerFailed,
  ...args: Args
): void {
  for (const [name, listener] of listeners) {
    try {
      const told = listener(...args);
      if (isThenable(told)) told.then(undefined, (error: unknown) => failed(name, error));
    } catch (error) {
      failed(name, error);
    }
  }
}

/** How it is told in a program that is no worker. */
export function warnOf(name: string, error: unknown): void {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`${name} failed, and the job goes on: ${what}`, "ManyhandsWarning");
}
