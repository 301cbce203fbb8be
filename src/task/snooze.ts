// A task that finds that it cannot go on now, and that this is no failure: it is put aside and run again later.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { SnoozeError } from "../core/errors.ts";

/**
 * For a task to throw: it is run again after `duration`, from its beginning, as the same attempt. No retry is spent, and `retryIf` is not asked;
 * its places at limits are free meanwhile. It may snooze any number of times. Throws {@link UsageError} for what is no duration.
 *
 * @example
 * export const charge = task("charge", async (order: Order) => {
 *   if (await bankIsClosed()) throw snooze("30m");
 *   return pay(order);
 * });
 */
export function snooze(duration: Duration): SnoozeError {
  const afterMs = toMs(duration, "snooze()");
  return new SnoozeError(`Not now: to be run again in ${afterMs} ms. A task throws this; it means nothing elsewhere.`, afterMs);
}
