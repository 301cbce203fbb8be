// Recording outcomes and claiming, in one call: the rules of `want.ts` and of the memory store's claims, in the database.
import type { SchemaSql } from "../schema.ts";
import { endedBit, one, probing, readyBit, staleSeq, workerLockSeed } from "./codes.ts";

/** The places of the ready jobs to give out from one queue, locked. */
export const choose: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.choose(from_queue text, tasks text[], room integer, suspect_seq bigint, at double precision)
  RETURNS tid[] LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    spots tid[];
    locked tid[];
    seen integer := 0;
    page integer := room;
  BEGIN
    IF cardinality(tasks) = 1 THEN
      RETURN ARRAY (
        SELECT ctid FROM ${s}.ready
        WHERE queue = from_queue AND task = tasks[1] AND (expires_at IS NULL OR expires_at > at OR attempt > 0)
          AND (NOT suspect OR seq = suspect_seq)
        ORDER BY queue, task, rank, seq LIMIT room FOR UPDATE SKIP LOCKED);
    END IF;
    LOOP
      SELECT array_agg(head.place) INTO spots
      FROM unnest(tasks) AS wanted(task) CROSS JOIN LATERAL (
        SELECT ready.ctid AS place FROM ${s}.ready
        WHERE ready.queue = from_queue AND ready.task = wanted.task
          AND (ready.expires_at IS NULL OR ready.expires_at > at OR ready.attempt > 0) AND (NOT ready.suspect OR ready.seq = suspect_seq)
        ORDER BY ready.queue, ready.task, ready.rank, ready.seq LIMIT page
      ) AS head;
      locked := ARRAY (
        SELECT ctid FROM ${s}.ready
        WHERE ctid = ANY (spots) AND queue = from_queue AND task = ANY (tasks)
          AND (expires_at IS NULL OR expires_at > at OR attempt > 0) AND (NOT suspect OR seq = suspect_seq)
        ORDER BY rank, seq LIMIT room FOR UPDATE SKIP LOCKED);
      -- What others hold was in the way: look further, until there is no more.
      IF cardinality(locked) >= room OR coalesce(cardinality(spots), 0) IN (cardinality(locked), seen) THEN RETURN locked; END IF;
      seen := cardinality(spots);
      page := least(page::bigint * 2, 2147483647);
    END LOOP;
  END $body$;
`;

const sameClaim = "running.seq = given.seq AND running.worker = by_worker AND running.fence = given.fence";

const claimed = `seq bigint, id text, task text, queue text, args text, policy text, attempt integer, crashes integer, fence integer,
    root text, parent text, trace text, dependencies integer, submitted_at double precision`;

/** The first row says in `head` what was recorded; the others are the jobs claimed. */
export const settle: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.settle(by_worker text, at double precision, world bigint, strict boolean,
    done_seqs bigint[], done_fences integer[], done_results text[],
    other_seqs bigint[], other_fences integer[], other_kinds text[], other_texts text[], other_dues double precision[],
    other_seens integer[], wants json, channel text, origin text, number bigint, may_tell integer, must_tell integer)
  RETURNS TABLE (head json, ${claimed}) LANGUAGE plpgsql ${probing} AS $body$
  #variable_conflict use_column
  DECLARE
    happened integer := 0;
    done bigint[];
    done_places bigint[];
    keys bigint[];
    stopped record;
    other_places bigint[];
    missing integer := coalesce(cardinality(done_seqs), 0) + coalesce(cardinality(other_seqs), 0);
    ended jsonb := '[]';
    told integer;
    want json;
    asked text[];
    filled text[];
    tasks text[];
    room_left bigint;
    room integer;
    spots tid[];
    may_suspect boolean;
    suspect_seq bigint;
    got integer;
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(world);
    PERFORM pg_advisory_xact_lock(hashtextextended(by_worker, ${workerLockSeed}));
    -- A claim alone waits for the disk, too: workers outlive a server that crashes, and a claim it had forgotten would be
    -- made again under the same fence.
    IF done_seqs IS NOT NULL THEN
      WITH found AS MATERIALIZED (
        SELECT given.result, given.place, running.*
        FROM unnest(done_seqs, done_fences, done_results) WITH ORDINALITY AS given(seq, fence, result, place)
        CROSS JOIN LATERAL ${one("running", s, "ctid AS spot, *", sameClaim)}
      ), gone AS (
        DELETE FROM ${s}.running WHERE ctid = ANY (ARRAY (SELECT spot FROM found))
      ), to_ended AS (
        INSERT INTO ${s}.ended (seq, state, worker, ended_at, prune_at, cancel_at, cancel_reason, attempt, crashes, fence, due_at,
          expires_at, ready_at, started_at, error, progress, result)
        SELECT seq, 'done', worker, at, at + keep_ms, cancel_at, cancel_reason, attempt, crashes, fence, due_at,
          expires_at, ready_at, started_at, error, progress, result FROM found
      )
      SELECT array_agg(seq), array_agg(place), array_agg(seq) FILTER (WHERE keyed) INTO done, done_places, keys FROM found;
      IF done IS NOT NULL THEN
        missing := missing - cardinality(done);
        happened := ${endedBit};
        IF keys IS NOT NULL THEN PERFORM ${s}.free_keys(keys); END IF;
        IF ${s}.release_above(done, at) THEN happened := happened | ${readyBit}; END IF;
      END IF;
    END IF;
    IF other_seqs IS NOT NULL THEN
      SELECT * INTO stopped FROM ${s}.stop(by_worker, other_seqs, other_fences, other_kinds, other_texts, other_dues, other_seens, at);
      other_places := stopped.places;
      missing := missing - coalesce(cardinality(other_places), 0);
      ended := stopped.ended;
      happened := happened | stopped.happened;
    END IF;
    IF strict AND missing > 0 THEN RAISE EXCEPTION 'stale seq' USING ERRCODE = '${staleSeq}'; END IF;
    told := must_tell | (may_tell & happened);
    IF told <> 0 THEN PERFORM pg_notify(channel, origin || told); END IF;
    RETURN QUERY SELECT json_build_object('missing', missing,
        'done', CASE WHEN missing > 0 THEN done_places END, 'others', CASE WHEN missing > 0 THEN other_places END,
        'ended', ended, 'happened', happened, 'told', told),
      NULL::bigint, NULL, NULL, NULL, NULL, NULL, NULL::integer, NULL::integer, NULL::integer, NULL, NULL, NULL, NULL::integer,
      NULL::double precision;
    IF json_array_length(wants) = 0 THEN RETURN; END IF;
    PERFORM 1 FROM ${s}.worker
    WHERE id = by_worker AND lease_until > at AND (void_origin IS DISTINCT FROM origin OR void_upto < number);
    IF NOT FOUND THEN RETURN; END IF;
    FOR want IN SELECT value FROM json_array_elements(wants) LOOP
      asked := ARRAY (SELECT json_array_elements_text(want -> 'queues'));
      tasks := ARRAY (SELECT json_array_elements_text(want -> 'tasks'));
      room_left := (want ->> 'limit')::bigint;
      <<filling>>
      WHILE cardinality(asked) > 0 LOOP
        filled := '{}';
        FOR i IN 1 .. cardinality(asked) LOOP
          room := least((room_left + cardinality(asked) - i) / (cardinality(asked) - i + 1), 1000000);
          EXIT filling WHEN room <= 0;
          CONTINUE WHEN EXISTS (SELECT 1 FROM ${s}.paused WHERE paused.queue = asked[i]);
          suspect_seq := NULL;
          PERFORM 1 FROM ${s}.ready WHERE ready.suspect LIMIT 1;
          IF FOUND THEN
            may_suspect := NOT EXISTS (SELECT 1 FROM ${s}.running WHERE running.worker = by_worker AND running.suspect);
            IF may_suspect THEN
              SELECT ready.seq INTO suspect_seq FROM ${s}.ready
              WHERE ready.suspect AND ready.queue = asked[i] AND ready.task = ANY (tasks) ORDER BY ready.rank, ready.seq LIMIT 1;
            END IF;
          END IF;
          spots := ${s}.choose(asked[i], tasks, room, suspect_seq, at);
          got := cardinality(spots);
          CONTINUE WHEN got = 0;
          RETURN QUERY
            WITH taken AS (
              DELETE FROM ${s}.ready WHERE ready.ctid = ANY (spots) RETURNING ready.*
            ), facts AS MATERIALIZED (
              SELECT taken.*, job.id, job.args, job.policy, job.root, job.parent, job.trace, job.dependencies, job.submitted_at,
                job.keep_ms, job.unique_key, job.unique_until
              FROM taken CROSS JOIN LATERAL ${one("job", s, "*", "job.seq = taken.seq")}
            ), started AS (
              INSERT INTO ${s}.running (seq, worker, keep_ms, keyed, suspect, attempt, crashes, fence, due_at, expires_at, ready_at,
                started_at, error, progress)
              SELECT seq, by_worker, keep_ms, unique_until IS NOT NULL AND unique_until = 'ended', suspect, attempt + 1, crashes, fence + 1,
                due_at, expires_at, ready_at, at, error, progress
              FROM facts
            ), freed AS (
              DELETE FROM ${s}.holder WHERE seq = ANY (ARRAY (SELECT seq FROM facts WHERE unique_until = 'started'))
                AND key = ANY (ARRAY (SELECT unique_key FROM facts WHERE unique_until = 'started'))
            )
            SELECT NULL::json, facts.seq, facts.id, facts.task, facts.queue, facts.args, facts.policy, facts.attempt + 1, facts.crashes,
              facts.fence + 1, facts.root, facts.parent, facts.trace, facts.dependencies, facts.submitted_at
            FROM facts ORDER BY facts.rank, facts.seq;
          room_left := room_left - got;
          IF got = room THEN filled := filled || asked[i]; END IF;
        END LOOP;
        asked := filled;
      END LOOP;
    END LOOP;
  END $body$;
`;
