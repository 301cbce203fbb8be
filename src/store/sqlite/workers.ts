// Workers and their leases.
import type { Renewal } from "../lease.ts";
import type { NewWorker, StoredWorker } from "../store.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { takeBack } from "./attempt.ts";

const upsert = `
  INSERT OR REPLACE INTO worker (id, host, pid, queues, tasks, started_at, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?)`;

/** See `Store.join`. */
export function join(db: Connection, worker: NewWorker, leaseUntil: number): void {
  const { id, host, pid, queues, tasks, startedAt } = worker;
  db.run(upsert, id, host, pid, JSON.stringify(queues), JSON.stringify(tasks), startedAt, leaseUntil);
}

const wished = "SELECT id FROM job WHERE worker = ? AND prune_at IS NULL AND cancel_at IS NOT NULL ORDER BY seq";

/** See `Store.renew`. */
export function renew(db: Connection, worker: string, leaseUntil: number): Renewal {
  const found = db.get<{ draining: number }>(
    "UPDATE worker SET lease_until = ? WHERE id = ? RETURNING draining",
    leaseUntil,
    worker,
  );
  if (!found) return { alive: false, cancels: [], drain: false };
  return { alive: true, cancels: db.all<{ id: string }>(wished, worker).map(({ id }) => id), drain: found.draining === 1 };
}

/** See `Store.drain`. */
export function drain(db: Connection, worker: string): boolean {
  return db.run("UPDATE worker SET draining = 1 WHERE id = ?", worker) > 0;
}

/** See `Store.leave`. */
export function leave(db: Connection, effects: Effects, worker: string, now: number): void {
  takeBack(db, effects, worker, "released", now);
  db.run("DELETE FROM worker WHERE id = ?", worker);
}

/** See `Store.note`. */
export function note(db: Connection, worker: string, progress: readonly (readonly [string, number, string])[]): void {
  for (const [id, fence, text] of progress) {
    db.run("UPDATE job SET progress = ? WHERE id = ? AND worker = ? AND fence = ? AND prune_at IS NULL", text, id, worker, fence);
  }
}

interface WorkerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly queues: string;
  readonly tasks: string;
  readonly startedAt: number;
  readonly leaseUntil: number;
  readonly running: number;
}

const all = `
  SELECT id, host, pid, queues, tasks, started_at AS startedAt, lease_until AS leaseUntil,
    (SELECT count(*) FROM job WHERE job.worker = worker.id AND job.prune_at IS NULL) AS running
  FROM worker ORDER BY id`;

function toWorker({ id, host, pid, queues, tasks, startedAt, leaseUntil, running }: WorkerRow): StoredWorker {
  const lists = { queues: JSON.parse(queues) as string[], tasks: JSON.parse(tasks) as string[] };
  return { ...lists, id, host, pid, startedAt, leaseUntil, running };
}

/** See `Store.workers`. */
export function workers(db: Connection): StoredWorker[] {
  return db.all<WorkerRow>(all).map(toWorker);
}
