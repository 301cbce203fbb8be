// One job for many submits in a row, once they have stopped: what a task says about it, and its check.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkOptions } from "../core/suggest.ts";
import type { Key } from "./key.ts";
import { checkKey } from "./key.ts";

/** One job for many submits in a row: the last one's arguments, once there was none for a while. */
export interface Debounce<Args extends readonly unknown[] = readonly unknown[]> {
  /** The job is due so long after the last submit. */
  readonly wait: Duration;
  /** Counted for each key by itself. Default: for all submits together. */
  readonly key?: Key<Args>;
  /** It is due so long after the first submit at the latest, however many follow. Default: no limit. */
  readonly maxWait?: Duration;
}

/** A debounce in ms. */
export interface DebounceMs {
  readonly waitMs: number;
  readonly maxWaitMs: number | undefined;
}

/** Checks a debounce. Throws {@link UsageError} for what makes no sense. */
export function resolveDebounce(debounce: Debounce<never> | undefined, where: string): DebounceMs | undefined {
  if (debounce === undefined) return undefined;
  checkOptions(debounce ?? null, ["wait", "key", "maxWait"], where);
  if (debounce.key !== undefined) checkKey(debounce.key, `${where}.key`);
  const waitMs = toMs(debounce.wait, `${where}.wait`);
  if (waitMs === 0) throw new UsageError(`${where}.wait must be longer than 0, found ${show(debounce.wait)}.`);
  if (debounce.maxWait === undefined) return { waitMs, maxWaitMs: undefined };
  const maxWaitMs = toMs(debounce.maxWait, `${where}.maxWait`);
  if (maxWaitMs >= waitMs) return { waitMs, maxWaitMs };
  throw new UsageError(
    `${where}.maxWait (${show(debounce.maxWait)}) is shorter than its wait (${show(debounce.wait)}), so no submit could put the job off. Give ` +
      "it a longer one, or leave it out for no limit.",
  );
}
