// The second layout: records of jobs and of the store, attempts that are suspended, dependencies that may end badly, and gates.
//
// A suspended job is parked as one that is scheduled, with what it waits for; one that waits in its worker's memory is running, with the
// same. A job before a gate stands in a table of its own; the places it has are not written down: it has one at each gate it has passed.
// What a new column says is NULL in every job that has none of this, which costs such a job nothing.
import type { SchemaSql } from "./schema.ts";
import { carried } from "./schema.ts";

const text = 'text COLLATE "C"';

/** The tables of the second layout. */
export const secondLayout: SchemaSql = (s) => `
  ALTER TABLE ${s}.job
    ADD COLUMN gate_names text[] COLLATE "C",
    ADD COLUMN gate_rooms double precision[],
    ADD COLUMN gate_everies double precision[],
    ADD COLUMN gate_untils text[];
  ALTER TABLE ${s}.ready
    ADD COLUMN job_seq bigint,                         -- of one that passed gates: seq is its place in the line
    ADD COLUMN starts text[] COLLATE "C";              -- the gates whose places it gives back when it starts
  CREATE INDEX ready_passed ON ${s}.ready (job_seq) WHERE job_seq IS NOT NULL;
  ALTER TABLE ${s}.parked ADD COLUMN waits text;
  ALTER TABLE ${s}.running ADD COLUMN waits text, ADD COLUMN line_seq bigint,
    ADD COLUMN stops text[] COLLATE "C";               -- the gates whose places it gives back when it stops
  ALTER TABLE ${s}.edge ADD COLUMN tolerated boolean;
  CREATE TABLE ${s}.record (
    seq bigint NOT NULL,                               -- 0 for the store's own
    name ${text} NOT NULL,
    words text NOT NULL,
    PRIMARY KEY (seq, name)
  );
  CREATE TABLE ${s}.standing (
    seq bigint PRIMARY KEY,
    gate ${text} NOT NULL,
    number integer NOT NULL,                           -- which of its gates it is, from 1 on
    rank bigint NOT NULL,${carried}
  );
  CREATE INDEX standing_line ON ${s}.standing (gate, rank, seq);
  CREATE INDEX standing_expiring ON ${s}.standing (expires_at, seq) WHERE expires_at IS NOT NULL AND attempt = 0;
  CREATE TABLE ${s}.gate (
    name ${text} PRIMARY KEY,
    room double precision NOT NULL,
    every_ms double precision,
    held double precision NOT NULL DEFAULT 0,
    tokens double precision NOT NULL,
    at double precision NOT NULL,
    next_at double precision,
    forget_at double precision
  ) WITH (fillfactor = 70);
  CREATE INDEX gate_next ON ${s}.gate (next_at, name) WHERE next_at IS NOT NULL;
  CREATE INDEX gate_forgotten ON ${s}.gate (forget_at) WHERE forget_at IS NOT NULL;
  CREATE TABLE ${s}.gate_note (
    seq bigint,                                        -- a job that has walked up to its gate, which does not know yet
    gate ${text}                                       -- or a gate to which a place was given back
  );
  CREATE OR REPLACE VIEW ${s}.jobs AS
    SELECT job.seq, job.id, job.task, job.queue, (-job.rank)::double precision AS priority,
      CASE WHEN ended.seq IS NOT NULL THEN ended.state
        WHEN coalesce(ready.seq, passed.seq) IS NOT NULL THEN 'ready'
        WHEN coalesce(running.waits, parked.waits) IS NOT NULL THEN 'waiting'
        WHEN running.seq IS NOT NULL THEN 'running'
        WHEN parked.scheduled THEN 'scheduled'
        ELSE 'blocked' END AS state,
      job.args, job.policy, job.crash_limit::double precision AS crash_limit,
      coalesce(ended.due_at, ready.due_at, passed.due_at, running.due_at, parked.due_at, standing.due_at) AS due_at,
      coalesce(ended.expires_at, ready.expires_at, passed.expires_at, running.expires_at, parked.expires_at, standing.expires_at) AS expires_at, job.keep_ms,
      coalesce(job.root, job.id) AS root, job.parent, job.trace, job.submitted_at, job.unique_key, job.dependencies,
      coalesce(ended.pending, parked.pending, 0) AS pending,
      coalesce(ended.attempt, ready.attempt, passed.attempt, running.attempt, parked.attempt, standing.attempt) AS attempt,
      coalesce(ended.crashes, ready.crashes, passed.crashes, running.crashes, parked.crashes, standing.crashes) AS crashes,
      coalesce(ended.fence, ready.fence, passed.fence, running.fence, parked.fence, standing.fence) AS fence,
      coalesce(ended.worker, running.worker) AS worker,
      coalesce(ended.ready_at, ready.ready_at, passed.ready_at, running.ready_at, parked.ready_at, standing.ready_at) AS ready_at,
      coalesce(ended.started_at, ready.started_at, passed.started_at, running.started_at, parked.started_at, standing.started_at) AS started_at,
      ended.ended_at, ended.result, coalesce(ended.error, ready.error, passed.error, running.error, parked.error, standing.error) AS error, ended.cause,
      coalesce(ended.cancel_at, running.cancel_at) AS cancel_at, coalesce(ended.cancel_reason, running.cancel_reason) AS cancel_reason,
      coalesce(ended.progress, ready.progress, passed.progress, running.progress, parked.progress, standing.progress) AS progress,
      coalesce(running.waits, parked.waits) AS waits, standing.gate,
      job.gate_names, job.gate_rooms, job.gate_everies, job.gate_untils
    FROM ${s}.job
    LEFT JOIN ${s}.ended ON ended.seq = job.seq
    LEFT JOIN ${s}.ready ON ready.queue = job.queue AND ready.task = job.task AND ready.rank = job.rank AND ready.seq = job.seq
    LEFT JOIN ${s}.ready AS passed ON job.gate_names IS NOT NULL AND passed.job_seq = job.seq
    LEFT JOIN ${s}.running ON running.seq = job.seq
    LEFT JOIN ${s}.parked ON parked.seq = job.seq
    LEFT JOIN ${s}.standing ON job.gate_names IS NOT NULL AND standing.seq = job.seq;
`;
