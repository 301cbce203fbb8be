// What a PostgreSQL store says of its server: bloat, what holds dead rows, settings that lose data, and what it may not see.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "pg";
import type { Session } from "../../../src/store/postgres/connection.ts";
import type { Health } from "../../../src/store/postgres/health.ts";
import { healthProblems, healthSettings, lookAtHealth } from "../../../src/store/postgres/health.ts";
import { look } from "../../../src/store/postgres/migrate.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { placeOf } from "../../../src/store/postgres/url.ts";
import { findPostgres, startPostgres } from "../../servers/postgres.ts";

const skip = findPostgres() === undefined && "no PostgreSQL server on this machine";
const settings = { synchronous_commit: "off", full_page_writes: "off", autovacuum: "off", max_prepared_transactions: "2" };
const server = skip ? undefined : await startPostgres({ fsync: false, settings });
after(() => server?.close());

async function client(user?: string): Promise<Client> {
  const url = new URL(server?.url ?? "");
  if (user !== undefined) [url.username, url.password] = [user, "plain"];
  const made = new Client({ connectionString: url.href });
  await made.connect();
  return made;
}

function sessionOf(made: Client): Session {
  return {
    query: async (text, values) =>
      (await made.query({ text, values: [...(values ?? [])], rowMode: "array" })).rows as unknown[][],
  };
}

const well: Health = {
  tables: [{ name: "ready", live: 10, dead: 5, vacuumedMs: 2000 }],
  holder: { what: "a transaction of app (pid 7)", ageMs: 1000 },
  submitter: { what: "app (pid 7)", ageMs: 1000 },
  slots: [],
  replicas: [{ name: "standby", lagMs: 20 }],
  connections: 5,
  mostConnections: 97,
  unread: [],
};

test("settings that lose what was acknowledged are problems, and so is autovacuum that is off", { skip }, async () => {
  const store = await postgresStore(server?.url ?? "");
  const { problems, settings: shown } = await store.info();
  for (const name of ["fsync", "full_page_writes", "synchronous_commit", "Autovacuum"]) {
    assert.ok(
      problems.some((problem) => problem.startsWith(`${name} is off`)),
      name,
    );
  }
  assert.equal(shown["ready"], "0 living, 0 dead rows, never vacuumed");
  assert.match(String(shown["connections"]), /^\d+ of \d+$/);
  assert.equal(typeof shown["clockSkewMs"], "number");
  await store.close();
});

test("what holds dead rows is named: a forgotten transaction, then an older prepared one", { skip }, async () => {
  const forgetful = await client();
  const watcher = await client();
  await forgetful.query("SET application_name = 'report'; CREATE TABLE held (id integer); BEGIN; INSERT INTO held VALUES (1)");
  const session = sessionOf(watcher);
  assert.match(
    (await lookAtHealth(session, "manyhands")).holder?.what ?? "",
    /^a forgotten transaction of manyhands \(pid \d+, report\)$/,
  );
  await forgetful.query("PREPARE TRANSACTION 'left behind'");
  const { holder, unread } = await lookAtHealth(session, "manyhands");
  assert.equal(holder?.what, "the prepared transaction 'left behind' of manyhands");
  assert.deepEqual(unread, []);
  await forgetful.query("ROLLBACK PREPARED 'left behind'");
  await Promise.all([forgetful.end(), watcher.end()]);
});

test("what this user may not read is said, and nothing fails", { skip }, async () => {
  const owner = await client();
  await owner.query("CREATE SCHEMA IF NOT EXISTS manyhands");
  await owner.query(
    "CREATE ROLE plain LOGIN PASSWORD 'plain'; GRANT USAGE ON SCHEMA manyhands TO plain; REVOKE SELECT ON pg_stat_replication FROM PUBLIC",
  );
  const plain = await client("plain");
  const health = await lookAtHealth(sessionOf(plain), "manyhands");
  assert.deepEqual(health.unread, ["other users' transactions", "replicas"]);
  assert.ok(health.connections >= 2 && health.mostConnections > 100);
  assert.match(String(healthSettings(health)["unread"]), /^other users' transactions, replicas /);
  await Promise.all([plain.end(), owner.end()]);
});

test("what a managed server does not have is unread, too", async () => {
  for (const code of ["42883", "42P01", "42703"]) {
    const session: Session = { query: () => Promise.reject(Object.assign(new Error("does not exist"), { code })) };
    assert.ok((await lookAtHealth(session, "manyhands")).unread.includes("replicas"), code);
  }
  const cut: Session = { query: () => Promise.reject(Object.assign(new Error("terminated"), { code: "57P01" })) };
  await assert.rejects(lookAtHealth(cut, "manyhands"), /terminated/);
});

test("which health is a problem", () => {
  const on = { fsync: "on", synchronous_commit: "local", full_page_writes: "on", autovacuum: "on" };
  const problems = (change: Partial<Health>): string => healthProblems({ ...well, ...change }, on).join("\n");
  assert.equal(problems({}), "");
  assert.match(
    problems({ holder: { what: "a transaction of app (pid 7)", ageMs: 660_000 } }),
    /pile up, because a transaction of app \(pid 7\) has been open for 11 m 00 s/,
  );
  assert.match(
    problems({ submitter: { what: "app (pid 7)", ageMs: 12_000 } }),
    /transaction of app \(pid 7\) has been open for 12.0 s since jobs were submitted/,
  );
  assert.match(
    problems({ tables: [{ name: "running", live: 1, dead: 300_000, vacuumedMs: null }] }),
    /busy tables hold 300000 dead rows/,
  );
  const ended = { name: "ended", live: 300_000, dead: 250_000, vacuumedMs: null };
  assert.match(problems({ tables: [ended] }), /The table ended holds 250000 dead rows for 300000 living/);
  assert.equal(problems({ tables: [{ ...ended, live: 1_000_000 }] }), "");
  assert.match(problems({ slots: [{ name: "old", holdsRows: true, kept: 0 }] }), /slot old, and it keeps dead rows/);
  assert.match(problems({ slots: [{ name: "old", holdsRows: false, kept: 2 ** 31 }] }), /2048 MB of the server's log/);
  assert.equal(problems({ slots: [{ name: "new", holdsRows: false, kept: 0 }] }), "");
  assert.match(problems({ connections: 90 }), /90 of 97 connections are taken/);
  assert.match(problems({ replicas: [{ name: "standby", lagMs: 90_000 }] }), /replica standby is 1 m 30 s behind/);
});

test("a server that is too old is refused in one line", async () => {
  const old: Session = { query: async () => [[130_011, "13.11", "UTF8", false, 0, false, false]] };
  await assert.rejects(look(old, placeOf("postgres://app:secret@db/app")), {
    message: "The PostgreSQL server db:5432/app is of version 13.11; manyhands needs 14 or newer.",
  });
});
