// Transactions of several statements, for the rare verbs: those that look at a part of the world before they change it. They take
// the lock on the world alone, while every settle holds it together with others, so what was looked at stands still.
import type { Queryable, Row } from "./client.ts";
import type { Session } from "./connection.ts";
import { ConnectionLost } from "./connection.ts";

// A row may be locked by a transaction of someone else's, which has submitted in it and may stay open for long. Nobody has the world
// to himself while he waits for that: he gives up, and the line lets others go first.
const rowWaitMs = 50;

/** Runs `body` in a transaction that has the world to itself. */
export function alone<T>(session: Session, world: string, body: () => Promise<T>): Promise<T> {
  const lock = `SELECT pg_advisory_xact_lock(${world}); SET LOCAL lock_timeout = ${rowWaitMs}`;
  return within(session, `BEGIN ISOLATION LEVEL READ COMMITTED; ${lock}`, body);
}

/** Runs `body` in a transaction beside settles and claims, while nobody has the world to himself. */
export function amongOthers<T>(session: Session, world: string, body: () => Promise<T>): Promise<T> {
  return within(session, `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock_shared(${world})`, body);
}

/** Runs `body` in the transaction that these statements begin. */
export async function within<T>(session: Session, begin: string, body: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    // What is begun here may fail half-way, at the lock.
    await session.query(begin);
    result = await body();
  } catch (error) {
    if (!(error instanceof ConnectionLost)) await session.query("ROLLBACK");
    throw error;
  }
  await session.query("COMMIT");
  return result;
}

/** The statements of a caller's own transaction. */
export function sessionOf(client: Queryable): Session {
  return {
    query: async (text, values): Promise<readonly Row[]> =>
      (await client.query({ text, ...(values && { values }), rowMode: "array" })).rows ?? [],
  };
}
