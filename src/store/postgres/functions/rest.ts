// Moving jobs that wait to another line, another place or another time.
import type { SchemaSql } from "../schema.ts";
import { carried, carriedOf, one, probing } from "./codes.ts";
import { walkUp } from "./ends.ts";
import { placesOf } from "./gates.ts";

const sameReady = "ready.queue = job.queue AND ready.task = job.task AND ready.rank = job.rank AND ready.seq = job.seq";

/**
 * Changes jobs that are blocked, scheduled or ready, and lets them rest anew. What is NULL stays; `new_due` counts when `is_due`. Needs the
 * world to itself.
 */
export const restAnew: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.rest_anew(seqs bigint[], new_queue text, new_rank bigint, is_due boolean, new_due double precision,
    at double precision, OUT readied boolean, OUT next_due double precision, OUT walked bigint[], OUT freed text[]) LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    waiting ${s}.parked[];
    lines text[];
  BEGIN
    WITH found AS MATERIALIZED (
      SELECT NULL::tid AS parked_at, ready.spot AS ready_at_spot, NULL::tid AS standing_at, NULL::text[] AS gate_names,
        NULL::text[] AS gate_untils, NULL AS places, 0 AS number, NULL::text AS gate, 0 AS pending, ${carried("ready")}
      FROM unnest(seqs) AS given(seq) CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = given.seq")}
      CROSS JOIN LATERAL ${one("ready", s, "ctid AS spot, *", sameReady)}
      UNION ALL
      SELECT NULL, ready.spot, NULL, job.gate_names, job.gate_untils,
        CASE WHEN ready.starts IS NULL THEN 'kept' ELSE 'all' END, 0, NULL, 0, ${carriedOf("given.seq", "ready")}
      FROM unnest(seqs) AS given(seq) CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = given.seq")}
      CROSS JOIN LATERAL ${one("ready", s, "ctid AS spot, *", "job.gate_names IS NOT NULL AND ready.job_seq = given.seq")}
      UNION ALL
      SELECT parked.spot, NULL, NULL, NULL, NULL, NULL, 0, NULL, parked.pending, ${carried("parked")}
      FROM unnest(seqs) AS given(seq) CROSS JOIN LATERAL ${one("parked", s, "ctid AS spot, *", "parked.seq = given.seq")}
      UNION ALL
      SELECT NULL, NULL, standing.spot, job.gate_names, job.gate_untils, 'passed', standing.number, standing.gate, 0, ${carried("standing")}
      FROM unnest(seqs) AS given(seq) CROSS JOIN LATERAL ${one("standing", s, "ctid AS spot, *", "standing.seq = given.seq")}
      CROSS JOIN LATERAL ${one("job", s, "gate_names, gate_untils", "job.seq = given.seq")}
    ), gone AS (
      DELETE FROM ${s}.standing WHERE ctid = ANY (ARRAY (SELECT standing_at FROM found WHERE standing_at IS NOT NULL))
    ), unready AS (
      DELETE FROM ${s}.ready WHERE ctid = ANY (ARRAY (SELECT ready_at_spot FROM found WHERE ready_at_spot IS NOT NULL))
    ), unparked AS (
      DELETE FROM ${s}.parked WHERE ctid = ANY (ARRAY (SELECT parked_at FROM found WHERE parked_at IS NOT NULL))
    )
    SELECT array_agg(ROW (seq, false, pending, attempt, crashes, fence, CASE WHEN is_due THEN new_due ELSE due_at END, expires_at, ready_at,
      started_at, error, progress, NULL)::${s}.parked), (SELECT array_agg(name) FROM (${placesOf("found")}) AS back),
      array_agg(gate) FILTER (WHERE gate IS NOT NULL)
    INTO waiting, freed, lines FROM found;
    IF lines IS NOT NULL THEN PERFORM ${s}.leave_lines(lines); END IF;
    UPDATE ${s}.job SET queue = coalesce(new_queue, queue), rank = coalesce(new_rank, rank) WHERE seq = ANY (seqs);
    INSERT INTO ${s}.ready (queue, task, rank, seq, suspect, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error,
      progress)
    SELECT job.queue, job.task, job.rank, resting.seq, resting.crashes > 0 AND resting.crashes >= job.crash_limit, resting.attempt,
      resting.crashes, resting.fence, resting.due_at, resting.expires_at, at, resting.started_at, resting.error, resting.progress
    FROM unnest(waiting) AS resting CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = resting.seq")}
    WHERE resting.pending = 0 AND (resting.due_at IS NULL OR resting.due_at <= at) AND job.gate_names IS NULL;
    readied := FOUND;
    WITH walker AS MATERIALIZED (
      SELECT job.gate_names, job.rank, ${carried("resting")}
      FROM unnest(waiting) AS resting CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = resting.seq")}
      WHERE resting.pending = 0 AND (resting.due_at IS NULL OR resting.due_at <= at) AND job.gate_names IS NOT NULL
    ), to_gates AS (
      ${walkUp(s, "walker")}
    )
    SELECT array_agg(seq) INTO walked FROM walker;
    INSERT INTO ${s}.parked (seq, scheduled, pending, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress)
    SELECT seq, pending = 0, pending, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress
    FROM unnest(waiting) AS resting WHERE pending > 0 OR due_at > at;
    next_due := (SELECT min(due_at) FROM unnest(waiting) AS resting WHERE pending = 0 AND due_at > at);
  END $body$;
`;
