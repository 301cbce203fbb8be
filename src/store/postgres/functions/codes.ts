// What the functions in the database and their callers say to each other by numbers, and how all of them are planned.

/** A job has become ready. */
export const readyBit = 1;
/** A job has ended. */
export const endedBit = 2;
/** A job was added or made live again that is due soon. */
export const scheduledBit = 4;
/** A record of a job was written of which listeners are to be told. */
export const writtenBit = 8;
/** One of the store's own was. */
export const ownBit = 16;
/** All of them. */
export const everyBit: number = readyBit | endedBit | scheduledBit | writtenBit | ownBit;
/** The code of the error by which `settle` says that a seq was out of date. */
export const staleSeq = "MH001";

/**
 * The options of a function whose statements are to go by index, planned once for a connection. Its tables are empty one moment and full
 * the next, and statistics know nothing of it.
 */
export const probing: string = `SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
  SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off`;

/** Sets the locks on workers apart from all others. */
export const workerLockSeed = "7308044";

/**
 * Rows of a table to be looked up for each row before it. The OFFSET keeps the server from joining the other way round, which it
 * thinks cheap when the table was empty at the last vacuum, and which takes hours when it is not.
 */
export function one(table: string, schema: string, columns: string, condition: string): string {
  return `(SELECT ${columns} FROM ${schema}.${table} WHERE ${condition} OFFSET 0) AS ${table}`;
}

/** What a job brings along from state to state. */
export const carriedNames = "seq, attempt, crashes, fence, due_at, expires_at, ready_at, started_at, error, progress";

/** The same as columns of a row, but for the seq. */
export function carriedOf(seq: string, row: string): string {
  return carried(row).replace(`${row}.seq`, seq);
}

/** The same as columns of a row. */
export function carried(row: string): string {
  return carriedNames.replaceAll(/\w+/g, `${row}.$&`);
}
