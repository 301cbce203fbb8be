// Adding jobs. What becomes of them is decided in `arrival.ts`; here it is written, jobs first, then their edges.
import type { Arrival } from "../arrival.ts";
import { arrivals, takenId } from "../arrival.ts";
import type { NewJob } from "../job.ts";
import type { Added } from "../store.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { longArguments } from "./schema.ts";
import { isTakenId } from "./trouble.ts";

const insertJob = `
  INSERT INTO job (id, state, queue, task, rank, crash_limit, dependencies, pending, unique_held, submitted_at, due_at, expires_at,
    keep_ms, ready_at, ended_at, prune_at, root, parent, trace, unique_key, unique_until, cause, policy, args)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** The live job that holds a unique key. */
export function holderOf(db: Connection, key: string): string | undefined {
  return db.get<{ id: string }>("SELECT id FROM job WHERE unique_key = ? AND unique_held = 1", key)?.id;
}

function write(db: Connection, { job, dependsOn, state, pending, cause }: Arrival, now: number): number {
  const { args, unique } = job;
  const isLong = args.length > longArguments;
  const failed = state === "failed";
  const seq = db.insert(
    insertJob,
    job.id,
    state,
    job.queue,
    job.task,
    -job.priority,
    job.crashLimit,
    dependsOn.length,
    pending,
    unique && !failed ? 1 : 0,
    job.submittedAt,
    job.dueAt,
    job.expiresAt,
    job.keepMs,
    state === "ready" ? now : null,
    failed ? now : null,
    failed ? now + job.keepMs : null,
    job.root === job.id ? null : job.root,
    job.parent,
    job.trace,
    unique?.key ?? null,
    unique?.until ?? null,
    cause,
    job.policy,
    isLong ? null : args,
  );
  if (isLong) db.run("INSERT INTO long_args (seq, text) VALUES (?, ?)", seq, args);
  return seq;
}

function seqOf(db: Connection, id: string): number {
  // It was found while the batch was planned, under the same lock.
  return db.get<{ seq: number }>("SELECT seq FROM job WHERE id = ?", id)?.seq ?? -1;
}

/** Adds jobs; see `Store.add`. */
export function add(db: Connection, effects: Effects, jobs: readonly NewJob[], now: number): readonly Added[] {
  const arrived = arrivals(jobs, now, {
    find: (id) => db.get("SELECT state, cause FROM job WHERE id = ?", id),
    holder: (key) => holderOf(db, key),
  });
  const seqs = new Map<string, number>();
  for (const each of arrived) {
    const { job, existing, dependsOn, state } = each;
    if (existing !== null) {
      if (seqOf(db, job.id) !== -1) throw takenId(job.id);
      continue;
    }
    let seq: number;
    try {
      seq = write(db, each, now);
    } catch (error) {
      throw isTakenId(error) ? takenId(job.id) : error;
    }
    seqs.set(job.id, seq);
    for (const [position, id] of dependsOn.entries()) {
      db.run("INSERT INTO edge (job, position, dep) VALUES (?, ?, ?)", seq, position, seqs.get(id) ?? seqOf(db, id));
    }
    if (state === "ready") effects.ready = true;
    else if (state === "failed") effects.ended.push(seq);
  }
  return arrived.map(({ job, existing }) => ({ id: job.id, existing }));
}
