// Ending attempts otherwise than done: the rules of `afterAttempt` in `machine.ts`, in the database.
import { attemptsKept, cancelSignal, dueSoonMs, signalPrefix, undoPrefix } from "../../machine.ts";
import type { SchemaSql } from "../schema.ts";
import { endedBit, one, probing, readyBit, scheduledBit, workerLockSeed } from "./codes.ts";
import { walkUp } from "./ends.ts";
import { beginsWith } from "./records.ts";

/** How an ended job is written in the lists of ended jobs; see `toEnded` in `columns.ts`. */
const endedList = (row: string, state: string, result: string, cause: string): string =>
  `jsonb_build_array(${row}.id, ${row}.task, ${state}, ${result}, ${row}.error, ${cause}, ${row}.cancel_reason, ${row}.crashes,
        ${row}.worker)`;

const sameClaim = `running.seq = given.seq AND running.worker = by_worker
        AND (given.fence IS NULL OR running.fence = given.fence)`;

/** How many records of a kind a job has. */
const recorded = (s: string, prefix: string): string =>
  `(SELECT count(*) FROM ${s}.record WHERE record.seq = found.seq AND ${beginsWith("record.name", `'${prefix}'`)})`;

/** The name of the record of an attempt; see `attemptRecord`. */
const attemptName = (fence: string): string => `'attempt/' || lpad((${fence})::text, 10, '0')`;

/** Ends attempts otherwise than done. A fence that is null fits every claim. */
export const stop: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.stop(by_worker text, seqs bigint[], fences integer[], kinds text[], texts text[], dues double precision[],
    seens integer[], at double precision, OUT places bigint[], OUT ended jsonb, OUT happened integer, OUT walked bigint[], OUT freed text[]) LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    fallen bigint[];
    causes text[];
    held bigint[];
    failed record;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(by_worker, ${workerLockSeed}));
    -- A signal that comes while a job is suspended is counted here, or finds it suspended.
    PERFORM 1 FROM ${s}.job WHERE seq = ANY (ARRAY (
      SELECT given.seq FROM unnest(seqs, kinds) AS given(seq, kind) WHERE given.kind = 'waiting')) ORDER BY seq FOR NO KEY UPDATE;
    WITH found AS MATERIALIZED (
      SELECT given.kind, given.words, given.due, given.seen, given.place, running.*
      FROM unnest(seqs, fences, kinds, texts, dues, seens) WITH ORDINALITY AS given(seq, fence, kind, words, due, seen, place)
      CROSS JOIN LATERAL ${one("running", s, "ctid AS spot, *", sameClaim)}
    ), gone AS (
      DELETE FROM ${s}.running WHERE ctid = ANY (ARRAY (SELECT spot FROM found))
    ), after AS MATERIALIZED (
      SELECT found.seq, found.place, found.kind, found.words, job.id, job.task, job.queue, job.rank, job.crash_limit, found.keep_ms, found.keyed,
        job.gate_names, found.line_seq, found.stops,
        found.worker, found.cancel_at, found.cancel_reason, found.fence, found.ready_at, found.started_at, found.progress,
        CASE WHEN found.kind IN ('failed', 'cancelled') THEN found.kind
          WHEN found.kind IN ('crashed', 'lost') AND found.crashes + 1 > job.crash_limit
            THEN CASE WHEN found.cancel_at IS NULL THEN 'failed' ELSE 'cancelled' END
          WHEN found.cancel_at IS NOT NULL THEN CASE WHEN ${recorded(s, undoPrefix)} > 0 THEN 'ready' ELSE 'cancelled' END
          WHEN found.kind = 'retry' AND found.due > at THEN 'scheduled'
          WHEN found.kind = 'waiting' AND found.due <= at THEN 'ready'
          WHEN found.kind = 'waiting' AND ${recorded(s, signalPrefix)} <= found.seen THEN 'waiting'
          ELSE 'ready' END AS state,
        CASE WHEN found.kind IN ('released', 'waiting') THEN found.attempt - 1 ELSE found.attempt END AS attempt,
        CASE WHEN found.kind IN ('crashed', 'lost') THEN found.crashes + 1 ELSE found.crashes END AS crashes,
        CASE WHEN found.kind IN ('retry', 'waiting') THEN found.due ELSE found.due_at END AS due_at,
        CASE WHEN found.kind = 'waiting' THEN NULL
          WHEN found.kind = 'released' AND found.expires_at IS NOT NULL AND ${recorded(s, undoPrefix)} > 0 THEN NULL
          ELSE found.expires_at END AS expires_at,
        CASE WHEN found.kind = 'lost' THEN NULL
          WHEN found.kind IN ('failed', 'retry', 'crashed') THEN found.words
          ELSE found.error END AS error
      FROM found CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = found.seq")}
    ), placed AS MATERIALIZED (
      SELECT *, state = 'ready' AND kind IN ('crashed', 'lost', 'released') AS comes_back FROM after
    ), to_ended AS (
      INSERT INTO ${s}.ended (seq, state, worker, ended_at, prune_at, cancel_at, cancel_reason, attempt, crashes, fence, due_at, expires_at,
        ready_at, started_at, error, progress)
      SELECT seq, state, worker, at, at + keep_ms, cancel_at, cancel_reason, attempt, crashes, fence, due_at, expires_at,
        ready_at, started_at, error, progress
      FROM after WHERE state IN ('failed', 'cancelled')
    ), to_ready AS (
      INSERT INTO ${s}.ready (queue, task, rank, seq, job_seq, suspect, attempt, crashes, fence, due_at, expires_at, ready_at, started_at,
        error, progress)
      SELECT queue, task, rank, coalesce(line_seq, seq), CASE WHEN line_seq IS NOT NULL THEN seq END, crashes > 0 AND crashes >= crash_limit, attempt, crashes, fence,
        due_at, expires_at, at, started_at, error, progress
      FROM placed WHERE state = 'ready' AND (comes_back OR gate_names IS NULL)
    ), to_gates AS (
      ${walkUp(s, "(SELECT * FROM placed WHERE state = 'ready' AND NOT comes_back) AS walker")}
    ), to_parked AS (
      INSERT INTO ${s}.parked (seq, scheduled, pending, waits, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error,
        progress)
      SELECT seq, true, 0, CASE state WHEN 'waiting' THEN words END, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error,
        progress
      FROM after WHERE state IN ('scheduled', 'waiting')
    ), recorded AS (
      INSERT INTO ${s}.record (seq, name, words)
      SELECT seq, ${attemptName("fence")}, format('["%s",%s,%s,%s,%s]', kind, ${s}.json_text(worker), started_at, at, ${s}.json_text(error))
      FROM after WHERE kind IN ('retry', 'crashed', 'lost') AND state IN ('ready', 'scheduled')
      ON CONFLICT (seq, name) DO UPDATE SET words = excluded.words
    ), asked AS (
      INSERT INTO ${s}.record (seq, name, words) SELECT seq, '${cancelSignal}', ${s}.json_text(cancel_reason)
      FROM after WHERE cancel_at IS NOT NULL AND state = 'ready'
      ON CONFLICT (seq, name) DO UPDATE SET words = excluded.words
    ), forgotten AS (
      DELETE FROM ${s}.record USING after
      WHERE record.seq = after.seq AND record.name = ${attemptName(`after.fence - ${attemptsKept}`)} AND after.fence > ${attemptsKept}
        AND after.kind IN ('retry', 'crashed', 'lost') AND after.state IN ('ready', 'scheduled')
    )
    SELECT array_agg(place), array_agg(seq ORDER BY place) FILTER (WHERE state IN ('failed', 'cancelled')),
      array_agg(id ORDER BY place) FILTER (WHERE state IN ('failed', 'cancelled')),
      array_agg(seq) FILTER (WHERE keyed AND state IN ('failed', 'cancelled')),
      coalesce(jsonb_agg(${endedList("placed", "state", "NULL", "NULL")} ORDER BY place)
        FILTER (WHERE state IN ('failed', 'cancelled') AND state <> kind), '[]'),
      coalesce(bit_or(CASE state WHEN 'ready' THEN ${readyBit} WHEN 'scheduled' THEN 0
        WHEN 'waiting' THEN CASE WHEN due_at <= at + ${dueSoonMs} THEN ${scheduledBit} ELSE 0 END ELSE ${endedBit} END), 0),
      array_agg(seq) FILTER (WHERE state = 'ready' AND NOT comes_back AND gate_names IS NOT NULL),
      (SELECT array_agg(name) FROM placed CROSS JOIN LATERAL unnest(placed.stops) AS gate(name) WHERE NOT comes_back)
    INTO places, fallen, causes, held, ended, happened, walked, freed FROM placed;
    IF held IS NOT NULL THEN PERFORM ${s}.free_keys(held); END IF;
    IF fallen IS NULL THEN RETURN; END IF;
    SELECT * INTO failed FROM ${s}.fail_above(fallen, causes, at);
    ended := ended || failed.ended;
    walked := walked || failed.walked;
    IF failed.readied THEN happened := happened | ${readyBit}; END IF;
  END $body$;
`;
