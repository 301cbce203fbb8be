// Making a schema a store, and bringing an older one to the current layout: the steps it lacks are applied in order in one
// transaction. Several programs may do so at once; they take a lock, and whoever comes second finds nothing left to do. A
// program that may not create anything can use a store that someone else has made with the SQL that `migrationSql` gives.
import { StoreError, StoreLostError, StoreUnavailable } from "../../core/errors.ts";
import type { Session } from "./connection.ts";
import { dropFunctions, functions } from "./functions/all.ts";
import { fourthLayout } from "./fourth-layout.ts";
import type { SchemaSql } from "./schema.ts";
import { tables } from "./schema.ts";
import { secondLayout } from "./second-layout.ts";
import { quoted } from "./text.ts";
import { thirdLayout } from "./third-layout.ts";
import { hasCode } from "./trouble.ts";
import type { Place } from "./url.ts";
import { lockNumber } from "./world.ts";

/** One change of the layout. It must not fail on anything that the layout before it allows. */
export interface Step {
  readonly name: string;
  readonly sql: SchemaSql;
}

/** The steps that lead to the tables of the current layout. Its functions are made anew with the last of them. */
export const steps: readonly Step[] = [
  { name: "first layout", sql: tables },
  { name: "records, suspended attempts, tolerated dependencies, gates", sql: secondLayout },
  { name: "events", sql: thirdLayout },
  { name: "lines before gates by age", sql: fourthLayout },
  { name: "no tokens for places that are taken: functions only", sql: () => "" },
];

const oldestServer = 140_000;

/** What is found where a store is to be. */
export interface Found {
  /** 0 when there is no store. */
  readonly layout: number;
  /** The server's clock, ms since 1970. */
  readonly serverMs: number;
  readonly server: string;
  /** What tells this store from all others. */
  readonly store: string;
}

/** The server's clock, as an expression. */
export const clockSql = "(extract(epoch FROM clock_timestamp()) * 1000)::double precision";

/** Looks at the server and the store. Throws a StoreError for one that cannot be used. */
export async function look(session: Session, { schema, location, server }: Place): Promise<Found> {
  const meta = `${quoted(schema)}.meta`;
  const [row] = await session.query(
    `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'),
      current_setting('transaction_read_only') = 'on', current_setting('transaction_isolation'),
      ${clockSql}, EXISTS (SELECT 1 FROM pg_class WHERE relname = 'meta' AND relnamespace = to_regnamespace($1)),
      EXISTS (SELECT 1 FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($1))`,
    [quoted(schema)],
  );
  const [number, version, encoding, isReadOnly, isolation, serverMs, exists, hasTables] = row as [
    number,
    string,
    string,
    boolean,
    string,
    number,
    boolean,
    boolean,
  ];
  if (number < oldestServer) {
    throw new StoreError(`The PostgreSQL server ${server} is of version ${version}; manyhands needs 14 or newer.`);
  }
  if (encoding !== "UTF8") {
    throw new StoreError(`The database ${server} has the encoding ${encoding}; manyhands needs UTF8. Use another database.`);
  }
  if (isReadOnly) {
    throw new StoreUnavailable(`The PostgreSQL server ${server} only reads: it is a standby. Give the URL of the primary.`);
  }
  // Others work between a look and what is done about it, unless a lock says otherwise; a snapshot must not be older than the lock.
  if (isolation !== "read committed") {
    throw new StoreError(
      `The database ${server} begins transactions as "${isolation}"; manyhands needs "read committed". Set it for the user of the URL: ` +
        "ALTER ROLE … SET default_transaction_isolation = 'read committed'.",
    );
  }
  if (!exists) {
    if (hasTables) {
      throw new StoreError(
        `${location} is not a manyhands store: the schema has tables of another program. Nothing was changed. Give another schema ` +
          'in the URL: "?schema=name".',
      );
    }
    return { layout: 0, serverMs, server: version, store: "" };
  }
  const [stored] = await session.query(`SELECT layout, store FROM ${meta}`);
  const layout = Number(stored?.[0] ?? 0);
  if (layout > steps.length) {
    throw new StoreLostError(
      `The store on ${location} has layout ${layout}; this version of manyhands knows ${steps.length} and older. ` +
        "It was brought there by a newer one: use that, or give another schema.",
    );
  }
  return { layout, serverMs, server: version, store: String(stored?.[1]) };
}

function stepSql(schema: string, from: number): string {
  const name = quoted(schema);
  const body = steps.slice(from).map(({ sql }) => sql(name));
  const note =
    from === 0
      ? `INSERT INTO ${name}.meta (layout) VALUES (${steps.length});`
      : `UPDATE ${name}.meta SET layout = ${steps.length};`;
  return [...body, dropFunctions(name), functions(name), note, ""].join("\n");
}

/** Makes the store, or brings it up to date, unless someone else has. */
export async function migrate(session: Session, place: Place): Promise<void> {
  const { schema, location } = place;
  await session.query(`BEGIN; SELECT pg_advisory_xact_lock(${lockNumber(`${schema} layout`)})`);
  let layout = 0;
  try {
    ({ layout } = await look(session, place));
    if (layout < steps.length) {
      const [exists] = await session.query("SELECT to_regnamespace($1) IS NOT NULL", [quoted(schema)]);
      if (exists?.[0] !== true) await session.query(`CREATE SCHEMA ${quoted(schema)}`);
      await session.query(stepSql(schema, layout));
    }
    await session.query("COMMIT");
  } catch (error) {
    await session.query("ROLLBACK");
    if (!hasCode(error, "42501")) throw error;
    throw new StoreError(
      `The store on ${location} is not set up, and this user may not do it: ${(error as Error).message}. Let one who may run ` +
        `the SQL of migrationSql("${schema}"), and grant this user the use of the schema, its tables, sequence and functions.`,
      { cause: error },
    );
  }
}

/** The SQL that makes a store in a schema, or brings one from layout `from` up to date, for whoever may do so where the application may not. */
export function migrationSql(schema: string, from: number = 0): string {
  const create = from === 0 ? `CREATE SCHEMA IF NOT EXISTS ${quoted(schema)};\n` : "";
  return `BEGIN;\n${create}${stepSql(schema, from)}COMMIT;\n`;
}
