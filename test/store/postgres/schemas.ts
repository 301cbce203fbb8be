// Schemas for the tests of one file, each for a store of its own, dropped when the file is over.
import { after } from "node:test";
import type { QueryResultRow } from "pg";
import { Client } from "pg";
import { systemRuntime } from "../../../src/core/runtime.ts";
import type { PostgresOptions, PostgresStore } from "../../../src/store/postgres/store.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { givenPostgres } from "../../servers/given.ts";

const given = givenPostgres();
/** Why the tests are skipped, or false. */
export const skip: string | false = "skip" in given ? given.skip : false;
/** The server's URL. */
export const serverUrl: string = "url" in given ? given.url : "";

const made: string[] = [];

/** The URL of a store that does not exist yet. */
export function newUrl(parameters: Readonly<Record<string, string>> = {}): string {
  const url = new URL(serverUrl);
  const schema = `test_${systemRuntime.id().toLowerCase()}`;
  made.push(schema);
  url.searchParams.set("schema", schema);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** The schema of a store's URL. */
export function schemaOf(url: string): string {
  return new URL(url).searchParams.get("schema") ?? "";
}

/** Opens a new store. */
export function newStore(options: PostgresOptions = {}): Promise<PostgresStore> {
  return postgresStore(newUrl(), options);
}

/** A connection of the test's own. */
export async function connect(url: string = serverUrl): Promise<Client> {
  const plain = new URL(url);
  plain.searchParams.delete("schema");
  const client = new Client({ connectionString: plain.href });
  await client.connect();
  return client;
}

/** Runs one statement on a connection of its own. */
export async function query<T extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
  const client = await connect();
  try {
    return (await client.query<T>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

after(async () => {
  if (skip !== false || made.length === 0) return;
  const client = await connect();
  // One by one: a statement locks every table of a schema, and the server has room for so many locks only.
  for (const schema of made) await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
  await client.end();
});
