// When a schedule ticks, as users say it and as it is stored. Whatever is wrong with it shows here, where the schedule is defined.
import type { Duration } from "../../core/durations.ts";
import { toMs } from "../../core/durations.ts";
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import { checkOptions, didYouMean } from "../../core/suggest.ts";
import { rhythmOf } from "./rhythm.ts";

/** A fixed interval. */
export interface Every {
  /** The time between two ticks; at least a second. Daylight saving time does not touch it. */
  readonly every: Duration;
  /**
   * The first tick, from which the others are counted. Default: 1970-01-01T00:00:00Z, so that `"15m"` ticks at the quarters of the
   * hour, whenever the schedule was defined.
   */
  readonly from?: Date | number;
}

/** A single tick. */
export interface Once {
  readonly at: Date | number;
}

/**
 * When a schedule ticks: a cron text with five fields (minute, hour, day of the month, month, day of the week), six with
 * seconds before them, seven with years behind; or an interval; or a single time.
 */
export type When = string | Every | Once;

/** When, as it is stored and shown: durations in ms, times in ms since 1970. */
export type StoredWhen =
  | { readonly cron: string; readonly timezone: string }
  | { readonly every: number; readonly from: number }
  | { readonly at: number };

const leastMs = 1000;
/** The end of the year 9999: the longest time an ISO text of four digits can tell. */
const latest = 253_402_300_799_999;

function showTime(time: unknown): string {
  if (!(time instanceof Date)) return show(time);
  return Number.isNaN(time.getTime()) ? "an invalid Date" : time.toISOString();
}

function checkTime(time: unknown, what: string): number {
  const ms = time instanceof Date ? time.getTime() : time;
  if (typeof ms === "number" && Number.isFinite(ms) && ms >= 0 && ms <= latest) return Math.floor(ms);
  throw new UsageError(`${what} must be a Date or ms since 1970, up to the year 9999, found ${showTime(time)}.`);
}

/** True for the name of a zone; not for an offset such as "+02:00", which knows no daylight saving time. */
function isZone(zone: unknown): zone is string {
  if (typeof zone !== "string" || !/^[a-z]/i.test(zone)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions();
    return true;
  } catch {
    // A RangeError that says less than what the caller says.
    return false;
  }
}

function checkZone(zone: unknown, where: string): string {
  if (isZone(zone)) return zone;
  const guess = typeof zone === "string" ? didYouMean(zone, Intl.supportedValuesOf("timeZone")) : "";
  const hint = guess.startsWith("Did") ? guess : 'Use a name such as "Europe/Berlin", "America/New_York" or "UTC".';
  throw new UsageError(`${where}: there is no time zone ${show(zone)}. ${hint}`);
}

async function checkCron(text: string, zone: unknown, where: string): Promise<StoredWhen> {
  const timezone = checkZone(zone ?? "UTC", where);
  const cron = text.trim().replaceAll(/\s+/g, " ");
  const fields = cron.split(" ").length;
  if (!cron.startsWith("@") && (fields < 5 || fields > 7)) {
    throw new UsageError(
      `${where}: ${show(text)} is no cron text. It has five fields (minute, hour, day of the month, month, day of the week), or six with ` +
        `seconds before them; found ${cron === "" ? 0 : fields}. For an interval say { every: "5m" }, for a single time { at: date }.`,
    );
  }
  const when = { cron, timezone };
  const rhythm = await rhythmOf(when).catch((error: unknown) => {
    const found = (error as Error).message.replace(/^\w+: /, "");
    throw new UsageError(`${where}: ${show(text)} is no cron text. ${found}`, { cause: error });
  });
  if (rhythm.after(0) !== null) return when;
  throw new UsageError(`${where}: ${show(text)} never comes: no day fits all its fields.`);
}

function checkEvery({ every, from }: Every, where: string): StoredWhen {
  const ms = toMs(every, `${where} every`);
  if (ms >= leastMs && Number.isInteger(ms)) {
    return { every: ms, from: from === undefined ? 0 : checkTime(from, `${where} from`) };
  }
  throw new UsageError(`${where} every must be at least a second, in whole ms, found ${show(every)}.`);
}

/** Checks when a schedule is to tick. Rejects with a UsageError that says what was found. */
export async function checkWhen(when: unknown, timezone: unknown, where: string): Promise<StoredWhen> {
  if (typeof when === "string") return checkCron(when, timezone, where);
  if (timezone !== undefined) {
    throw new UsageError(
      `${where}: a timezone goes with a cron text only. An interval and a single time are the same everywhere.`,
    );
  }
  if (typeof when === "object" && when !== null && "every" in when) {
    checkOptions(when, ["every", "from"], where);
    return checkEvery(when as Every, where);
  }
  if (typeof when === "object" && when !== null && "at" in when) {
    checkOptions(when, ["at"], where);
    return { at: checkTime(when.at, `${where} at`) };
  }
  const found = typeof when === "object" && when !== null ? `{ ${Object.keys(when).join(", ")} }` : show(when);
  throw new UsageError(
    `${where}: when it ticks must be a cron text ("0 3 * * *"), { every: "5m" } or { at: date }, found ${found}.`,
  );
}
