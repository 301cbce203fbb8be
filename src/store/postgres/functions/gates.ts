// Gates: what `gate.ts` says of them, in the database. Whoever lets jobs pass has the rows of the gates locked until it commits.
//
// So that nobody waits in a circle, a transaction waits for gates once: for all that it knows of, in the order of their names. What it
// comes to after that (a job that passed stands before another gate, a job that it claimed gives a place back) it takes only if nobody
// else has it; else it leaves a note and looks again, in a transaction of its own. Notes are also how jobs come to their gates that are added
// within somebody else's transaction, which may stay open for long. A gate that is not there yet is made by one who waits for no gate any more
// only while nobody else makes one.
import { dueSoonMs, gateMs } from "../../machine.ts";
import type { SchemaSql } from "../schema.ts";
import { carried, one, probing, readyBit, scheduledBit } from "./codes.ts";

const making = (s: string): string => `hashtextextended('gates of ${s.replaceAll("'", "''")}', 0)`;

/** The names of the gates of jobs that stand somewhere on their way, from where they stand on. */
const ahead = (s: string): string => `
        SELECT gate.name FROM unnest(walked) AS walker(seq)
        CROSS JOIN LATERAL ${one("standing", s, "number", "standing.seq = walker.seq")}
        CROSS JOIN LATERAL ${one("job", s, "gate_names", "job.seq = walker.seq")}
        CROSS JOIN LATERAL unnest(job.gate_names[standing.number:]) AS gate(name)`;

/**
 * The rounds. `walked` are jobs that have walked up to a gate, whose rows are there, `freed` a name for each place given back, `due` the gates
 * to look at. `locked` are the gates this transaction has locked; null before it has waited for any.
 */
export const passGates: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.pass_gates(walked bigint[], freed text[], due text[], at double precision, INOUT locked text[],
    OUT happened integer, OUT left_over boolean) LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    told_names text[];
    told_rooms double precision[];
    told_everies double precision[];
    told_tokens double precision[];
    names text[];
    made text[];
    fresh text[];
    bits integer;
  BEGIN
    happened := 0;
    left_over := false;
    LOOP
      -- Of several jobs the newest says how wide a gate is; a new one is full as the oldest has it.
      SELECT array_agg(told.name), array_agg(told.room), array_agg(told.every_ms), array_agg(told.tokens)
      INTO told_names, told_rooms, told_everies, told_tokens FROM (
        SELECT standing.gate AS name, (array_agg(job.gate_rooms[standing.number] ORDER BY walker.seq DESC))[1] AS room,
          (array_agg(job.gate_everies[standing.number] ORDER BY walker.seq DESC))[1] AS every_ms,
          (array_agg(job.gate_rooms[standing.number] ORDER BY walker.seq))[1] AS tokens
        FROM unnest(walked) AS walker(seq)
        CROSS JOIN LATERAL ${one("standing", s, "gate, number", "standing.seq = walker.seq")}
        CROSS JOIN LATERAL ${one("job", s, "gate_rooms, gate_everies", "job.seq = walker.seq")}
        GROUP BY standing.gate
      ) AS told;
      names := ARRAY (
        SELECT name FROM unnest(told_names) AS told(name) UNION SELECT name FROM unnest(freed) AS back(name)
        UNION SELECT name FROM unnest(due) AS looked(name) ORDER BY name);
      EXIT WHEN cardinality(names) = 0;
      made := NULL;
      IF EXISTS (
        SELECT 1 FROM unnest(told_names) AS told(name) WHERE (SELECT gate.name FROM ${s}.gate WHERE gate.name = told.name) IS NULL
      ) AND (locked IS NULL OR pg_try_advisory_xact_lock(${making(s)})) THEN
        PERFORM pg_advisory_xact_lock_shared(${making(s)});
        WITH inserted AS (
          INSERT INTO ${s}.gate (name, room, every_ms, tokens, at)
          SELECT name, room, every_ms, tokens, pass_gates.at
          FROM unnest(told_names, told_rooms, told_everies, told_tokens) AS told(name, room, every_ms, tokens)
          ORDER BY name ON CONFLICT DO NOTHING RETURNING name
        ) SELECT array_agg(name) INTO made FROM inserted;
      END IF;
      IF locked IS NULL THEN
        locked := ARRAY (
          SELECT gate.name FROM ${s}.gate WHERE gate.name = ANY (names || ARRAY (${ahead(s)})) ORDER BY gate.name FOR UPDATE);
      ELSE
        fresh := ARRAY (SELECT unnest(names) EXCEPT SELECT unnest(locked) EXCEPT SELECT unnest(made));
        locked := locked || made || ARRAY (
          SELECT gate.name FROM ${s}.gate WHERE gate.name = ANY (fresh) ORDER BY gate.name FOR UPDATE SKIP LOCKED);
        fresh := ARRAY (SELECT unnest(fresh) EXCEPT SELECT unnest(locked));
        IF cardinality(fresh) > 0 THEN
          left_over := true;
          INSERT INTO ${s}.gate_note (gate) SELECT name FROM unnest(freed) AS back(name) WHERE name = ANY (fresh);
          INSERT INTO ${s}.gate_note (seq)
          SELECT walker.seq FROM unnest(walked) AS walker(seq)
          CROSS JOIN LATERAL ${one("standing", s, "gate", "standing.seq = walker.seq")} WHERE standing.gate = ANY (fresh);
          freed := ARRAY (SELECT name FROM unnest(freed) AS back(name) WHERE name <> ALL (fresh));
          names := ARRAY (SELECT unnest(names) EXCEPT SELECT unnest(fresh));
        END IF;
      END IF;
      SELECT * INTO walked, bits FROM ${s}.open_gates(names, told_names, told_rooms, told_everies, freed, at);
      happened := happened | bits;
      freed := NULL;
      due := NULL;
    END LOOP;
  END $body$;
`;

/** The names of those of a job's gates whose places are kept until then; null for none. */
export function gatesUntil(until: "started" | "stopped"): string {
  return `CASE WHEN '${until}' = ALL (gate_untils) THEN gate_names WHEN '${until}' = ANY (gate_untils) THEN ARRAY (
          SELECT gate.name FROM unnest(gate_names, gate_untils) AS gate(name, until) WHERE gate.until = '${until}') END`;
}

/** Where one stands before a gate: its seq, or when it passed the gate before. */
const standingAge = "coalesce(standing.age, standing.seq)";

/** One round: lets pass whom it can, at gates that are locked. Gives those that came to another gate. */
export const openGates: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.open_gates(names text[], told_names text[], told_rooms double precision[], told_everies double precision[],
    freed text[], at double precision, OUT walked bigint[], OUT happened integer) LANGUAGE plpgsql ${probing} AS $body$
  #variable_conflict use_column
  BEGIN
    WITH given AS (
      SELECT name, bool_or(is_told) AS is_told, max(room) AS room, max(every_ms) AS every_ms, sum(places) AS places FROM (
        SELECT name, false AS is_told, NULL::double precision AS room, NULL::double precision AS every_ms, 0 AS places, true AS is_open
        FROM unnest(names) AS known(name)
        UNION ALL SELECT name, true, room, every_ms, 0, false FROM unnest(told_names, told_rooms, told_everies) AS told(name, room, every_ms)
        UNION ALL SELECT name, false, NULL, NULL, 1, false FROM unnest(freed) AS back(name)
      ) AS concerned GROUP BY name HAVING bool_or(is_open)
    ), filled AS (
      SELECT wide.*, CASE WHEN wide.every_ms IS NULL THEN wide.old_tokens
          WHEN wide.tokens_then IS NOT NULL THEN least(wide.room - wide.held, wide.tokens_then)
          ELSE least(wide.room - wide.held, wide.old_tokens + greatest(0, open_gates.at - wide.old_at) / wide.every_ms) END AS tokens
      FROM given CROSS JOIN LATERAL (
        SELECT gate.ctid AS spot, gate.name, gate.held - given.places AS held, gate.tokens AS old_tokens, gate.at AS old_at,
          -- When the places were given back: while they were taken no more tokens came than the room they left could hold.
          CASE WHEN given.places > 0 AND gate.every_ms IS NOT NULL
            THEN least(gate.room - gate.held, gate.tokens + greatest(0, open_gates.at - gate.at) / gate.every_ms) END AS tokens_then,
          CASE WHEN given.is_told THEN given.room ELSE gate.room END AS room,
          CASE WHEN given.is_told THEN given.every_ms ELSE gate.every_ms END AS every_ms
        FROM ${s}.gate WHERE gate.name = given.name OFFSET 0
      ) AS wide
    ), roomy AS MATERIALIZED (
      SELECT *, greatest(0, least(room - held, CASE WHEN every_ms IS NULL THEN room ELSE floor(tokens) END))::bigint AS space FROM filled
    ), passing AS MATERIALIZED (
      SELECT roomy.name, next.spot, next.number, ${carried("next")}, job.gate_names, job.gate_untils, job.queue, job.task, job.rank,
        next.crashes > 0 AND next.crashes >= job.crash_limit AS suspect, next.number >= cardinality(job.gate_names) AS is_last
      FROM roomy CROSS JOIN LATERAL (
        SELECT standing.ctid AS spot, standing.* FROM ${s}.standing WHERE standing.gate = roomy.name
        ORDER BY standing.gate, standing.rank, ${standingAge} LIMIT roomy.space
      ) AS next
      CROSS JOIN LATERAL ${one("job", s, "gate_names, gate_untils, queue, task, rank, crash_limit", "job.seq = next.seq")}
    ), gone AS (
      DELETE FROM ${s}.standing WHERE ctid = ANY (ARRAY (SELECT spot FROM passing WHERE is_last))
    ), aged AS MATERIALIZED (
      -- As if they had been added now.
      SELECT *, (SELECT nextval('${s.replaceAll("'", "''")}.batch') * 1048576) + row_number() OVER (ORDER BY seq) AS age FROM passing
    ), on_the_way AS (
      UPDATE ${s}.standing SET gate = aged.gate_names[aged.number + 1], number = aged.number + 1, age = aged.age
      FROM aged WHERE standing.ctid = aged.spot AND NOT aged.is_last
    ), to_ready AS (
      INSERT INTO ${s}.ready (queue, task, rank, seq, job_seq, suspect, starts, attempt, crashes, fence, due_at, expires_at, ready_at,
        started_at, error, progress)
      SELECT queue, task, rank, age, seq, suspect, ${gatesUntil("started")}, attempt, crashes, fence, due_at, expires_at, open_gates.at, started_at, error, progress
      FROM aged WHERE is_last
    ), after AS (
      SELECT name, max(space) AS space, (array_agg(spot) FILTER (WHERE spot IS NOT NULL))[1] AS spot, max(room) AS room, max(every_ms) AS every_ms,
        max(CASE WHEN every_ms IS NULL THEN old_at ELSE open_gates.at END) AS at, max(held) + sum(taken) AS held,
        max(tokens) - CASE WHEN max(every_ms) IS NULL THEN 0 ELSE sum(taken) END AS tokens
      FROM (
        SELECT name, space, spot, room, every_ms, old_at, held, tokens, 0 AS taken FROM roomy
        UNION ALL SELECT name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1 FROM passing
      ) AS concerned GROUP BY name
    ), left_before AS (
      -- Whether others are left matters where time lets them pass.
      SELECT *, every_ms IS NOT NULL AND (
        SELECT standing.seq FROM ${s}.standing WHERE standing.gate = after.name
        ORDER BY standing.gate, standing.rank, ${standingAge} OFFSET after.space LIMIT 1
      ) IS NOT NULL AS more FROM after
    ), timed AS MATERIALIZED (
      SELECT *,
        CASE WHEN more AND every_ms IS NOT NULL AND held < room
          THEN open_gates.at + greatest(${gateMs}, ceil((1 - tokens) * every_ms)) END AS next_at,
        CASE WHEN more OR held > 0 THEN NULL WHEN every_ms IS NULL THEN at
          ELSE at + ceil((room - tokens) * every_ms) END AS forget_at
      FROM left_before
    ), kept AS (
      UPDATE ${s}.gate SET room = timed.room, every_ms = timed.every_ms, held = timed.held, tokens = timed.tokens, at = timed.at,
        next_at = timed.next_at, forget_at = timed.forget_at
      FROM timed WHERE gate.ctid = timed.spot
        AND (gate.room, gate.every_ms, gate.held, gate.tokens, gate.at, gate.next_at, gate.forget_at)
          IS DISTINCT FROM (timed.room, timed.every_ms, timed.held, timed.tokens, timed.at, timed.next_at, timed.forget_at)
    )
    SELECT (SELECT array_agg(seq) FROM passing WHERE NOT is_last),
      CASE WHEN EXISTS (SELECT 1 FROM passing WHERE is_last) THEN ${readyBit} ELSE 0 END
        | CASE WHEN EXISTS (SELECT 1 FROM timed WHERE next_at <= open_gates.at + ${dueSoonMs}) THEN ${scheduledBit} ELSE 0 END
    INTO walked, happened;
  END $body$;
`;

/**
 * Forgets gates of which nobody has a place and before which nobody stands, but for those that have come since, once they are as good as
 * new. Gives the places of `freed` at gates that are left.
 */
export const forgetGates: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.forget_gates(walked bigint[], freed text[], at double precision) RETURNS text[] LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    DELETE FROM ${s}.gate WHERE forget_at <= forget_gates.at;
    DELETE FROM ${s}.gate WHERE ctid = ANY (ARRAY (
      SELECT gate.spot FROM (SELECT name, count(*) AS places FROM unnest(freed) AS back(name) GROUP BY name) AS back
      CROSS JOIN LATERAL ${one("gate", s, "ctid AS spot, *", "gate.name = back.name")}
      WHERE gate.held = back.places AND gate.every_ms IS NULL AND gate.at <= forget_gates.at
        AND (
          SELECT standing.seq FROM ${s}.standing WHERE standing.gate = back.name AND standing.seq <> ALL (coalesce(walked, '{}')) LIMIT 1
        ) IS NULL));
    RETURN ARRAY (SELECT name FROM unnest(freed) AS back(name) WHERE (SELECT gate.name FROM ${s}.gate WHERE gate.name = back.name) IS NOT NULL);
  END $body$;
`;

/** After jobs have left the lines of these gates: those before which nobody stands any more can be forgotten some time. */
export const leaveLines: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.leave_lines(names text[]) RETURNS void LANGUAGE plpgsql ${probing} AS $body$
  BEGIN
    UPDATE ${s}.gate SET forget_at = at + ceil((room - tokens) * coalesce(every_ms, 0)) WHERE name = ANY (names) AND held = 0
      AND (SELECT standing.seq FROM ${s}.standing WHERE standing.gate = gate.name LIMIT 1) IS NULL;
  END $body$;
`;

/** Does what was left over, by this or another program. */
export const followUp: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.follow_up(at double precision, world bigint, OUT happened integer, OUT left_over boolean)
  LANGUAGE plpgsql ${probing} AS $body$
  DECLARE
    walked bigint[];
    freed text[];
    passed record;
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(world);
    WITH noted AS (
      DELETE FROM ${s}.gate_note WHERE ctid = ANY (ARRAY (SELECT ctid FROM ${s}.gate_note FOR UPDATE SKIP LOCKED)) RETURNING seq, gate
    )
    SELECT array_agg(seq) FILTER (WHERE seq IS NOT NULL), array_agg(gate) FILTER (WHERE gate IS NOT NULL) INTO walked, freed FROM noted;
    SELECT * INTO passed FROM ${s}.pass_gates(walked, freed, NULL, at, NULL);
    happened := passed.happened;
    left_over := passed.left_over;
  END $body$;
`;

/** The names of the gates where these jobs have places, once for each place, and how they have them: see `ready`. */
export function placesOf(jobs: string): string {
  return `SELECT gate.name FROM ${jobs} AS owner CROSS JOIN LATERAL unnest(owner.gate_names, owner.gate_untils)
        WITH ORDINALITY AS gate(name, until, number)
      WHERE CASE owner.places WHEN 'all' THEN true WHEN 'kept' THEN gate.until = 'stopped' WHEN 'passed' THEN gate.number < owner.number
        ELSE false END`;
}
