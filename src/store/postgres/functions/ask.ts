// Questions that are asked on every wake-up and every few seconds.
import type { SchemaSql } from "../schema.ts";
import { one, probing, workerLockSeed } from "./codes.ts";

/**
 * Those of these jobs that have ended. Left to itself the server would rather read all jobs there are, while they are
 * few.
 */
export const endings: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.endings(ids text[]) RETURNS TABLE (id text, task text, state text, result text, error text, cause text,
    cancel_reason text, crashes integer, worker text) LANGUAGE plpgsql STABLE ${probing} AS $body$
  #variable_conflict use_column
  BEGIN
    RETURN QUERY SELECT job.id, job.task, ended.state, ended.result, ended.error, ended.cause, ended.cancel_reason, ended.crashes,
        ended.worker FROM unnest(ids) WITH ORDINALITY AS asked(id, no)
      CROSS JOIN LATERAL ${one("job", s, "*", "job.id = asked.id")}
      CROSS JOIN LATERAL ${one("ended", s, "*", "ended.seq = job.seq")} ORDER BY asked.no;
  END $body$;
`;

/** Whether a tend would find something to do, and whether there may be old events; the server's clock; when the next scheduled job is due. */
export const look: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.look(at double precision, OUT clock double precision, OUT next_due double precision, OUT busy boolean,
    OUT old_events boolean) LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    clock := extract(epoch FROM clock_timestamp()) * 1000;
    next_due := least((SELECT due_at FROM ${s}.parked WHERE scheduled ORDER BY due_at, seq LIMIT 1),
      (SELECT next_at FROM ${s}.gate WHERE next_at IS NOT NULL ORDER BY next_at, name LIMIT 1));
    busy := coalesce(next_due <= at, false)
      OR EXISTS (SELECT 1 FROM ${s}.worker WHERE lease_until <= at)
      OR EXISTS (SELECT 1 FROM ${s}.ready WHERE expires_at IS NOT NULL AND attempt = 0 AND expires_at <= at)
      OR EXISTS (SELECT 1 FROM ${s}.parked WHERE expires_at IS NOT NULL AND attempt = 0 AND expires_at <= at)
      OR EXISTS (SELECT 1 FROM ${s}.standing WHERE expires_at IS NOT NULL AND attempt = 0 AND expires_at <= at)
      OR EXISTS (SELECT 1 FROM ${s}.gate WHERE forget_at <= look.at)
      OR EXISTS (SELECT 1 FROM ${s}.gate_note)
      OR EXISTS (SELECT 1 FROM ${s}.ended WHERE prune_at <= at);
    -- What a clock wrote that was ahead may be old.
    old_events := (SELECT events_kept > 0 AND (first.at <= look.at - events_kept OR first.at > look.at)
      FROM ${s}.meta, (SELECT event.at FROM ${s}.event ORDER BY no LIMIT 1) AS first);
  END $body$;
`;

const noted = "running.seq = job.seq AND running.worker = by_worker AND running.fence = given.fence";

/** Writes one column of running jobs. Under the lock of the worker, since whoever ends an attempt counts on its row to stay where it is. */
const writing = (s: string, name: string, column: "progress" | "waits"): string => `
  CREATE FUNCTION ${s}.${name}(by_worker text, ids text[], fences integer[], texts text[]) RETURNS void LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(hashtextextended(by_worker, ${workerLockSeed}));
    UPDATE ${s}.running SET ${column} = given.words FROM (
      SELECT running.spot, given.words FROM unnest(ids, fences, texts) AS given(id, fence, words)
      CROSS JOIN LATERAL ${one("job", s, "seq", "job.id = given.id")}
      CROSS JOIN LATERAL ${one("running", s, "ctid AS spot", noted)}
      OFFSET 0
    ) AS given WHERE running.ctid = given.spot;
  END $body$;
`;

/** Records progress. */
export const note: SchemaSql = (s) => writing(s, "note", "progress");

/** Says which attempts wait in their worker's memory. */
export const suspend: SchemaSql = (s) => writing(s, "suspend", "waits");
