// Durations as users write them: a number of ms, or "250ms", "30s", "5m", "2h", "1d", "2w".
import { UsageError } from "./errors.ts";
import { show } from "./show.ts";

/** A number of milliseconds, or a text such as `"30s"`, `"5m"`, `"1.5h"`, `"1d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d" | "w"}`;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** A thousand years: whatever is longer was not meant, and ends where a Date cannot tell it. */
const longestMs = 365_000 * 864e5;

function inMs(duration: unknown): number | undefined {
  if (typeof duration === "number" && Number.isFinite(duration) && duration >= 0) return duration;
  const match = typeof duration === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(duration) : null;
  return match?.[1] === undefined || match[2] === undefined ? undefined : Number(match[1]) * (unitMs[match[2]] ?? 1);
}

/** The duration in ms. Throws {@link UsageError} naming `what` for one that is negative or longer than a thousand years, and for what is none. */
export function toMs(duration: unknown, what: string): number {
  const ms = inMs(duration);
  if (ms !== undefined && ms <= longestMs) return ms;
  if (ms !== undefined) throw new UsageError(`${what} is at most a thousand years ("365000d"), found ${show(duration)}.`);
  throw new UsageError(
    `${what} must be a duration, found ${show(duration)}. Use milliseconds (5000) or a text such as "30s", "5m" or "1d".`,
  );
}

/** A duration for people: `850 ms`, `3.2 s`, `4 m 05 s`, `2 h 03 m`, `29 d 04 h`. */
export function showMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return `${hours} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} m`;
  return `${Math.floor(hours / 24)} d ${String(hours % 24).padStart(2, "0")} h`;
}
