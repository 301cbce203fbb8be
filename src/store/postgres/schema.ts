// The tables of a store. A published layout is never edited: a change is one more step at the end of `steps`.
//
// What the layout is after: the rate must not fall with a million rows waiting or ended. PostgreSQL keeps every old version of a
// row until a vacuum, and every index of a table is written with each of them, so facts and state are kept apart. `job` is
// what was submitted, and is updated only by `change`. The state of a job is the table its other row is in: `ready`, `parked` (blocked or
// scheduled), `running` or `ended`; a change of state is a DELETE here and an INSERT there. The tables with much coming and going are
// narrow and small, and quickly vacuumed.
//
// A seq is the number of a batch times 2^20 plus the place in it: one number is fetched for a batch, and the jobs of
// a graph know each other's seqs beforehand. Times are double precision, in ms, as callers gave them. Texts sort by their bytes,
// whatever the database's locale, and the view `jobs` shows everything to people.

/** Makes the SQL of a step for a schema, whose name comes quoted. */
export type SchemaSql = (schema: string) => string;

/** What a job brings along from state to state. */
export const carried: string = `
    attempt integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    fence integer NOT NULL DEFAULT 0,
    due_at double precision,
    expires_at double precision,
    ready_at double precision,
    started_at double precision,
    error text,
    progress text`;

const text = 'text COLLATE "C"';

/** The tables of the first layout. */
export const tables: SchemaSql = (s) => `
  CREATE TABLE ${s}.meta (
    layout integer NOT NULL,
    store uuid NOT NULL DEFAULT gen_random_uuid(),
    swept_at double precision NOT NULL DEFAULT 0
  );
  CREATE SEQUENCE ${s}.batch;
  CREATE TABLE ${s}.job (
    seq bigint PRIMARY KEY,
    id ${text} NOT NULL CONSTRAINT job_id UNIQUE,
    task ${text} NOT NULL,
    queue ${text} NOT NULL,
    rank bigint NOT NULL,
    crash_limit bigint NOT NULL,
    dependencies integer NOT NULL,
    keep_ms double precision NOT NULL,
    submitted_at double precision NOT NULL,
    root ${text},
    parent ${text},
    trace ${text},
    unique_key ${text},
    unique_until text,
    policy text,
    args text NOT NULL
  );
  CREATE INDEX job_root ON ${s}.job (root) WHERE root IS NOT NULL;
  CREATE TABLE ${s}.ready (
    queue ${text} NOT NULL,
    task ${text} NOT NULL,
    rank bigint NOT NULL,
    seq bigint NOT NULL,
    suspect boolean NOT NULL DEFAULT false,${carried},
    PRIMARY KEY (queue, task, rank, seq)
  );
  CREATE INDEX ready_expiring ON ${s}.ready (expires_at, seq) WHERE expires_at IS NOT NULL AND attempt = 0;
  CREATE INDEX ready_suspect ON ${s}.ready (queue, task, rank, seq) WHERE suspect;
  CREATE TABLE ${s}.parked (
    seq bigint PRIMARY KEY,
    scheduled boolean NOT NULL,
    pending integer NOT NULL,${carried}
  ) WITH (fillfactor = 70);
  CREATE INDEX parked_due ON ${s}.parked (due_at, seq) WHERE scheduled;
  CREATE INDEX parked_expiring ON ${s}.parked (expires_at, seq) WHERE expires_at IS NOT NULL AND attempt = 0;
  CREATE TABLE ${s}.running (
    seq bigint PRIMARY KEY,
    worker ${text} NOT NULL,
    keep_ms double precision NOT NULL,
    keyed boolean NOT NULL,
    suspect boolean NOT NULL,
    cancel_at double precision,
    cancel_reason text,${carried}
  );
  CREATE INDEX running_wished ON ${s}.running (worker, seq) WHERE cancel_at IS NOT NULL;
  CREATE INDEX running_suspect ON ${s}.running (worker) WHERE suspect;
  CREATE TABLE ${s}.ended (
    seq bigint PRIMARY KEY,
    state text NOT NULL,
    worker ${text},
    pending integer NOT NULL DEFAULT 0,
    ended_at double precision NOT NULL,
    prune_at double precision NOT NULL,
    cancel_at double precision,
    cancel_reason text,
    cause ${text},${carried},
    result text
  );
  CREATE INDEX ended_prune ON ${s}.ended (prune_at, seq);
  CREATE INDEX ended_unsuccessful ON ${s}.ended (state, seq) WHERE state <> 'done';
  CREATE TABLE ${s}.edge (
    job bigint NOT NULL,
    position integer NOT NULL,
    dep bigint NOT NULL,
    PRIMARY KEY (job, position)
  );
  CREATE INDEX edge_dep ON ${s}.edge (dep, job);
  CREATE TABLE ${s}.holder (
    key ${text} PRIMARY KEY,
    seq bigint NOT NULL
  );
  CREATE TABLE ${s}.worker (
    id ${text} PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    queues text NOT NULL,
    tasks text NOT NULL,
    started_at double precision NOT NULL,
    lease_until double precision NOT NULL,
    drain boolean NOT NULL DEFAULT false,
    void_origin text,                      -- the settles of this program up to this number claim nothing any more
    void_upto bigint NOT NULL DEFAULT 0
  );
  CREATE TABLE ${s}.paused (
    queue ${text} PRIMARY KEY
  );
  CREATE VIEW ${s}.jobs AS
    SELECT job.seq, job.id, job.task, job.queue, (-job.rank)::double precision AS priority,
      CASE WHEN ended.seq IS NOT NULL THEN ended.state
        WHEN ready.seq IS NOT NULL THEN 'ready'
        WHEN running.seq IS NOT NULL THEN 'running'
        WHEN parked.scheduled THEN 'scheduled'
        ELSE 'blocked' END AS state,
      job.args, job.policy, job.crash_limit::double precision AS crash_limit,
      coalesce(ended.due_at, ready.due_at, running.due_at, parked.due_at) AS due_at,
      coalesce(ended.expires_at, ready.expires_at, running.expires_at, parked.expires_at) AS expires_at, job.keep_ms,
      coalesce(job.root, job.id) AS root, job.parent, job.trace, job.submitted_at, job.unique_key, job.dependencies,
      coalesce(ended.pending, parked.pending, 0) AS pending,
      coalesce(ended.attempt, ready.attempt, running.attempt, parked.attempt) AS attempt,
      coalesce(ended.crashes, ready.crashes, running.crashes, parked.crashes) AS crashes,
      coalesce(ended.fence, ready.fence, running.fence, parked.fence) AS fence,
      coalesce(ended.worker, running.worker) AS worker,
      coalesce(ended.ready_at, ready.ready_at, running.ready_at, parked.ready_at) AS ready_at,
      coalesce(ended.started_at, ready.started_at, running.started_at, parked.started_at) AS started_at,
      ended.ended_at, ended.result, coalesce(ended.error, ready.error, running.error, parked.error) AS error, ended.cause,
      coalesce(ended.cancel_at, running.cancel_at) AS cancel_at, coalesce(ended.cancel_reason, running.cancel_reason) AS cancel_reason,
      coalesce(ended.progress, ready.progress, running.progress, parked.progress) AS progress
    FROM ${s}.job
    LEFT JOIN ${s}.ended ON ended.seq = job.seq
    LEFT JOIN ${s}.ready ON ready.queue = job.queue AND ready.task = job.task AND ready.rank = job.rank AND ready.seq = job.seq
    LEFT JOIN ${s}.running ON running.seq = job.seq
    LEFT JOIN ${s}.parked ON parked.seq = job.seq;
`;
