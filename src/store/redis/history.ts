// Events as `lua/events.ts` keeps them, read. A cursor is the id of an entry of the stream, in two numbers, and how many of its events come before.
import { eventsLost, noCursor, noEvents } from "../lost-events.ts";
import type { EventPage, StoredEvent } from "../store.ts";
import { fromField, separator, textOf } from "./field.ts";
import { stateOf } from "./text.ts";

/** What `events` answers. */
export type EventsReply = readonly [entries: readonly string[], keepMs: string, lost: string, last: string];

type Cursor = readonly [ms: bigint, no: bigint, count: bigint];

function readCursor(text: string): Cursor {
  // The server takes numbers of 64 bits.
  if (!/^\d{1,19}-\d{1,19}-\d{1,9}$/.test(text)) throw noCursor(text);
  return text.split("-").map(BigInt) as unknown as Cursor;
}

function isBefore(a: Cursor, b: Cursor): boolean {
  const place = a.findIndex((part, index) => part !== b[index]);
  return place >= 0 && (a[place] as bigint) < (b[place] as bigint);
}

/** What `events` asks the server for: the entry to begin with and how many events, with those of it that were read before. */
export function eventArguments(after: string | null, limit: number): readonly string[] {
  if (after === null) return ["", "0"];
  const [ms, no, count] = readCursor(after);
  return [`${ms}-${no}`, String(Math.min(limit, 1e9) + Number(count))];
}

function* eventsIn([id = "", time, text = ""]: readonly string[]): Iterable<StoredEvent> {
  const field = text.split(separator);
  const at = Number(time);
  let count = 0;
  for (let i = 0; i + 6 < field.length;) {
    const [queue, task, from, to, attempt, worker, ids] = field.slice(i, i + 7);
    const shared = { at, queue: textOf(queue), task: textOf(task), from: from === "" ? null : stateOf(from ?? "") };
    const rest = { state: stateOf(to ?? ""), attempt: Number(attempt), worker: fromField(worker) };
    i += 7;
    for (const job of field.slice(i, i + Number(ids))) {
      count += 1;
      yield { cursor: `${id}-${count}`, id: textOf(job), ...shared, ...rest };
    }
    i += Number(ids);
  }
}

/** The events behind a cursor. */
export function toEvents(after: string | null, limit: number, [entries, keepMs, lost, last]: EventsReply): EventPage {
  if (keepMs === "0") throw noEvents();
  const top = last === "" || isBefore(readCursor(last), readCursor(lost)) ? lost : last;
  if (after === null) return { events: [], next: top };
  const from = readCursor(after);
  // What is beyond the last was given by another store.
  if (isBefore(from, readCursor(lost)) || isBefore(readCursor(top), from)) throw eventsLost(after, Number(keepMs), lost);
  const all: StoredEvent[] = [];
  for (let i = 0; i < entries.length; i += 3) for (const event of eventsIn(entries.slice(i, i + 3))) all.push(event);
  const isRead = entries[0] === `${from[0]}-${from[1]}` ? Number(from[2]) : 0;
  const events = all.slice(isRead, isRead + limit);
  return { events, next: events.at(-1)?.cursor ?? after };
}
