// Giving out ready jobs. One probe of the ready index for each queue and task: what waits for other tasks is never looked at,
// be it a million rows. Several tasks are merged by priority and age, each read in pages that grow, so that neither
// a hundred idle tasks nor one long backlog makes a claim read much more than it takes.
import type { ClaimedJob } from "../job.ts";
import { isSuspect } from "../machine.ts";
import type { ReadyLine, Want } from "../store.ts";
import { fillWant } from "../want.ts";
import type { ClaimRow } from "./columns.ts";
import { claimColumns, place, toClaimed } from "./columns.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { giveBackAtStart } from "./places.ts";
import { rowLimit } from "./where.ts";

/** What is known of a job without reading it. */
export interface Given {
  readonly seq: number;
  readonly gates: string | null;
}

const nothing: Given = { seq: -1, gates: null };

/** What this connection has given out: the seqs, so that outcomes find their jobs without looking up their ids. */
export class GivenOut {
  /** Suspects are about: a claim asks first whether its worker has one. */
  metSuspects = false;
  readonly #jobs = new Map<string, Given>();
  readonly #db: Connection;

  constructor(db: Connection) {
    this.#db = db;
  }

  remember(id: string, given: Given): void {
    this.#jobs.set(id, given);
    // Jobs that were lost with their lease are never settled here; the oldest are forgotten.
    if (this.#jobs.size > 100_000) for (const oldest of this.#jobs.keys()) return void this.#jobs.delete(oldest);
  }

  /** Where to look for a job; whoever uses it must compare the id, since the seqs of deleted rows are used again. */
  find(id: string): Given {
    return this.#jobs.get(id) ?? this.#db.get<Given>("SELECT seq, gates FROM job WHERE id = ?", id) ?? nothing;
  }

  forget(id: string): void {
    this.#jobs.delete(id);
  }

  forgetAll(): void {
    this.#jobs.clear();
  }
}

const suspect = "crashes > 0 AND crashes >= crash_limit";
const heldSuspect = `SELECT 1 FROM job WHERE worker = ? AND prune_at IS NULL AND ${suspect} LIMIT 1`;

/** Lets one suspect at most through a claim, and none when the worker has one. */
class Suspects {
  /** There was one; or the worker had one, and nobody looked for others. */
  met = false;
  readonly #db: Connection;
  readonly #worker: string;
  #hasOne: boolean | undefined;

  /** `expected`: it pays to ask at once, lest pages of suspects be read in vain. */
  constructor(db: Connection, worker: string, expected: boolean) {
    this.#db = db;
    this.#worker = worker;
    if (expected) this.met = this.#look();
  }

  /** 1 when no suspect may be taken any more, else 0. */
  get areOut(): 0 | 1 {
    return this.#hasOne ? 1 : 0;
  }

  mayTake(row: ClaimRow): boolean {
    if (!isSuspect({ crashes: row[10], crashLimit: row[17] })) return true;
    this.met = true;
    if (this.#look()) return false;
    return (this.#hasOne = true);
  }

  #look(): boolean {
    return (this.#hasOne ??= this.#db.get(heldSuspect, this.#worker) !== undefined);
  }
}

/** What a claim needs wherever it looks. */
interface Claim {
  readonly db: Connection;
  readonly now: number;
  readonly suspects: Suspects;
}

function page(from: string): string {
  return `
    SELECT ${claimColumns} FROM job
    WHERE state = 'ready' AND queue = ? AND task = ? ${from} AND (expires_at IS NULL OR expires_at > ? OR attempt > 0)
      AND NOT (? AND ${suspect})
    ORDER BY rank, ${place} LIMIT ?`;
}

// What comes after a row is read in pieces, since only so is each a range of the index.
const firstPage = page("");
const samePlace = page(`AND rank = ? AND ${place} = ? AND seq > ?`);
const sameRank = page(`AND rank = ? AND ${place} > ?`);
const lowerRanks = page("AND rank > ?");

/** The ready jobs of one task, in the order in which they are to be given out. */
class Backlog {
  readonly #db: Connection;
  readonly #queue: string;
  readonly #task: string;
  readonly #now: number;
  readonly #suspects: Suspects;
  #page: ClaimRow[] = [];
  #at = 0;
  #pageRows: number;
  #isOver = false;

  constructor({ db, now, suspects }: Claim, queue: string, task: string, pageRows: number) {
    this.#db = db;
    this.#queue = queue;
    this.#task = task;
    this.#now = now;
    this.#suspects = suspects;
    this.#pageRows = pageRows;
    this.#show(this.#read(firstPage, pageRows));
  }

  get head(): ClaimRow | undefined {
    return this.#page[this.#at];
  }

  advance(): void {
    const passed = this.head;
    this.#at += 1;
    if (!passed || this.#at < this.#page.length || this.#isOver) return;
    this.#pageRows *= 2;
    const [seq, rank, at] = [passed[0], passed[1], passed[18]];
    const page = passed[19] === null ? [] : this.#read(samePlace, this.#pageRows, rank, at, seq);
    for (const row of this.#read(sameRank, this.#pageRows - page.length, rank, at)) page.push(row);
    for (const row of this.#read(lowerRanks, this.#pageRows - page.length, rank)) page.push(row);
    this.#show(page);
  }

  #read(sql: string, rows: number, ...after: readonly number[]): ClaimRow[] {
    if (rows <= 0) return [];
    return this.#db.lists<ClaimRow>(sql, this.#queue, this.#task, ...after, this.#now, this.#suspects.areOut, rows);
  }

  #show(page: ClaimRow[]): void {
    this.#page = page;
    this.#at = 0;
    this.#isOver = page.length < this.#pageRows;
  }
}

function isBefore(a: ClaimRow, b: ClaimRow | undefined): boolean {
  return b === undefined || (a[1] - b[1] || a[18] - b[18] || a[0] - b[0]) < 0;
}

/** Ready jobs of one queue, best first. */
function choose(claim: Claim, queue: string, tasks: readonly string[], limit: number): ClaimRow[] {
  const pageRows = rowLimit(tasks.length === 1 ? limit : Math.ceil(limit / tasks.length) + 4);
  const backlogs = tasks.map((task) => new Backlog(claim, queue, task, pageRows));
  const chosen: ClaimRow[] = [];
  for (;;) {
    let first: Backlog | undefined;
    for (const backlog of backlogs) if (backlog.head && isBefore(backlog.head, first?.head)) first = backlog;
    if (!first?.head) return chosen;
    if (claim.suspects.mayTake(first.head)) chosen.push(first.head);
    if (chosen.length >= limit) return chosen;
    first.advance();
  }
}

const start = `
  UPDATE job SET state = 'running', worker = ?, attempt = attempt + 1, fence = fence + 1, started_at = ?,
    ahead = iif(ahead IS NULL, NULL, -1)
  WHERE seq IN (SELECT value FROM json_each(?))`;
const letGo = "UPDATE job SET unique_held = 0 WHERE seq = ?";

function isLeased(db: Connection, worker: string, now: number): boolean {
  return db.get("SELECT 1 FROM worker WHERE id = ? AND lease_until > ?", worker, now) !== undefined;
}

/** What a claim does its work with. */
export interface ClaimTools {
  readonly db: Connection;
  readonly effects: Effects;
  readonly given: GivenOut;
}

/** Takes ready jobs for a worker; see `Store.settle`. */
export function claim(tools: ClaimTools, worker: string, wants: readonly Want[], now: number): ClaimedJob[] {
  const { db, given } = tools;
  if (!isLeased(db, worker, now)) return [];
  const suspects = new Suspects(db, worker, given.metSuspects);
  const claimed = wants.flatMap((want) => {
    const tasks = [...new Set(want.tasks)];
    return fillWant(want, (queue, limit) => {
      if (isPaused(db, queue)) return [];
      const rows = choose({ db, now, suspects }, queue, tasks, limit);
      if (rows.length > 0) db.run(start, worker, now, JSON.stringify(rows.map(([seq]) => seq)));
      return rows.map((row) => handOver(tools, row));
    });
  });
  given.metSuspects = suspects.met;
  return claimed;
}

function handOver({ db, effects, given }: ClaimTools, row: ClaimRow): ClaimedJob {
  const [seq, , uniqueHeld, uniqueUntil, id] = row;
  const [gates, ahead] = [row[19], row[20]];
  if (uniqueHeld === 1 && uniqueUntil === "started") db.run(letGo, seq);
  if (gates !== null && ahead === 0) giveBackAtStart(effects, gates);
  given.remember(id, { seq, gates });
  return toClaimed(row);
}

/** True when nothing may be claimed from this queue. */
export function isPaused(db: Connection, queue: string): boolean {
  return db.get("SELECT 1 FROM paused WHERE queue = ?", queue) !== undefined;
}

/** See `Store.pause`. */
export function pause(db: Connection, effects: Effects, queue: string, paused: boolean): void {
  if (paused) db.run("INSERT OR IGNORE INTO paused (queue) VALUES (?)", queue);
  else if (db.run("DELETE FROM paused WHERE queue = ?", queue) > 0) effects.ready = true;
}

const firstReady = `SELECT id FROM job WHERE state = 'ready' AND queue = ? AND task = ? ORDER BY rank, ${place} LIMIT 1`;

/** See `Store.next`. */
export function next(db: Connection, queues: readonly string[], tasks: readonly string[]): string | null {
  for (const queue of queues) {
    for (const task of tasks) {
      const first = db.get<{ id: string }>(firstReady, queue, task);
      if (first && !isPaused(db, queue)) return first.id;
    }
  }
  return null;
}

const firstLine = "SELECT queue, task FROM job WHERE state = 'ready' ORDER BY queue, task LIMIT 1";
const lineAfter = "SELECT queue, task FROM job WHERE state = 'ready' AND (queue, task) > (?, ?) ORDER BY queue, task LIMIT 1";

/** See `Store.lines`. Each line is one probe of the ready index. */
export function lines(db: Connection, limit: number): ReadyLine[] {
  const found: ReadyLine[] = [];
  for (let line = db.get<ReadyLine>(firstLine); line && found.length < limit;) {
    found.push({ queue: line.queue, task: line.task });
    line = db.get<ReadyLine>(lineAfter, line.queue, line.task);
  }
  return found;
}

/** True when a claim may find something; asked before the write lock is. */
export function mayClaim(db: Connection, wants: readonly Want[]): boolean {
  return wants.some(({ queues, tasks, limit }) => limit > 0 && next(db, queues, tasks) !== null);
}
