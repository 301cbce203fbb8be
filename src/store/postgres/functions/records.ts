// Records: texts that belong to a job or to the store.
import { signalPrefix } from "../../machine.ts";
import type { SchemaSql } from "../schema.ts";
import { walkUp } from "./ends.ts";
import { carried, one, ownBit, probing, readyBit, workerLockSeed, writtenBit } from "./codes.ts";

/** A condition on a name, which is ASCII, that an index can use. */
export function beginsWith(name: string, prefix: string): string {
  return `${name} >= ${prefix} AND ${name} < ${prefix} || chr(128)`;
}

/** A stored text, or null, as JSON. A NUL is stored as two characters; see `text.ts`. */
export const jsonText: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.json_text(words text) RETURNS text LANGUAGE sql IMMUTABLE AS $body$
    SELECT CASE WHEN words IS NULL THEN 'null' WHEN strpos(words, chr(1)) = 0 THEN to_json(words)::text
      ELSE '"' || (
        SELECT string_agg(substr(quoted, 2, length(quoted) - 2), '\\u0000' ORDER BY no)
        FROM unnest(string_to_array(words, chr(1) || '0')) WITH ORDINALITY AS piece(part, no)
        CROSS JOIN LATERAL (SELECT to_json(replace(part, chr(1) || '1', chr(1)))::text AS quoted) AS written
      ) || '"' END
  $body$;
`;

/**
 * Makes suspended jobs ready, and scheduled ones where that is asked; those that are not, or not any more, are passed over. Says whether one became ready, and which walked up to
 * a gate.
 */
export const wake: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.wake(seqs bigint[], at double precision, with_scheduled boolean, OUT readied boolean, OUT walked bigint[]) LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    WITH found AS MATERIALIZED (
      SELECT parked.spot, job.queue, job.task, job.rank, job.crash_limit, job.gate_names, ${carried("parked")}
      FROM unnest(seqs) AS given(seq)
      CROSS JOIN LATERAL ${one("parked", s, "ctid AS spot, *", "parked.seq = given.seq AND (parked.waits IS NOT NULL OR (with_scheduled AND parked.scheduled))")}
      CROSS JOIN LATERAL ${one("job", s, "queue, task, rank, crash_limit, gate_names", "job.seq = given.seq")}
    ), gone AS (
      DELETE FROM ${s}.parked WHERE ctid = ANY (ARRAY (SELECT spot FROM found))
    ), to_ready AS (
      INSERT INTO ${s}.ready (queue, task, rank, seq, suspect, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error,
        progress)
      SELECT queue, task, rank, seq, crashes > 0 AND crashes >= crash_limit, attempt, crashes, fence, due_at, expires_at, at, started_at,
        error, progress
      FROM found WHERE gate_names IS NULL
    ), to_gates AS (
      ${walkUp(s, "found")}
    )
    SELECT count(*) > count(gate_names), array_agg(seq) FILTER (WHERE gate_names IS NOT NULL) INTO readied, walked FROM found;
  END $body$;
`;

const isRunning = "running.seq = given.seq AND running.worker = given.worker AND running.fence = given.fence";

/**
 * Writes records. Whoever signals a job has its row locked, as has whoever suspends it; what an attempt writes goes by the lock of its
 * worker.
 */
export const writeRecords: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.write_records(jobs text[], names text[], texts text[], workers text[], fences integer[], tells boolean[],
    at double precision, world bigint, channel text, origin text, may_tell integer, must_tell integer,
    OUT written boolean[], OUT happened integer, OUT told integer, OUT left_over boolean) LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    seqs bigint[];
    signalled bigint[];
    woken record;
    passed record;
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(world);
    PERFORM pg_advisory_xact_lock(hashtextextended(name, ${workerLockSeed}))
    FROM (SELECT DISTINCT name FROM unnest(workers) AS writer(name) WHERE name IS NOT NULL ORDER BY name) AS writer;
    seqs := ARRAY (
      SELECT CASE given.id WHEN '' THEN 0 ELSE (SELECT job.seq FROM ${s}.job WHERE job.id = given.id) END
      FROM unnest(jobs) WITH ORDINALITY AS given(id, place) ORDER BY given.place);
    signalled := ARRAY (
      SELECT DISTINCT given.seq FROM unnest(seqs, names) AS given(seq, name)
      WHERE given.seq <> 0 AND ${beginsWith("given.name", `'${signalPrefix}'`)});
    PERFORM 1 FROM ${s}.job WHERE seq = ANY (signalled) ORDER BY seq FOR NO KEY UPDATE;
    written := ARRAY (
      SELECT CASE WHEN given.seq IS NULL THEN false WHEN given.seq = 0 THEN true
        WHEN given.worker IS NULL THEN (SELECT ended.seq FROM ${s}.ended WHERE ended.seq = given.seq) IS NULL
        ELSE (SELECT running.seq FROM ${s}.running WHERE ${isRunning}) IS NOT NULL END
      FROM unnest(seqs, workers, fences) WITH ORDINALITY AS given(seq, worker, fence, place) ORDER BY given.place);
    WITH last AS MATERIALIZED (
      SELECT DISTINCT ON (given.seq, given.name) given.seq, given.name, given.words
      FROM unnest(seqs, names, texts, written) WITH ORDINALITY AS given(seq, name, words, counts, place)
      WHERE given.counts ORDER BY given.seq, given.name, given.place DESC
    ), gone AS (
      DELETE FROM ${s}.record USING last WHERE record.seq = last.seq AND record.name = last.name AND last.words IS NULL
    )
    INSERT INTO ${s}.record (seq, name, words) SELECT seq, name, words FROM last WHERE words IS NOT NULL ORDER BY seq, name
    ON CONFLICT (seq, name) DO UPDATE SET words = excluded.words;
    happened := 0;
    left_over := false;
    signalled := ARRAY (
      SELECT DISTINCT given.seq FROM unnest(seqs, names, written) AS given(seq, name, counts)
      WHERE given.counts AND given.seq <> 0 AND ${beginsWith("given.name", `'${signalPrefix}'`)});
    IF cardinality(signalled) > 0 THEN
      SELECT * INTO woken FROM ${s}.wake(signalled, at, false);
      IF woken.readied THEN happened := ${readyBit}; END IF;
      IF woken.walked IS NOT NULL THEN
        SELECT * INTO passed FROM ${s}.pass_gates(woken.walked, NULL, NULL, at, NULL);
        happened := happened | passed.happened;
        left_over := passed.left_over;
      END IF;
    END IF;
    SELECT happened | coalesce(bit_or(CASE given.seq WHEN 0 THEN ${ownBit} ELSE ${writtenBit} END), 0) INTO happened
    FROM unnest(seqs, written, tells) AS given(seq, counts, tell) WHERE given.counts AND given.tell;
    told := must_tell | (may_tell & happened);
    IF told <> 0 THEN PERFORM pg_notify(channel, origin || told); END IF;
  END $body$;
`;
