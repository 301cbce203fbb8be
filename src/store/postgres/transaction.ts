// Transactions of several statements, for the rare verbs: those that look at a part of the world before they change it. They take
// the lock on the world alone, while every settle holds it together with others, so what was looked at stands still.
import type { Queryable, Row } from "./client.ts";
import type { Session } from "./connection.ts";
import { ConnectionLost } from "./connection.ts";

/** Runs `body` in a transaction that has the world to itself. */
export async function alone<T>(session: Session, world: string, body: () => Promise<T>): Promise<T> {
  await session.query(`BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(${world})`);
  let result: T;
  try {
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
