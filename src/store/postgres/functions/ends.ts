// What the end of jobs means for them and for those that need them: the rules of `machine.ts`, in the database.
import type { SchemaSql } from "../schema.ts";
import { carried, one, probing } from "./codes.ts";

const sameReady = `ready.queue = given.queue AND ready.task = given.task AND ready.rank = given.rank
        AND ready.seq = given.seq`;
const nowFree = `parked.seq = needs.seq AND NOT parked.scheduled AND parked.pending <= needs.count
        AND (parked.due_at IS NULL OR parked.due_at <= at)`;

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

/** Takes so many dependencies off jobs that are blocked; true when one of them became ready. */
export const takeOff: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.take_off(above bigint[], counts integer[], at double precision) RETURNS boolean LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    freed integer;
  BEGIN
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

/** Takes done jobs off what their dependants wait for; true when one of those became ready. */
export const releaseAbove: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.release_above(done bigint[], at double precision) RETURNS boolean LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    above bigint[];
    counts integer[];
  BEGIN
    SELECT array_agg(needs.job), array_agg(needs.count) INTO above, counts FROM (
      SELECT edge.job, count(*) AS count FROM unnest(done) AS ended(seq)
      CROSS JOIN LATERAL ${one("edge", s, "job", "edge.dep = ended.seq")} GROUP BY edge.job
    ) AS needs;
    RETURN above IS NOT NULL AND ${s}.take_off(above, counts, at);
  END $body$;
`;

/**
 * Fails what waits for these jobs, which ended otherwise than done, level by level; nearest first, each named by the
 * first that failed it. What tolerates such an end is released. A job that fails was released by those it tolerates that came before the one
 * that failed it.
 */
export const failAbove: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.fail_above(seqs bigint[], causes text[], at double precision, OUT ended jsonb, OUT released boolean)
  LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    above bigint[];
    counts integer[];
  BEGIN
    ended := '[]';
    released := false;
    LOOP
      WITH needs AS MATERIALIZED (
        SELECT edge.job AS seq, below.place, below.cause, count(*) AS count, bool_and(edge.tolerated IS NOT NULL) AS tolerated
        FROM unnest(seqs, causes) WITH ORDINALITY AS below(seq, cause, place)
        CROSS JOIN LATERAL ${one("edge", s, "job, tolerated", "edge.dep = below.seq")}
        CROSS JOIN LATERAL ${one("parked", s, "seq", "parked.seq = edge.job AND NOT parked.scheduled")}
        GROUP BY edge.job, below.place, below.cause
      ), fatal AS MATERIALIZED (
        SELECT DISTINCT ON (seq) seq, place, cause FROM needs WHERE NOT tolerated ORDER BY seq, place
      ), taken AS (
        SELECT needs.seq, sum(needs.count)::integer AS count FROM needs LEFT JOIN fatal ON fatal.seq = needs.seq
        WHERE needs.tolerated AND (fatal.seq IS NULL OR needs.place < fatal.place) GROUP BY needs.seq
      )
      SELECT (SELECT array_agg(seq ORDER BY place, seq) FROM fatal), (SELECT array_agg(cause ORDER BY place, seq) FROM fatal),
        (SELECT array_agg(seq) FROM taken), (SELECT array_agg(count) FROM taken)
      INTO seqs, causes, above, counts;
      IF above IS NOT NULL AND ${s}.take_off(above, counts, at) THEN released := true; END IF;
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
