// A connection to a store's file: prepared statements kept by their text, and the wait for SQLite's one write lock. The wait is
// our own (busy_timeout is 0): SQLite's handler sleeps longer each time it fails, so that of several busy processes one gets
// nearly everything; short waits of random length give each its turn. Errors are SQLite's own; `trouble.ts` words them.
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import type { Runtime } from "../../core/runtime.ts";
import { sleep } from "../../core/runtime.ts";
import { isBusy } from "./trouble.ts";

/** For how long a lock is waited for before that is an error. */
export const lockWaitMs = 30_000;

const leastWaitMs = 0.05;
const waitSpreadMs = 0.5;
const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for 0.05 to 0.55 ms. */
export function pause(random: number): void {
  Atomics.wait(nobodyWakes, 0, 0, leastWaitMs + waitSpreadMs * random);
}

/** An open file. */
export class Connection {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #listStatements = new Map<string, StatementSync>();

  /** `open` is a connection that someone else has opened, and will close. */
  constructor(path: string, open?: DatabaseSync) {
    this.path = path;
    this.#db = open ?? new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false });
  }

  get inTransaction(): boolean {
    return this.#db.isTransaction;
  }

  /** All rows; the caller says what the SQL gives. */
  all<T>(sql: string, ...params: SQLInputValue[]): T[] {
    return this.#statement(sql).all(...params) as unknown as T[];
  }

  /** All rows, each as the list of its columns; the caller says what the SQL gives. */
  lists<T extends readonly unknown[]>(sql: string, ...params: SQLInputValue[]): T[] {
    let statement = this.#listStatements.get(sql);
    if (!statement) {
      statement = this.#prepare(sql);
      statement.setReturnArrays(true);
      this.#listStatements.set(sql, statement);
    }
    return statement.all(...params) as unknown as T[];
  }

  /** The first row; the caller says what the SQL gives. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the row's type beside the SQL, as in all()
  get<T>(sql: string, ...params: SQLInputValue[]): T | undefined {
    return this.#statement(sql).get(...params) as unknown as T | undefined;
  }

  /** Returns the number of rows changed. */
  run(sql: string, ...params: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...params).changes);
  }

  /** Returns the rowid of the row inserted. */
  insert(sql: string, ...params: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...params).lastInsertRowid);
  }

  /** Runs several statements that are not worth keeping. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** Starts a transaction with the write lock, waiting at most `tries` short pauses for it; false when it is taken. */
  begin(random: () => number, tries: number): boolean {
    for (let left = tries; ; left--) {
      try {
        this.run("BEGIN IMMEDIATE");
        return true;
      } catch (error) {
        if (!isBusy(error)) throw error;
        if (left <= 0) return false;
      }
      pause(random());
    }
  }

  /** Does `action` in a transaction of its own; what it throws undoes it. Does not wait for the lock. */
  transaction<T>(action: () => T): T {
    this.run("BEGIN IMMEDIATE");
    try {
      const result = action();
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Everything `read` reads is of one moment, whatever other connections write meanwhile. */
  snapshot<T>(read: () => T): T {
    if (this.inTransaction) return read();
    this.run("BEGIN");
    try {
      return read();
    } finally {
      this.rollback();
    }
  }

  commit(): void {
    this.run("COMMIT");
  }

  /** Gives up the transaction, if there is one: some errors make SQLite do that by itself. */
  rollback(): void {
    if (this.inTransaction) this.run("ROLLBACK");
  }

  close(): void {
    this.#statements.clear();
    this.#listStatements.clear();
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#prepare(sql)));
    return statement;
  }

  /** Whoever opened the connection may have chosen other forms of results. */
  #prepare(sql: string): StatementSync {
    const statement = this.#db.prepare(sql);
    statement.setReadBigInts(false);
    statement.setReturnArrays(false);
    return statement;
  }
}

/** Does `action` again, on later turns of the event loop, while another connection is in its way. */
export async function patiently<T>(runtime: Runtime, action: () => T): Promise<T> {
  const start = runtime.elapsed();
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (!isBusy(error) || runtime.elapsed() - start > lockWaitMs) throw error;
    }
    await sleep(runtime, 1 + runtime.random());
  }
}
