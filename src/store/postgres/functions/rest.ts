// Moving jobs that wait to another line, another place or another time.
import type { SchemaSql } from "../schema.ts";
import { carried, one, probing } from "./codes.ts";

const sameReady = "ready.queue = job.queue AND ready.task = job.task AND ready.rank = job.rank AND ready.seq = job.seq";

/**
 * Changes jobs that are blocked, scheduled or ready, and lets them rest anew. What is NULL stays; `new_due` counts when `is_due`. Needs the
 * world to itself.
 */
export const restAnew: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.rest_anew(seqs bigint[], new_queue text, new_rank bigint, is_due boolean, new_due double precision,
    at double precision, OUT readied boolean, OUT next_due double precision) LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    waiting ${s}.parked[];
  BEGIN
    WITH found AS MATERIALIZED (
      SELECT NULL::tid AS parked_at, ready.spot AS ready_at_spot, 0 AS pending, ${carried("ready")}
      FROM unnest(seqs) AS given(seq) CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = given.seq")}
      CROSS JOIN LATERAL ${one("ready", s, "ctid AS spot, *", sameReady)}
      UNION ALL
      SELECT parked.spot, NULL, parked.pending, ${carried("parked")}
      FROM unnest(seqs) AS given(seq) CROSS JOIN LATERAL ${one("parked", s, "ctid AS spot, *", "parked.seq = given.seq")}
    ), unready AS (
      DELETE FROM ${s}.ready WHERE ctid = ANY (ARRAY (SELECT ready_at_spot FROM found WHERE ready_at_spot IS NOT NULL))
    ), unparked AS (
      DELETE FROM ${s}.parked WHERE ctid = ANY (ARRAY (SELECT parked_at FROM found WHERE parked_at IS NOT NULL))
    )
    SELECT array_agg(ROW (seq, false, pending, attempt, crashes, fence, CASE WHEN is_due THEN new_due ELSE due_at END, expires_at, ready_at,
      started_at, error, progress, NULL)::${s}.parked) INTO waiting FROM found;
    UPDATE ${s}.job SET queue = coalesce(new_queue, queue), rank = coalesce(new_rank, rank) WHERE seq = ANY (seqs);
    INSERT INTO ${s}.ready (queue, task, rank, seq, suspect, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error,
      progress)
    SELECT job.queue, job.task, job.rank, resting.seq, resting.crashes > 0 AND resting.crashes >= job.crash_limit, resting.attempt,
      resting.crashes, resting.fence, resting.due_at, resting.expires_at, at, resting.started_at, resting.error, resting.progress
    FROM unnest(waiting) AS resting CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = resting.seq")}
    WHERE resting.pending = 0 AND (resting.due_at IS NULL OR resting.due_at <= at);
    readied := FOUND;
    INSERT INTO ${s}.parked (seq, scheduled, pending, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress)
    SELECT seq, pending = 0, pending, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress
    FROM unnest(waiting) AS resting WHERE pending > 0 OR due_at > at;
    next_due := (SELECT min(due_at) FROM unnest(waiting) AS resting WHERE pending = 0 AND due_at > at);
  END $body$;
`;
