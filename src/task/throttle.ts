// At most one job in a time: what a task says about it, and its check.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkOptions } from "../core/suggest.ts";
import type { Key } from "./key.ts";
import { checkKey } from "./key.ts";

/** At most one job for a key in a time. */
export interface Throttle<Args extends readonly unknown[] = readonly unknown[]> {
  /** For so long after a submit that made a job, further ones make none. */
  readonly per: Duration;
  /** Counted for each key by itself. Default: for all submits together. */
  readonly key?: Key<Args>;
}

/** A throttle's time in ms, 0 for none. Throws {@link UsageError} for what makes no sense. */
export function checkThrottle(throttle: Throttle<never> | undefined, keepMs: number, where: string): number {
  if (throttle === undefined) return 0;
  checkOptions(throttle ?? null, ["per", "key"], where);
  if (throttle.key !== undefined) checkKey(throttle.key, `${where}.key`);
  const perMs = toMs(throttle.per, `${where}.per`);
  if (perMs === 0) throw new UsageError(`${where}.per must be longer than 0, found ${show(throttle.per)}.`);
  if (perMs <= keepMs) return perMs;
  throw new UsageError(
    `${where}.per (${show(throttle.per)}) is longer than the ended job is kept (${keepMs} ms), and further submits get that job. Give the task ` +
      'a longer "keep".',
  );
}
