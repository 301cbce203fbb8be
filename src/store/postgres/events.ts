// Events; how they are written and read is said in `functions/events.ts`.
import type { JobState } from "../../task/state.ts";
import { eventNumber, eventsFrom } from "../lost-events.ts";
import type { EventPage, StoredEvent } from "../store.ts";
import type { Session } from "./connection.ts";
import { createTriggers, dropTriggers } from "./functions/events.ts";
import type { Ground } from "./ground.ts";
import { fromStored, fromStoredOrNull } from "./text.ts";
import { alone } from "./transaction.ts";
import { rowLimit } from "./where.ts";

async function keptMs({ schema }: Ground, session: Session): Promise<number> {
  const [row] = await session.query(`SELECT events_kept FROM ${schema}.meta`);
  return row?.[0] as number;
}

/** See `Store.keepEvents`. */
export async function keepEvents(ground: Ground, session: Session, keepMs: number | null): Promise<number> {
  if (keepMs === null) return keptMs(ground, session);
  const { schema, world } = ground;
  return alone(session, world, async () => {
    const before = await keptMs(ground, session);
    await session.query(`UPDATE ${schema}.meta SET events_kept = $1`, [keepMs]);
    if (before > 0 === keepMs > 0) return keepMs;
    // Submits do not hold the world; all of them begin with this table.
    await session.query(`LOCK TABLE ${schema}.job IN SHARE ROW EXCLUSIVE MODE`);
    await session.query(keepMs > 0 ? createTriggers(schema) : dropTriggers(schema));
    // What happens until they are kept again is missing: a number stands for it.
    await session.query(
      `DELETE FROM ${schema}.event; UPDATE ${schema}.meta SET events_lost = nextval('${schema.replaceAll("'", "''")}.event_no')`,
    );
    return keepMs;
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
