// Adding jobs, in one statement.
import type { SchemaSql } from "../schema.ts";

/**
 * Writes jobs whose arrival has been decided. What jobs of a batch share is given once, as a kind; without `kinds` all are ready, of
 * the first kind, and have nothing special: such jobs take a shorter way. A dependency is a seq when it is stored, else its place in the
 * batch with the sign turned.
 */
export const addJobs: SchemaSql = (s) => `
  CREATE FUNCTION ${s}.add_jobs(ids text[], all_args text[], submitted double precision[], kinds integer[],
    dues double precision[], expiries double precision[], dependency_counts integer[], pendings integer[], causes text[], keys text[],
    untils text[], kind_tasks text[], kind_queues text[], kind_ranks bigint[], kind_crash_limits bigint[], kind_keeps double precision[],
    kind_policies text[], kind_roots text[], kind_parents text[], kind_traces text[], kind_gate_names text[],
    kind_gate_rooms text[], kind_gate_everies text[], kind_gate_untils text[], kind_times double precision[],
    edge_jobs integer[], edge_positions integer[], edge_deps bigint[], edge_tolerated boolean[], channel text, notice text)
  RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET jit = off SET enable_nestloop = off
    SET enable_mergejoin = off AS $body$
  DECLARE
    base bigint := nextval('${s.replaceAll("'", "''")}.batch') * 1048576;
  BEGIN
    IF kinds IS NULL THEN
      INSERT INTO ${s}.job (seq, id, task, queue, rank, crash_limit, dependencies, keep_ms, submitted_at, root, parent, trace, policy, args)
      SELECT base + own.place, own.id, kind_tasks[1], kind_queues[1], kind_ranks[1], kind_crash_limits[1], 0, kind_keeps[1],
        own.submitted_at, kind_roots[1], kind_parents[1], kind_traces[1], kind_policies[1], own.args
      FROM unnest(ids, all_args, submitted) WITH ORDINALITY AS own(id, args, submitted_at, place);
      INSERT INTO ${s}.ready (queue, task, rank, seq, ready_at)
      SELECT kind_queues[1], kind_tasks[1], kind_ranks[1], base + place, kind_times[1]
      FROM generate_series(1, cardinality(ids)) AS own(place);
      IF notice IS NOT NULL THEN PERFORM pg_notify(channel, notice); END IF;
      RETURN;
    END IF;
    WITH given AS MATERIALIZED (
      SELECT base + own.place AS seq, own.id, own.args, own.submitted_at, own.due_at, own.expires_at, own.dependencies,
        coalesce(own.pending, 0) AS pending, own.cause, own.key, own.until, kind.*
      FROM unnest(ids, all_args, submitted, kinds, dues, expiries, dependency_counts, pendings, causes, keys, untils) WITH ORDINALITY
        AS own(id, args, submitted_at, kind, due_at, expires_at, dependencies, pending, cause, key, until, place)
      JOIN unnest(kind_tasks, kind_queues, kind_ranks, kind_crash_limits, kind_keeps, kind_policies, kind_roots, kind_parents, kind_traces,
        kind_gate_names, kind_gate_rooms, kind_gate_everies, kind_gate_untils,        kind_times) WITH ORDINALITY
        AS kind(task, queue, rank, crash_limit, keep_ms, policy, root, parent, trace, gate_names, gate_rooms, gate_everies, gate_untils,
          at, no) ON kind.no = own.kind
    ), facts AS (
      INSERT INTO ${s}.job (seq, id, task, queue, rank, crash_limit, dependencies, keep_ms, submitted_at, root, parent, trace, unique_key,
        unique_until, policy, args, gate_names, gate_rooms, gate_everies, gate_untils)
      SELECT seq, id, task, queue, rank, crash_limit, coalesce(dependencies, 0), keep_ms, submitted_at, root, parent, trace, key, until,
        policy, args, gate_names::text[], gate_rooms::double precision[], gate_everies::double precision[], gate_untils::text[] FROM given
    ), to_ready AS (
      INSERT INTO ${s}.ready (queue, task, rank, seq, due_at, expires_at, ready_at)
      SELECT queue, task, rank, seq, due_at, expires_at, at FROM given
      WHERE cause IS NULL AND pending = 0 AND (due_at IS NULL OR due_at <= at)
    ), to_parked AS (
      INSERT INTO ${s}.parked (seq, scheduled, pending, due_at, expires_at)
      SELECT seq, pending = 0, pending, due_at, expires_at FROM given WHERE cause IS NULL AND (pending > 0 OR due_at > at)
    ), to_holder AS (
      INSERT INTO ${s}.holder (key, seq) SELECT key, seq FROM given WHERE cause IS NULL AND key IS NOT NULL
    )
    INSERT INTO ${s}.ended (seq, state, pending, ended_at, prune_at, cause, due_at, expires_at)
    SELECT seq, 'failed', pending, at, at + keep_ms, cause, due_at, expires_at FROM given WHERE cause IS NOT NULL;
    IF edge_jobs IS NOT NULL THEN
      INSERT INTO ${s}.edge (job, position, dep, tolerated)
      SELECT base + edge.job, edge.position, CASE WHEN edge.dep < 0 THEN base - edge.dep ELSE edge.dep END, edge.tolerated
      FROM unnest(edge_jobs, edge_positions, edge_deps, edge_tolerated) AS edge(job, position, dep, tolerated);
    END IF;
    IF notice IS NOT NULL THEN PERFORM pg_notify(channel, notice); END IF;
  END $body$;
`;
