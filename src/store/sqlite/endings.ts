// Telling those who wait which of their jobs have ended. A program may wait for 100,000 jobs and ask on every wake-up, so
// asking the file about each of them each time is out of the question. Every commit that ends jobs leaves one row that
// names them; whoever asked before reads only what was added since, and asks the file only about jobs that are new
// to it or that such a row named. Of these rows the last 1,024 or so are kept: who comes later than that asks about all.
import type { Ended } from "../job.ts";
import { endedColumns, toEnded } from "./columns.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";

const keptRows = 1024;
const trimEvery = 64;
const mostRemembered = 1_000_000;

/** Leaves word of the jobs this transaction has ended so far. */
export function recordEndings(db: Connection, effects: Effects): void {
  const ended = effects.ended.splice(0);
  if (ended.length === 0) return;
  effects.anyEnded = true;
  const no = db.insert("INSERT INTO ending (jobs) VALUES (?)", JSON.stringify(ended));
  if (no % trimEvery === 0) db.run("DELETE FROM ending WHERE no <= ?", no - keptRows);
}

/** The last commit that ended jobs. */
export function lastEnding(db: Connection): number {
  return db.get<{ no: number | null }>("SELECT max(no) AS no FROM ending")?.no ?? 0;
}

const probe = `
  SELECT job.seq, job.prune_at IS NOT NULL AS isOver, ${endedColumns} FROM json_each(?) AS asked CROSS JOIN job ON job.id = asked.value
  ORDER BY asked.key`;

interface Probed extends Ended {
  readonly seq: number;
  readonly isOver: number;
}

/** Answers `Store.endings`, remembering which jobs are known not to have ended. */
export class Endings {
  readonly #db: Connection;
  readonly #liveSeqs = new Map<string, number>();
  readonly #liveIds = new Map<number, string>();
  #read = 0;

  constructor(db: Connection) {
    this.#db = db;
  }

  /** Those of these jobs that have ended, in the order asked. */
  find(ids: readonly string[]): Ended[] {
    this.#catchUp();
    const unsure = ids.filter((id) => !this.#liveSeqs.has(id));
    if (unsure.length === 0) return [];
    const ended: Ended[] = [];
    // What ends between reading the rows above and this is found here, or is named by a row not read yet.
    for (const row of this.#db.all<Probed>(probe, JSON.stringify(unsure))) {
      if (row.isOver === 1) ended.push(toEnded(row));
      else this.#remember(row.id, row.seq);
    }
    return ended;
  }

  /** Forgets everything; needed after a rollback, since what was learnt in the transaction is not so. */
  forgetAll(): void {
    this.#liveIds.clear();
    this.#liveSeqs.clear();
  }

  #catchUp(): void {
    if (this.#liveSeqs.size === 0) {
      this.#read = lastEnding(this.#db);
      return;
    }
    const rows = this.#db.all<{ no: number; jobs: string }>("SELECT no, jobs FROM ending WHERE no > ? ORDER BY no", this.#read);
    const first = rows[0];
    if (!first) return;
    if (first.no > this.#read + 1) this.forgetAll();
    else for (const { jobs } of rows) for (const seq of JSON.parse(jobs) as number[]) this.#forget(seq);
    this.#read = rows.at(-1)?.no ?? this.#read;
  }

  #remember(id: string, seq: number): void {
    if (this.#liveSeqs.size >= mostRemembered) this.forgetAll();
    this.#liveSeqs.set(id, seq);
    this.#liveIds.set(seq, id);
  }

  #forget(seq: number): void {
    const id = this.#liveIds.get(seq);
    if (id === undefined) return;
    this.#liveIds.delete(seq);
    this.#liveSeqs.delete(id);
  }
}
