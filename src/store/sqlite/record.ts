// Records: named texts of a job, which go with it, or of the store itself. They lie in a table of their own, so that jobs without
// any do not pay for them.
import type { Job, NewRecord, StoredRecord } from "../job.ts";
import type { AttemptEnd, PastAttempt } from "../machine.ts";
import { attemptRecord, attemptsKept, isRecorded, signalPrefix } from "../machine.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { gatesIn, walkUp } from "./rest.ts";
import { rowLimit } from "./where.ts";

/** The `job` of the store's own records: no row of a job has this seq. */
export const storesOwn = 0;

/** The names that begin with a prefix are those from it on and before this. */
function endOfPrefix(prefix: string): string {
  // Names are ASCII.
  return `${prefix}\u{7f}`;
}

/** The text of a record; null when there is none. */
export function textOf(db: Connection, job: number, name: string): string | null {
  return db.get<{ text: string }>("SELECT text FROM record WHERE job = ? AND name = ?", job, name)?.text ?? null;
}

/** Puts a text in the place of what stands there; null deletes it. */
export function setRecord(db: Connection, job: number, name: string, text: string | null): void {
  if (text === null) db.run("DELETE FROM record WHERE job = ? AND name = ?", job, name);
  else {
    db.run(
      "INSERT INTO record (job, name, text) VALUES (?, ?, ?) ON CONFLICT (job, name) DO UPDATE SET text = excluded.text",
      job,
      name,
      text,
    );
  }
}

/** How many records of a job have names that begin so. */
export function countRecords(db: Connection, job: number, prefix: string): number {
  const sql = "SELECT count(*) AS count FROM record WHERE job = ? AND name >= ? AND name < ?";
  return db.get<{ count: number }>(sql, job, prefix, endOfPrefix(prefix))?.count ?? 0;
}

/** Deletes the records of these jobs. */
export function forgetRecords(db: Connection, seqs: readonly number[]): void {
  // Mostly there are none at all.
  if (seqs.length === 0 || db.get("SELECT 1 FROM record WHERE job > ? LIMIT 1", storesOwn) === undefined) return;
  db.run("DELETE FROM record WHERE job IN (SELECT value FROM json_each(?))", JSON.stringify(seqs));
}

/** Listeners are to be told that a record of this job was written, or one of the store's own. */
export function tellWritten(db: Connection, effects: Effects, job: number): void {
  const event = job === storesOwn ? "own" : "written";
  if (effects[event]) return;
  effects[event] = true;
  db.run(event === "own" ? "UPDATE tally SET told_own = told_own + 1" : "UPDATE tally SET told = told + 1");
}

/** How often listeners were to be told of records. */
export interface TimesTold {
  readonly written: number;
  readonly own: number;
}

export function timesTold(db: Connection): TimesTold {
  return db.get<TimesTold>("SELECT told AS written, told_own AS own FROM tally") ?? { written: 0, own: 0 };
}

/** Keeps what is to be known of an attempt that has not ended its job. */
export function recordAttempt(
  db: Connection,
  { seq, fence, worker, startedAt }: Pick<Job, "fence" | "worker" | "startedAt"> & { readonly seq: number },
  end: AttemptEnd,
  now: number,
): void {
  if (!isRecorded(end.kind)) return;
  const past: PastAttempt = [end.kind, worker ?? "", startedAt ?? now, now, "error" in end ? end.error : null];
  setRecord(db, seq, attemptRecord(fence), JSON.stringify(past));
  if (fence > attemptsKept) setRecord(db, seq, attemptRecord(fence - attemptsKept), null);
}

const wake = `
  UPDATE job SET state = iif(gates IS NULL, 'ready', 'blocked'), ready_at = iif(gates IS NULL, ?, ready_at), waits = NULL
  WHERE seq = ? RETURNING gates`;

/** Makes a scheduled or suspended job ready. */
export function wakeUp(db: Connection, effects: Effects, seq: number, now: number): void {
  const row = db.get<{ gates: string | null }>(wake, now, seq);
  if (row?.gates) walkUp(db, effects, seq, gatesIn(row.gates), now);
  else effects.ready = true;
}

interface Writable {
  readonly seq: number;
  readonly worker: string | null;
  readonly fence: number;
  readonly isOver: number;
  readonly isSuspended: number;
}

const findWritable = `
  SELECT seq, worker, fence, prune_at IS NOT NULL AS isOver, state = 'waiting' AND worker IS NULL AS isSuspended FROM job WHERE id = ?`;

function mayWrite({ worker, fence, isOver }: Writable, claim: NewRecord["claim"]): boolean {
  return isOver === 0 && (claim === null || (worker === claim.worker && fence === claim.fence));
}

function writeOne(db: Connection, effects: Effects, { job, name, text, claim, tell }: NewRecord, now: number): boolean {
  const row = job === "" ? undefined : db.get<Writable>(findWritable, job);
  if (job !== "" && !(row && mayWrite(row, claim))) return false;
  const seq = row?.seq ?? storesOwn;
  setRecord(db, seq, name, text);
  if (tell) tellWritten(db, effects, seq);
  if (row?.isSuspended === 1 && name.startsWith(signalPrefix)) wakeUp(db, effects, row.seq, now);
  return true;
}

/** See `Store.write`. */
export function write(db: Connection, effects: Effects, records: readonly NewRecord[], now: number): boolean[] {
  return records.map((record) => writeOne(db, effects, record, now));
}

/** See `Store.records`. */
export function records(db: Connection, job: string, prefix: string, limit: number, after?: string): StoredRecord[] {
  const seq = job === "" ? storesOwn : db.get<{ seq: number }>("SELECT seq FROM job WHERE id = ?", job)?.seq;
  if (seq === undefined) return [];
  const sql = "SELECT name, text FROM record WHERE job = ? AND name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?";
  const rows = db.all<StoredRecord>(sql, seq, prefix, endOfPrefix(prefix), after ?? "", rowLimit(limit));
  return rows.map(({ name, text }) => ({ name, text }));
}
