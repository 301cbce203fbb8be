// Stores of their own on the shared servers of a test run: a schema, or a name, that nobody else uses, gone when the test ends.
import { after } from "node:test";
import type { Given } from "./given.ts";
import { givenPostgres, givenRedis } from "./given.ts";

/** A kind of store that needs a server. */
export interface Network {
  readonly kind: "postgres" | "redis";
  readonly given: Given;
  /** The URL of a new, empty store. */
  readonly fresh: () => string;
}

let made = 0;

function newName(): string {
  made += 1;
  return `t${process.pid}_${Date.now().toString(36)}_${made}`;
}

async function dropSchemas(url: string, schemas: readonly string[]): Promise<void> {
  const { Client } = (await import("pg")).default;
  const client = new Client({ connectionString: url });
  await client.connect();
  // One at a time: a schema has more tables than a transaction may lock at once.
  for (const schema of schemas) await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await client.end();
}

async function dropNames(url: string, names: readonly string[]): Promise<void> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url);
  for (const name of names) {
    for await (const keys of client.scanStream({ match: `{${name}}*`, count: 1000 }) as AsyncIterable<string[]>) {
      if (keys.length > 0) await client.unlink(...keys);
    }
  }
  client.disconnect();
}

function network(kind: Network["kind"], given: Given, areDropped: boolean): Network {
  const names: string[] = [];
  after(async () => {
    if (!("url" in given) || names.length === 0 || !areDropped) return;
    await (kind === "postgres" ? dropSchemas : dropNames)(given.url, names);
  });
  return {
    kind,
    given,
    fresh: () => {
      if (!("url" in given)) throw new Error(given.skip);
      const name = newName();
      names.push(name);
      return `${given.url}?${kind === "postgres" ? "schema" : "name"}=${name}`;
    },
  };
}

/**
 * Both kinds. To be called once in a test file, outside of tests. Hooks run in the order in which they were declared: where a later one still
 * uses the stores they are left to go with the server.
 */
export function networks(areDropped: boolean = true): readonly Network[] {
  return [network("postgres", givenPostgres(), areDropped), network("redis", givenRedis(), areDropped)];
}
