// When events cannot be read from where a reader was: said the same by every store.
import { showMs } from "../core/durations.ts";
import { EventsLostError, UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";

/** Which events a store has. */
export interface KeptEvents {
  /** 0 when none are kept. */
  readonly keepMs: number;
  /** The last event that is not kept any more: reading goes on behind it. */
  readonly lost: number;
  /** The last event. */
  readonly top: number;
}

const again = "What happened meanwhile is in the jobs themselves; begin anew without a cursor, or";

/** The number in a cursor. Throws a UsageError for what is none. */
export function eventNumber(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw noCursor(cursor);
}

/** The error for a text that is no cursor. */
export function noCursor(cursor: unknown): UsageError {
  return new UsageError(`${show(cursor)} is no cursor of an event of this store. Give the "cursor" of an event it gave.`);
}

/** The error when a store keeps no events. */
export function noEvents(): EventsLostError {
  return new EventsLostError(
    "The store keeps no events, so there are none behind a cursor. Read them without one: that switches it on.",
    null,
  );
}

/** The error for a cursor behind which events are missing. */
export function eventsLost(after: string, keepMs: number, from: string): EventsLostError {
  return new EventsLostError(
    `The events behind cursor "${after}" are not all there any more: they are kept for ${showMs(keepMs)}. ${again} from "${from}" on, the first that are kept.`,
    from,
  );
}

/** Gives the number of the event behind which to read; throws when the store does not have all that comes after it. */
export function eventsFrom(after: string | null, { keepMs, lost, top }: KeptEvents): number {
  if (keepMs === 0) throw noEvents();
  const number = after === null ? top : eventNumber(after);
  // What is beyond the last was given by another store.
  if (number < lost || number > top) throw eventsLost(String(after), keepMs, String(lost));
  return number;
}
