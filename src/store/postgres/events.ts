// Events; how they are written and read is said in `functions/events.ts`.
import { StoreError } from "../../core/errors.ts";
import type { JobState } from "../../task/state.ts";
import { eventNumber, eventsFrom } from "../lost-events.ts";
import type { EventPage, StoredEvent } from "../store.ts";
import type { Session } from "./connection.ts";
import { createTriggers, dropTriggers } from "./functions/events.ts";
import type { Ground } from "./ground.ts";
import { fromStored, fromStoredOrNull } from "./text.ts";
import { alone } from "./transaction.ts";
import { hasCode, isHeldUp } from "./trouble.ts";
import type { Place } from "./url.ts";
import { rowLimit } from "./where.ts";

async function keptMs({ schema }: Ground, session: Session): Promise<number> {
  const [row] = await session.query(`SELECT events_kept FROM ${schema}.meta`);
  return row?.[0] as number;
}

function notAllowed(error: unknown): never {
  if (!hasCode(error, "42501")) throw error;
  throw new StoreError(
    `Whether events are kept can be changed by the owner of the tables alone: ${(error as Error).message}. Let the owner run ` +
      '"manyhands events --keep 1d" once.',
    { cause: error },
  );
}

/** Why it is not known whether events are kept: others had the tables for as long as was to be waited for them. */
export function eventsHeldUp({ location }: Place): StoreError {
  return new StoreError(
    `Whether the store on ${location} keeps events could not be changed: a transaction in which a job was submitted is still open, or its ` +
      "tables are being vacuumed. Commit the transaction, and try again.",
  );
}

/** See `Store.keepEvents`; undefined when others have the tables just now. */
export async function keepEvents(
  ground: Ground,
  session: Session,
  asked: number | null,
  ifNone: number,
): Promise<number | undefined> {
  const wanted = (found: number): number => asked ?? (found || ifNone);
  const found = await keptMs(ground, session);
  // Mostly there is nothing to do, which needs no lock.
  if (wanted(found) === found) return found;
  const { schema, world } = ground;
  const changing = alone(session, world, async () => {
    const before = await keptMs(ground, session);
    const keepMs = wanted(before);
    await session.query(`UPDATE ${schema}.meta SET events_kept = $1`, [keepMs]);
    if (before > 0 === keepMs > 0) return keepMs;
    // Submits do not hold the world; all of them begin with this table.
    await session.query(`LOCK TABLE ${schema}.job IN SHARE ROW EXCLUSIVE MODE`);
    await session.query(keepMs > 0 ? createTriggers(schema) : dropTriggers(schema)).catch(notAllowed);
    // What happens until they are kept again is missing: a number stands for it.
    const missing = `nextval('${schema.replaceAll("'", "''")}.event_no')`;
    // At once, however many there are.
    await session.query(`TRUNCATE ${schema}.event; UPDATE ${schema}.meta SET events_lost = ${missing}`);
    return keepMs;
  });
  return changing.catch((error: unknown) => {
    if (isHeldUp(error)) return undefined;
    throw error;
  });
}

/** See `Store.events`. */
export async function readEvents({ schema }: Ground, session: Session, after: string | null, limit: number): Promise<EventPage> {
  const rows = await session.query(`SELECT * FROM ${schema}.read_events($1, $2)`, [
    after === null ? null : eventNumber(after),
    Math.min(rowLimit(limit), 1e9),
  ]);
  const head = rows.at(-1)?.[0] as [number, number, number, number];
  const [keepMs, lost, top, next] = head;
  eventsFrom(after, { keepMs, lost, top });
  return { events: rows.slice(0, -1).map(toEvent), next: String(next) };
}

function toEvent(row: readonly unknown[]): StoredEvent {
  const [, cursor, at, id, task, queue, state, from, attempt, worker] = row as [
    null,
    string,
    number,
    string,
    string,
    string,
    JobState,
    JobState | null,
    number,
    string | null,
  ];
  const texts = { id: fromStored(id), task: fromStored(task), queue: fromStored(queue), worker: fromStoredOrNull(worker) };
  return { cursor: String(cursor), at, ...texts, state, from, attempt };
}
