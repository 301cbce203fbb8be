// The layout of a store's file. A file says in its header that it is ours (application_id) and how it is laid out
// (user_version). A published layout is never edited: a change is one more step at the end of `steps`.
//
// What the layout is after: the rate must not fall with a million rows waiting or ended. Every index is therefore partial and
// holds only the jobs that can be asked for in this way, and a row moves through at most three of them in its life. A change of
// state writes the whole row anew, so long arguments, which hardly ever change, lie in a table of their own. Times are REAL, so
// that any number a caller gives is kept as it is. Plain text and plain names: the file is meant to be read with any SQLite tool.

/** Marks a file as a manyhands store: "MHJS" in ASCII. */
export const applicationId = 0x4d484a53;

/** Arguments longer than this many characters are kept outside the job's row. Found by measuring: where two tables become faster. */
export const longArguments = 512;

/** One change of the layout. It must not fail on any file that the layout before it allows. */
export interface Step {
  readonly name: string;
  readonly sql: string;
}

const firstLayout = `
  CREATE TABLE job (
    seq INTEGER PRIMARY KEY,               -- counts the jobs as they were added
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,                   -- blocked scheduled ready running waiting | done failed cancelled expired
    queue TEXT NOT NULL,
    task TEXT NOT NULL,
    rank INTEGER NOT NULL,                 -- the priority with its sign turned, so that all orders ascend
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    crash_limit INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    dependencies INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    unique_held INTEGER NOT NULL,          -- 1 while the job holds its unique key
    worker TEXT,
    submitted_at REAL NOT NULL,
    due_at REAL,
    expires_at REAL,
    keep_ms REAL NOT NULL,
    ready_at REAL,
    started_at REAL,
    ended_at REAL,
    prune_at REAL,                         -- only of ended jobs
    cancel_at REAL,
    root TEXT,                             -- null when the job is its own root
    parent TEXT,
    trace TEXT,
    unique_key TEXT,
    unique_until TEXT,
    cause TEXT,
    cancel_reason TEXT,
    progress TEXT,
    policy TEXT,
    error TEXT,
    args TEXT,                             -- null when they are in long_args
    result TEXT
  ) STRICT;
  CREATE INDEX job_ready ON job (queue, task, rank) WHERE state = 'ready';
  CREATE INDEX job_scheduled ON job (due_at) WHERE state = 'scheduled';
  CREATE INDEX job_running ON job (worker) WHERE state = 'running';
  CREATE INDEX job_expiring ON job (expires_at) WHERE expires_at IS NOT NULL AND attempt = 0 AND prune_at IS NULL AND state <> 'running';
  CREATE INDEX job_ended ON job (prune_at) WHERE prune_at IS NOT NULL;
  CREATE INDEX job_unsuccessful ON job (state) WHERE prune_at IS NOT NULL AND state <> 'done';
  CREATE INDEX job_root ON job (root) WHERE root IS NOT NULL;
  CREATE UNIQUE INDEX job_unique ON job (unique_key) WHERE unique_held = 1;
  CREATE TABLE long_args (seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE edge (                      -- job needs the result of dep at this position
    job INTEGER NOT NULL,
    position INTEGER NOT NULL,
    dep INTEGER NOT NULL,
    PRIMARY KEY (job, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX edge_dep ON edge (dep, job);
  CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    queues TEXT NOT NULL,                  -- JSON
    tasks TEXT NOT NULL,                   -- JSON
    started_at REAL NOT NULL,
    lease_until REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE ending (                    -- which jobs each of the last commits ended, for those who wait
    no INTEGER PRIMARY KEY,
    jobs TEXT NOT NULL                     -- JSON: their seqs
  ) STRICT;
`;

const fleetControl = `
  ALTER TABLE worker ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;   -- 1: someone asked it to stop
  CREATE TABLE paused (queue TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;  -- queues from which nothing is claimed
`;

const recordsAndWaits = `
  ALTER TABLE job ADD COLUMN waits TEXT;
  ALTER TABLE job ADD COLUMN gates TEXT;                               -- JSON; null when it has none
  ALTER TABLE job ADD COLUMN gate TEXT;                                -- the one it stands before
  ALTER TABLE job ADD COLUMN ahead INTEGER;                            -- how many of its gates it has still to pass; -1: none, and it started since
  ALTER TABLE job ADD COLUMN age REAL;                                 -- since it passed the last one: where it stands among seqs
  ALTER TABLE edge ADD COLUMN tolerated INTEGER NOT NULL DEFAULT 0;    -- 1: however dep ends, it is done to job
  CREATE TABLE record (                                                -- named texts; those of the store itself have job 0
    job INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (job, name)
  ) STRICT;
  CREATE TABLE gate (
    name TEXT PRIMARY KEY,
    room INTEGER NOT NULL,
    every_ms REAL,
    held INTEGER NOT NULL,                                             -- places taken
    tokens REAL NOT NULL,                                              -- as of at
    at REAL NOT NULL,
    look_at REAL,                                                      -- when who stands before it may pass by its tokens
    forget_at REAL                                                     -- when it is as good as a new one, if nobody needs it
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX gate_look ON gate (look_at, name) WHERE look_at IS NOT NULL;
  CREATE INDEX gate_forget ON gate (forget_at) WHERE forget_at IS NOT NULL;
  CREATE TABLE tally (                                                 -- one row
    told INTEGER NOT NULL,                                             -- how often listeners were to be told of a record
    age REAL NOT NULL                                                  -- the last one given to a job
  ) STRICT;
  INSERT INTO tally (told, age) VALUES (0, 0);
  DROP INDEX job_ready;
  DROP INDEX job_running;
  DROP INDEX job_scheduled;
  CREATE INDEX job_ready ON job (queue, task, rank, coalesce(age, seq)) WHERE state = 'ready';
  CREATE INDEX job_held ON job (worker) WHERE worker IS NOT NULL AND prune_at IS NULL;
  CREATE INDEX job_due ON job (worker, due_at) WHERE state IN ('scheduled', 'waiting');
  CREATE INDEX job_line ON job (gate, rank) WHERE gate IS NOT NULL;
`;

const events = `
  CREATE TABLE event (                                                 -- that a job came to a state; written by triggers while events are kept
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    id TEXT NOT NULL,
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    state TEXT NOT NULL,
    prior TEXT,                                                        -- null when it was added
    attempt INTEGER NOT NULL,
    worker TEXT
  ) STRICT;
  ALTER TABLE tally ADD COLUMN events_kept REAL NOT NULL DEFAULT 0;    -- for how long, in ms; 0: not at all
  ALTER TABLE tally ADD COLUMN events_lost INTEGER NOT NULL DEFAULT 0; -- the last that is not kept any more
  ALTER TABLE tally ADD COLUMN clock REAL NOT NULL DEFAULT 0;          -- when the transaction under way began, while they are kept
`;

// Those that stand before their first gate, or did so when this step was made, are as old as their adding.
const linesByAge = `
  UPDATE job SET age = NULL WHERE gate IS NOT NULL;
  DROP INDEX job_line;
  CREATE INDEX job_line ON job (gate, rank, coalesce(age, seq)) WHERE gate IS NOT NULL;
`;

const ownRecords = `
  ALTER TABLE tally ADD COLUMN told_own INTEGER NOT NULL DEFAULT 0;    -- told is of records of jobs alone, this is of the store's own
`;

/** The steps that lead to the current layout; the first makes an empty file a store of version 1. */
export const steps: readonly Step[] = [
  { name: "first layout", sql: firstLayout },
  { name: "paused queues, draining workers", sql: fleetControl },
  { name: "records, suspended jobs, gates", sql: recordsAndWaits },
  { name: "events", sql: events },
  { name: "lines before gates by age", sql: linesByAge },
  { name: "the store's own records told apart", sql: ownRecords },
];
