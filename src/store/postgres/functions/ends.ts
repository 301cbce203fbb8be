// What the end of jobs means for them and for those that need them: the rules of `machine.ts`, in the database.
import type { SchemaSql } from "../schema.ts";
import { endedBit, one, probing, readyBit, workerLockSeed } from "./codes.ts";

/** What a job brings along from state to state. */
const carried = (row: string): string =>
  "seq attempt crashes fence due_at expires_at ready_at started_at error progress"
    .split(" ")
    .map((column) => `${row}.${column}`)
    .join(", ");

/** How an ended job is written in the lists of ended jobs; see `toEnded` in `columns.ts`. */
const endedList = (row: string, state: string, result: string, cause: string): string =>
  `jsonb_build_array(${row}.id, ${row}.task, ${state}, ${result}, ${row}.error, ${cause}, ${row}.cancel_reason, ${row}.crashes,
        ${row}.worker)`;

const sameReady = `ready.queue = given.queue AND ready.task = given.task AND ready.rank = given.rank
        AND ready.seq = given.seq`;
const nowFree = `parked.seq = needs.seq AND NOT parked.scheduled AND parked.pending <= needs.count
        AND (parked.due_at IS NULL OR parked.due_at <= at)`;
const sameClaim = `running.seq = given.seq AND running.worker = by_worker
        AND (given.fence IS NULL OR running.fence = given.fence)`;

/** Gives back the unique keys that these jobs hold. */
export const freeKeys: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.free_keys(seqs bigint[]) RETURNS void LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    DELETE FROM ${s}.holder WHERE seq = ANY (seqs) AND key = ANY (ARRAY (
      SELECT job.unique_key FROM unnest(seqs) AS free(seq) CROSS JOIN LATERAL ${one("job", s, "unique_key", "job.seq = free.seq")}
      WHERE job.unique_key IS NOT NULL));
  END $body$;
`;

/** Ends jobs that do not run. Those that are not waiting any more are passed over. */
export const endWaiting: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.end_waiting(seqs bigint[], to_state text, causes text[], reason text, at double precision)
  RETURNS void LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    WITH given AS MATERIALIZED (
      SELECT list.seq, list.cause, job.queue, job.task, job.rank, job.keep_ms FROM unnest(seqs, causes) AS list(seq, cause)
      CROSS JOIN LATERAL ${one("job", s, "queue, task, rank, keep_ms", "job.seq = list.seq")}
    ), found AS MATERIALIZED (
      SELECT given.keep_ms, given.cause, parked.pending, parked.spot AS parked_at, NULL::tid AS ready_at_spot, ${carried("parked")}
      FROM given CROSS JOIN LATERAL ${one("parked", s, "ctid AS spot, *", "parked.seq = given.seq")}
      UNION ALL
      SELECT given.keep_ms, given.cause, 0, NULL, ready.spot, ${carried("ready")}
      FROM given CROSS JOIN LATERAL ${one("ready", s, "ctid AS spot, *", sameReady)}
    ), unparked AS (
      DELETE FROM ${s}.parked WHERE ctid = ANY (ARRAY (SELECT parked_at FROM found WHERE parked_at IS NOT NULL))
    ), unready AS (
      DELETE FROM ${s}.ready WHERE ctid = ANY (ARRAY (SELECT ready_at_spot FROM found WHERE ready_at_spot IS NOT NULL))
    )
    INSERT INTO ${s}.ended (seq, state, pending, ended_at, prune_at, cancel_reason, cause, attempt, crashes, fence, due_at, expires_at,
      ready_at, started_at, error, progress)
    SELECT seq, to_state, pending, at, at + keep_ms, reason, cause, attempt, crashes, fence, due_at, expires_at, ready_at, started_at,
      error, progress
    FROM found;
    PERFORM ${s}.free_keys(seqs);
  END $body$;
`;

/**
 * Fails what waits for these jobs, which ended otherwise than done, level by level; nearest first, each named by the
 * first that failed it.
 */
export const failAbove: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.fail_above(seqs bigint[], causes text[], at double precision, OUT ended jsonb) LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    ended := '[]';
    LOOP
      SELECT array_agg(above.seq ORDER BY above.place, above.seq), array_agg(above.cause ORDER BY above.place, above.seq)
      INTO seqs, causes FROM (
        SELECT DISTINCT ON (edge.job) edge.job AS seq, below.place, below.cause
        FROM unnest(seqs, causes) WITH ORDINALITY AS below(seq, cause, place)
        CROSS JOIN LATERAL ${one("edge", s, "job", "edge.dep = below.seq")}
        CROSS JOIN LATERAL ${one("parked", s, "seq", "parked.seq = edge.job AND NOT parked.scheduled")}
        ORDER BY edge.job, below.place
      ) AS above;
      EXIT WHEN seqs IS NULL;
      PERFORM 1 FROM ${s}.parked WHERE seq = ANY (seqs) ORDER BY seq FOR UPDATE;
      PERFORM ${s}.end_waiting(seqs, 'failed', causes, NULL, at);
      ended := ended || (
        SELECT jsonb_agg(jsonb_build_array(job.id, job.task, 'failed', NULL, NULL, above.cause, NULL, 0, NULL) ORDER BY above.place)
        FROM unnest(seqs, causes) WITH ORDINALITY AS above(seq, cause, place)
        CROSS JOIN LATERAL ${one("job", s, "id, task", "job.seq = above.seq")});
    END LOOP;
  END $body$;
`;

/** Takes done jobs off what their dependants wait for; true when one of those became ready. */
export const releaseAbove: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.release_above(done bigint[], at double precision) RETURNS boolean LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    above bigint[];
    counts integer[];
    freed integer;
  BEGIN
    SELECT array_agg(needs.job), array_agg(needs.count) INTO above, counts FROM (
      SELECT edge.job, count(*) AS count FROM unnest(done) AS ended(seq)
      CROSS JOIN LATERAL ${one("edge", s, "job", "edge.dep = ended.seq")} GROUP BY edge.job
    ) AS needs;
    IF above IS NULL THEN RETURN false; END IF;
    -- Two workers may release the same jobs: in one order, lest each wait for the other.
    PERFORM 1 FROM ${s}.parked WHERE seq = ANY (above) ORDER BY seq FOR UPDATE;
    WITH free AS MATERIALIZED (
      SELECT parked.spot, job.queue, job.task, job.rank, ${carried("parked")}
      FROM unnest(above, counts) AS needs(seq, count)
      CROSS JOIN LATERAL ${one("parked", s, "ctid AS spot, *", nowFree)}
      CROSS JOIN LATERAL ${one("job", s, "queue, task, rank", "job.seq = needs.seq")}
    ), gone AS (
      DELETE FROM ${s}.parked WHERE ctid = ANY (ARRAY (SELECT spot FROM free))
    )
    INSERT INTO ${s}.ready (queue, task, rank, seq, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress)
    SELECT queue, task, rank, seq, attempt, crashes, fence, due_at, expires_at, at, started_at, error, progress FROM free;
    GET DIAGNOSTICS freed = ROW_COUNT;
    IF freed < cardinality(above) THEN
      UPDATE ${s}.parked SET pending = pending - needs.count, scheduled = pending <= needs.count
      FROM (
        SELECT parked.spot, needs.count FROM unnest(above, counts) AS needs(seq, count)
        CROSS JOIN LATERAL ${one("parked", s, "ctid AS spot", "parked.seq = needs.seq AND NOT parked.scheduled")} OFFSET 0
      ) AS needs
      WHERE parked.ctid = needs.spot;
    END IF;
    RETURN freed > 0;
  END $body$;
`;

/** Ends attempts otherwise than done. A fence that is null fits every claim. */
export const stop: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.stop(by_worker text, seqs bigint[], fences integer[], kinds text[], texts text[], dues double precision[],
    at double precision, OUT places bigint[], OUT ended jsonb, OUT happened integer) LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    fallen bigint[];
    causes text[];
    held bigint[];
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(by_worker, ${workerLockSeed}));
    WITH found AS MATERIALIZED (
      SELECT given.kind, given.words, given.due, given.place, running.*
      FROM unnest(seqs, fences, kinds, texts, dues) WITH ORDINALITY AS given(seq, fence, kind, words, due, place)
      CROSS JOIN LATERAL ${one("running", s, "ctid AS spot, *", sameClaim)}
    ), gone AS (
      DELETE FROM ${s}.running WHERE ctid = ANY (ARRAY (SELECT spot FROM found))
    ), after AS MATERIALIZED (
      SELECT found.seq, found.place, found.kind, job.id, job.task, job.queue, job.rank, job.crash_limit, found.keep_ms, found.keyed,
        found.worker, found.cancel_at, found.cancel_reason, found.fence, found.expires_at, found.ready_at, found.started_at, found.progress,
        CASE WHEN found.kind IN ('failed', 'cancelled') THEN found.kind
          WHEN found.cancel_at IS NOT NULL THEN 'cancelled'
          WHEN found.kind = 'retry' AND found.due > at THEN 'scheduled'
          WHEN found.kind IN ('crashed', 'lost') AND found.crashes + 1 > job.crash_limit THEN 'failed'
          ELSE 'ready' END AS state,
        CASE WHEN found.kind = 'released' THEN found.attempt - 1 ELSE found.attempt END AS attempt,
        CASE WHEN found.kind IN ('crashed', 'lost') THEN found.crashes + 1 ELSE found.crashes END AS crashes,
        CASE WHEN found.kind = 'retry' THEN found.due ELSE found.due_at END AS due_at,
        CASE WHEN found.kind = 'lost' THEN NULL
          WHEN found.kind IN ('failed', 'retry', 'crashed') THEN found.words
          ELSE found.error END AS error
      FROM found CROSS JOIN LATERAL ${one("job", s, "id, task, queue, rank, crash_limit", "job.seq = found.seq")}
    ), to_ended AS (
      INSERT INTO ${s}.ended (seq, state, worker, ended_at, prune_at, cancel_at, cancel_reason, attempt, crashes, fence, due_at, expires_at,
        ready_at, started_at, error, progress)
      SELECT seq, state, worker, at, at + keep_ms, cancel_at, cancel_reason, attempt, crashes, fence, due_at, expires_at,
        ready_at, started_at, error, progress
      FROM after WHERE state IN ('failed', 'cancelled')
    ), to_ready AS (
      INSERT INTO ${s}.ready (queue, task, rank, seq, suspect, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error,
        progress)
      SELECT queue, task, rank, seq, crashes > 0 AND crashes >= crash_limit, attempt, crashes, fence, due_at, expires_at, at, started_at,
        error, progress
      FROM after WHERE state = 'ready'
    ), to_parked AS (
      INSERT INTO ${s}.parked (seq, scheduled, pending, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress)
      SELECT seq, true, 0, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress
      FROM after WHERE state = 'scheduled'
    )
    SELECT array_agg(place), array_agg(seq ORDER BY place) FILTER (WHERE state IN ('failed', 'cancelled')),
      array_agg(id ORDER BY place) FILTER (WHERE state IN ('failed', 'cancelled')),
      array_agg(seq) FILTER (WHERE keyed AND state IN ('failed', 'cancelled')),
      coalesce(jsonb_agg(${endedList("after", "state", "NULL", "NULL")} ORDER BY place)
        FILTER (WHERE state IN ('failed', 'cancelled') AND state <> kind), '[]'),
      coalesce(bit_or(CASE state WHEN 'ready' THEN ${readyBit} WHEN 'scheduled' THEN 0 ELSE ${endedBit} END), 0)
    INTO places, fallen, causes, held, ended, happened FROM after;
    IF held IS NOT NULL THEN PERFORM ${s}.free_keys(held); END IF;
    IF fallen IS NOT NULL THEN ended := ended || ${s}.fail_above(fallen, causes, at); END IF;
  END $body$;
`;
