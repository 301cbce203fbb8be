// Events: triggers write them, so that a store of which nobody asks for them has no triggers and does nothing. The state of a job is the
// table its row is in, so a row that comes is an event. Where it came from is the state of the job's event before: it is looked up by who reads.
//
// Events are numbered when they are written, so those of one job are numbered in the order in which they happened: each change of it waits for the
// commit of the one before. But of two transactions the one with the higher numbers may be committed first, and who reads must not go past
// numbers that are still to come. So whoever writes has an advisory lock until his commit, whose key is the next number; who reads looks first
// which number is the last, then at the locks, and then reads up to the lowest of both. An open transaction holds back
// what is behind it, and nobody waits for anybody.
import { createHash } from "node:crypto";
import type { SchemaSql } from "../schema.ts";
import { one, probing } from "./codes.ts";

/** Numbers in keys of locks are cut to 31 bits. */
const cut = 2 ** 31 - 1;

const lockClass = (s: string): string => `hashtext('manyhands events ${s.replaceAll("'", "''")}')`;

/** The number given last. */
export const lastNumber: SchemaSql = (s) => `coalesce(pg_sequence_last_value('${s.replaceAll("'", "''")}.event_no'), 0)`;

/** Set while a transaction has the lock: a server has room for some thousand locks in all. */
const heldSetting = (s: string): string => `manyhands.events_${createHash("sha256").update(s).digest("hex").slice(0, 16)}`;

/** What a table tells by the rows that come to it. */
interface Source {
  readonly table: "ready" | "parked" | "standing" | "running" | "ended";
  readonly on: "INSERT" | "UPDATE";
  /** Which rows of it are events: seq, state, attempt and worker of each. */
  readonly rows: string;
}

const parkedState = "CASE WHEN waits IS NOT NULL THEN 'waiting' WHEN scheduled THEN 'scheduled' ELSE 'blocked' END";
/** What is due at no time at all is there for a moment only, while it is changed. */
const staying = "due_at IS DISTINCT FROM 'Infinity'";
const scheduledRows = (of: string): string =>
  `SELECT seq, 'scheduled' AS state, attempt, NULL AS worker FROM ${of} WHERE scheduled AND waits IS NULL`;
const runningRows = (of: string): string =>
  `SELECT seq, CASE WHEN waits IS NULL THEN 'running' ELSE 'waiting' END AS state, attempt, worker FROM ${of}`;

const sources: readonly Source[] = [
  {
    table: "ready",
    on: "INSERT",
    rows: "SELECT coalesce(job_seq, seq) AS seq, 'ready' AS state, attempt, NULL AS worker FROM came",
  },
  {
    table: "parked",
    on: "INSERT",
    rows: `SELECT seq, ${parkedState} AS state, attempt, NULL AS worker FROM came WHERE ${staying}`,
  },
  // What was blocked may wait for its time next, if it does not move.
  {
    table: "parked",
    on: "UPDATE",
    rows: `${scheduledRows("came")} AND ${staying} EXCEPT ${scheduledRows("went")}`,
  },
  { table: "standing", on: "INSERT", rows: "SELECT seq, 'blocked' AS state, attempt, NULL AS worker FROM came" },
  { table: "running", on: "INSERT", rows: runningRows("came") },
  { table: "running", on: "UPDATE", rows: `${runningRows("came")} EXCEPT ${runningRows("went")}` },
  { table: "ended", on: "INSERT", rows: "SELECT seq, state, attempt, worker FROM came" },
];

const nameOf = ({ table, on }: Source): string => `event_${table}_${on.toLowerCase()}`;

/** Makes the triggers. Only the owner of the tables may. */
export const createTriggers: SchemaSql = (s) =>
  sources
    .map((source) => {
      const name = nameOf(source);
      return `
  CREATE OR REPLACE FUNCTION ${s}.${name}() RETURNS trigger LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    clock double precision := extract(epoch FROM clock_timestamp()) * 1000;
  BEGIN
    IF NOT EXISTS (${source.rows}) THEN RETURN NULL; END IF;
    IF coalesce(current_setting('${heldSetting(s)}', true), '') = '' THEN
      PERFORM pg_advisory_xact_lock_shared(${lockClass(s)}, ((${lastNumber(s)} + 1) & ${cut})::integer);
      PERFORM set_config('${heldSetting(s)}', 'yes', true);
    END IF;
    INSERT INTO ${s}.event (seq, at, id, task, queue, state, attempt, worker)
    SELECT job.seq, clock, job.id, job.task, job.queue, moved.state, moved.attempt, moved.worker
    FROM (${source.rows}) AS moved CROSS JOIN LATERAL ${one("job", s, "seq, id, task, queue", "job.seq = moved.seq")};
    RETURN NULL;
  END $body$;
  CREATE OR REPLACE TRIGGER ${name} AFTER ${source.on} ON ${s}.${source.table}
    REFERENCING NEW TABLE AS came${source.on === "UPDATE" ? " OLD TABLE AS went" : ""} FOR EACH STATEMENT EXECUTE FUNCTION ${s}.${name}();`;
    })
    .join("");

/** Takes them away. */
export const dropTriggers: SchemaSql = (s) =>
  sources.map((source) => `DROP TRIGGER IF EXISTS ${nameOf(source)} ON ${s}.${source.table};`).join("\n");

/**
 * Reads events. Those that left their job in its state are passed over: it stood somewhere else in it. The last row says in `head` how
 * things stand.
 */
export const readEvents: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.read_events(behind bigint, most integer)
  RETURNS TABLE (head json, no bigint, at double precision, id text, task text, queue text, state text, prior text, attempt integer,
    worker text) LANGUAGE plpgsql ${probing} AS $body$
  #variable_conflict use_column
  DECLARE
    top bigint;
    sure bigint;
    last bigint;
  BEGIN
    top := ${lastNumber(s)};
    -- The next number of a writer who came since is beyond the last.
    SELECT least(top, min(top - behind_top) - 1) INTO sure FROM (
      SELECT (top - objid::bigint) & ${cut} AS behind_top FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = (${lockClass(s)}::bigint & 4294967295)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS held WHERE behind_top < ${2 ** 30};
    IF behind IS NOT NULL THEN
      SELECT coalesce(max(page.no), behind) INTO last FROM (
        SELECT event.no FROM ${s}.event WHERE event.no > behind AND event.no <= sure ORDER BY event.no LIMIT most
      ) AS page HAVING count(*) = most;
      RETURN QUERY SELECT NULL::json, event.no, event.at, event.id, event.task, event.queue, event.state, before.state, event.attempt, event.worker
      FROM ${s}.event LEFT JOIN LATERAL (
        SELECT earlier.state FROM ${s}.event AS earlier WHERE earlier.seq = event.seq AND earlier.no < event.no ORDER BY earlier.no DESC LIMIT 1
      ) AS before ON true
      WHERE event.no > behind AND event.no <= coalesce(last, sure) AND before.state IS DISTINCT FROM event.state ORDER BY event.no;
    END IF;
    -- Asked last: what was deleted meanwhile is not there any more.
    RETURN QUERY SELECT json_build_array(events_kept, events_lost, top, greatest(coalesce(last, sure), behind)), NULL::bigint, NULL::double precision, NULL, NULL,
      NULL, NULL, NULL, NULL::integer, NULL FROM ${s}.meta;
  END $body$;
`;

/**
 * Deletes old events, of the first so many. Those of a clock that was ahead, which may be many, are as old as the first behind them
 * whose time has come.
 */
export const pruneEvents: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.prune_events(at double precision, most bigint) RETURNS void LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    old double precision := prune_events.at - (SELECT events_kept FROM ${s}.meta);
    come record;
    found record;
    low bigint;
    high bigint;
    middle bigint;
    last bigint;
  BEGIN
    SELECT event.no, event.at INTO come FROM ${s}.event ORDER BY event.no LIMIT 1;
    IF come.at > prune_events.at THEN
      low := come.no;
      SELECT event.no, event.at INTO come FROM ${s}.event ORDER BY event.no DESC LIMIT 1;
      IF come.at > prune_events.at THEN RETURN; END IF;
      high := come.no;
      WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        SELECT event.no, event.at INTO found FROM ${s}.event WHERE event.no >= middle ORDER BY event.no LIMIT 1;
        IF found.at > prune_events.at THEN
          low := found.no;
        ELSE
          high := middle;
          come := found;
        END IF;
      END LOOP;
    END IF;
    -- Null when others have deleted it meanwhile.
    IF come.at IS NULL OR come.at > old THEN RETURN; END IF;
    WITH first AS (SELECT event.no, event.at FROM ${s}.event ORDER BY event.no LIMIT most)
    SELECT max(first.no) INTO last FROM first
    WHERE first.no < coalesce((SELECT min(young.no) FROM first AS young WHERE young.no > come.no AND young.at > old), ${2n ** 63n - 1n});
    IF last IS NULL THEN RETURN; END IF;
    UPDATE ${s}.meta SET events_lost = greatest(events_lost, last);
    DELETE FROM ${s}.event WHERE event.no <= last;
  END $body$;
`;

/**
 * Deletes of what was written behind a number the first event of each of these jobs that says again in which state the job was. Who reads would
 * pass over them, but not when the events before them are gone.
 */
export const forgetStays: SchemaSql = (s) => `
  DELETE FROM ${s}.event USING (
    SELECT DISTINCT ON (event.seq) event.no, event.state, was.state AS before
    FROM unnest($2::bigint[], $3::text[]) AS was(seq, state) JOIN ${s}.event ON event.seq = was.seq
    WHERE event.no > $1 ORDER BY event.seq, event.no
  ) AS first WHERE event.no = first.no AND first.state = first.before`;
