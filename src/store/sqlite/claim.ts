// Giving out ready jobs. One probe of the ready index for each queue and task: what waits for other tasks is never looked at,
// be it a million rows. Several tasks are merged by priority and age, each read in pages that grow, so that neither
// a hundred idle tasks nor one long backlog makes a claim read much more than it takes.
import type { ClaimedJob } from "../job.ts";
import { isSuspect } from "../machine.ts";
import type { Want } from "../store.ts";
import { fillWant } from "../want.ts";
import type { ClaimRow } from "./columns.ts";
import { claimColumns, toClaimed } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { rowLimit } from "./where.ts";

/** Seqs of the jobs this connection has given out, so that their outcomes find them without looking up their ids. */
export class Seqs {
  readonly #seqs = new Map<string, number>();
  readonly #db: Connection;

  constructor(db: Connection) {
    this.#db = db;
  }

  remember(id: string, seq: number): void {
    this.#seqs.set(id, seq);
    // Jobs that were lost with their lease are never settled here; the oldest are forgotten.
    if (this.#seqs.size > 100_000) for (const oldest of this.#seqs.keys()) return void this.#seqs.delete(oldest);
  }

  /** Where to look for a job; whoever uses it must compare the id, since the seqs of deleted rows are used again. */
  find(id: string): number {
    return this.#seqs.get(id) ?? this.#db.get<{ seq: number }>("SELECT seq FROM job WHERE id = ?", id)?.seq ?? -1;
  }

  forget(id: string): void {
    this.#seqs.delete(id);
  }

  forgetAll(): void {
    this.#seqs.clear();
  }
}

const nextPage = `
  SELECT ${claimColumns} FROM job
  WHERE state = 'ready' AND queue = ? AND task = ? AND (rank, seq) > (?, ?) AND (expires_at IS NULL OR expires_at > ? OR attempt > 0)
  ORDER BY rank, seq LIMIT ?`;
const firstPage = nextPage.replace("AND (rank, seq) > (?, ?) ", "");

/** The ready jobs of one task, in the order in which they are to be given out. */
class Backlog {
  readonly #db: Connection;
  readonly #queue: string;
  readonly #task: string;
  readonly #now: number;
  #page: ClaimRow[] = [];
  #at = 0;
  #pageRows: number;
  #isOver = false;

  constructor(db: Connection, queue: string, task: string, now: number, pageRows: number) {
    this.#db = db;
    this.#queue = queue;
    this.#task = task;
    this.#now = now;
    this.#pageRows = pageRows;
    this.#show(db.lists<ClaimRow>(firstPage, queue, task, now, pageRows));
  }

  get head(): ClaimRow | undefined {
    return this.#page[this.#at];
  }

  advance(): void {
    const passed = this.head;
    this.#at += 1;
    if (!passed || this.#at < this.#page.length || this.#isOver) return;
    this.#pageRows *= 2;
    this.#show(this.#db.lists<ClaimRow>(nextPage, this.#queue, this.#task, passed[1], passed[0], this.#now, this.#pageRows));
  }

  #show(page: ClaimRow[]): void {
    this.#page = page;
    this.#at = 0;
    this.#isOver = page.length < this.#pageRows;
  }
}

function isBefore(a: ClaimRow, b: ClaimRow | undefined): boolean {
  return b === undefined || a[1] < b[1] || (a[1] === b[1] && a[0] < b[0]);
}

/** Ready jobs of one queue, best first; `mayTake` is asked of each. */
function choose(
  db: Connection,
  queue: string,
  tasks: readonly string[],
  limit: number,
  now: number,
  mayTake: MayTake,
): ClaimRow[] {
  const pageRows = rowLimit(tasks.length === 1 ? limit : Math.ceil(limit / tasks.length) + 4);
  const backlogs = tasks.map((task) => new Backlog(db, queue, task, now, pageRows));
  const chosen: ClaimRow[] = [];
  for (;;) {
    let first: Backlog | undefined;
    for (const backlog of backlogs) if (backlog.head && isBefore(backlog.head, first?.head)) first = backlog;
    if (!first?.head) return chosen;
    if (mayTake(first.head)) chosen.push(first.head);
    if (chosen.length >= limit) return chosen;
    first.advance();
  }
}

type MayTake = (row: ClaimRow) => boolean;

const runningSuspect =
  "SELECT 1 FROM job WHERE state = 'running' AND worker = ? AND crashes > 0 AND crashes >= crash_limit LIMIT 1";

/** Lets through one suspect at most, and none when the worker has one. */
function oneSuspect(db: Connection, worker: string): MayTake {
  let hasOne: boolean | undefined;
  return (row) => {
    if (!isSuspect({ crashes: row[10], crashLimit: row[17] })) return true;
    hasOne ??= db.get(runningSuspect, worker) !== undefined;
    if (hasOne) return false;
    return (hasOne = true);
  };
}

const start = `
  UPDATE job SET state = 'running', worker = ?, attempt = attempt + 1, fence = fence + 1, started_at = ?
  WHERE seq IN (SELECT value FROM json_each(?))`;
const letGo = "UPDATE job SET unique_held = 0 WHERE seq = ?";

function isLeased(db: Connection, worker: string, now: number): boolean {
  return db.get("SELECT 1 FROM worker WHERE id = ? AND lease_until > ?", worker, now) !== undefined;
}

/** Takes ready jobs for a worker; see `Store.settle`. */
export function claim(db: Connection, seqs: Seqs, worker: string, wants: readonly Want[], now: number): ClaimedJob[] {
  if (!isLeased(db, worker, now)) return [];
  const mayTake = oneSuspect(db, worker);
  return wants.flatMap((want) => {
    const tasks = [...new Set(want.tasks)];
    return fillWant(want, (queue, limit) => {
      const rows = choose(db, queue, tasks, limit, now, mayTake);
      if (rows.length > 0) db.run(start, worker, now, JSON.stringify(rows.map(([seq]) => seq)));
      return rows.map((row) => handOver(db, seqs, row));
    });
  });
}

function handOver(db: Connection, seqs: Seqs, row: ClaimRow): ClaimedJob {
  const [seq, , uniqueHeld, uniqueUntil, id] = row;
  if (uniqueHeld === 1 && uniqueUntil === "started") db.run(letGo, seq);
  seqs.remember(id, seq);
  return toClaimed(row);
}

const anyReady = "SELECT 1 FROM job WHERE state = 'ready' AND queue = ? AND task = ? LIMIT 1";

/** True when a claim may find something; asked before the write lock is. */
export function mayClaim(db: Connection, wants: readonly Want[]): boolean {
  return wants.some(
    ({ queues, tasks, limit }) =>
      limit > 0 && queues.some((queue) => tasks.some((task) => db.get(anyReady, queue, task) !== undefined)),
  );
}
