// Events: rows of a table that triggers write, so that a file of which nobody asks for them has no triggers and does nothing. The
// numbers of rows are never given twice (AUTOINCREMENT), also when all are deleted.
import type { KeptEvents } from "../lost-events.ts";
import { eventsFrom } from "../lost-events.ts";
import type { EventPage, StoredEvent } from "../store.ts";
import type { Connection } from "./connection.ts";
import { rowLimit } from "./where.ts";

const columns = "at, id, task, queue, state, prior, attempt, worker";

function trigger(name: string, when: string, prior: string): string {
  return `
    CREATE TRIGGER ${name} ${when} BEGIN
      INSERT INTO event (${columns})
      SELECT clock, NEW.id, NEW.task, NEW.queue, NEW.state, ${prior}, NEW.attempt, NEW.worker FROM tally;
    END;`;
}

const createTriggers = `
  ${trigger("event_added", "AFTER INSERT ON job", "NULL")}
  ${trigger("event_changed", "AFTER UPDATE OF state ON job WHEN NEW.state <> OLD.state", "OLD.state")}`;
const dropTriggers = "DROP TRIGGER IF EXISTS event_added; DROP TRIGGER IF EXISTS event_changed;";

function kept(db: Connection): KeptEvents {
  const [row] = db.lists<[number, number, number | null]>(
    "SELECT events_kept, events_lost, (SELECT seq FROM sqlite_sequence WHERE name = 'event') FROM tally",
  );
  const [keepMs = 0, lost = 0, top = 0] = row ?? [];
  return { keepMs, lost, top: top ?? 0 };
}

/** See `Store.keepEvents`. */
export function keepEvents(db: Connection, asked: number | null, ifNone: number, now: number): number {
  const before = kept(db).keepMs;
  const keepMs = asked ?? (before || ifNone);
  if (keepMs === before) return before;
  db.run("UPDATE tally SET events_kept = ?, clock = ?", keepMs, now);
  if (before > 0 && keepMs > 0) return keepMs;
  db.exec(dropTriggers);
  // What happens until they are kept again is missing: a number stands for it.
  const missing = db.insert(`INSERT INTO event (${columns}) VALUES (0, '', '', '', '', NULL, 0, NULL)`);
  db.run("DELETE FROM event");
  db.run("UPDATE tally SET events_lost = ?", missing);
  if (keepMs > 0) db.exec(createTriggers);
  return keepMs;
}

/** Tells the triggers the time, at the beginning of a transaction. */
export function stampEvents(db: Connection, now: number): void {
  db.run("UPDATE tally SET clock = ? WHERE events_kept > 0", now);
}

const page = `SELECT no, at, id, task, queue, state, prior AS "from", attempt, worker FROM event WHERE no > ? ORDER BY no LIMIT ?`;

/** See `Store.events`. */
export function readEvents(db: Connection, after: string | null, limit: number): EventPage {
  return db.snapshot(() => {
    const from = eventsFrom(after, kept(db));
    const rows = db.all<Omit<StoredEvent, "cursor"> & { no: number }>(page, from, rowLimit(limit));
    const events = rows.map(({ no, ...event }) => ({ cursor: String(no), ...event }));
    return { events, next: String(rows.at(-1)?.no ?? from) };
  });
}

interface Dated {
  readonly no: number;
  readonly at: number;
}

const dated = (rest: string): string => `SELECT no, at FROM event ${rest} LIMIT 1`;

/** The first event whose time has come. Those before it are of a clock that was ahead, and may be many. */
function firstCome(db: Connection, now: number): Dated | undefined {
  const first = db.get<Dated>(dated("ORDER BY no"));
  if (!first || first.at <= now) return first;
  let come = db.get<Dated>(dated("ORDER BY no DESC"));
  if (!come || come.at > now) return undefined;
  let [low, high] = [first.no, come.no];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = db.get<Dated>(dated("WHERE no >= ? ORDER BY no"), middle) as Dated;
    if (found.at > now) low = found.no;
    else [high, come] = [middle, found];
  }
  return come;
}

/** The number of the first event whose time has come, if that is long ago. */
function firstOld(db: Connection, now: number): number | undefined {
  const { keepMs } = db.get<{ keepMs: number }>("SELECT events_kept AS keepMs FROM tally") as { keepMs: number };
  const first = keepMs > 0 ? firstCome(db, now) : undefined;
  return first && first.at <= now - keepMs ? first.no : undefined;
}

/** True when there are events to prune. */
export function hasOldEvents(db: Connection, now: number): boolean {
  return firstOld(db, now) !== undefined;
}

const lastOld = `
  WITH first AS (SELECT no, at FROM event ORDER BY no LIMIT ?) SELECT max(no) AS no FROM first
  WHERE no < ifnull((SELECT min(no) FROM first WHERE no > ? AND at > ? - (SELECT events_kept FROM tally)), 9e18)`;

/** Deletes old events. Those of a clock that was ahead are as old as the first behind them that is not. */
export function pruneEvents(db: Connection, now: number, limit: number): void {
  const first = firstOld(db, now);
  if (first === undefined) return;
  const no = db.get<{ no: number }>(lastOld, rowLimit(limit), first, now)?.no ?? 0;
  db.run("DELETE FROM event WHERE no <= ?", no);
  db.run("UPDATE tally SET events_lost = ?", no);
}
