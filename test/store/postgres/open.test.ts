// Opening a PostgreSQL store: one clear error for what is wrong, and layouts made by several at once or by hand.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { StoreError, StoreLostError, StoreUnavailable, UsageError } from "../../../src/core/errors.ts";
import { migrationSql } from "../../../src/store/postgres/migrate.ts";
import type { PostgresStore } from "../../../src/store/postgres/store.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { done, namesOf, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { freePort } from "../../servers/child.ts";
import { connect, newUrl, query, schemaOf, serverUrl, skip } from "./schemas.ts";

/** The message an attempt to open fails with; it must not hold the password. */
async function failure(url: string, kind: new (...args: never[]) => Error): Promise<string> {
  let opened: PostgresStore | undefined;
  try {
    opened = await postgresStore(url);
  } catch (error) {
    assert.ok(error instanceof kind, String(error));
    const password = decodeURIComponent(new URL(serverUrl).password);
    assert.ok(password === "" || !error.message.includes(password));
    assert.ok(!error.message.includes("\n"));
    return error.message;
  }
  await opened.close();
  return assert.fail("it opened");
}

function changed(change: (url: URL) => void): string {
  const url = new URL(newUrl());
  change(url);
  return url.href;
}

/** Runs one job through a store. */
async function works(store: PostgresStore): Promise<void> {
  await store.join(newWorker("w"), start + 1000);
  await store.add([newJob({ id: "a" })], start);
  const { claimed } = await store.settle("w", [], wants(1), start);
  assert.deepEqual(
    (
      await store.settle(
        "w",
        claimed.map((job) => done(job)),
        [],
        start,
      )
    ).refused,
    [],
  );
  assert.equal(await store.count({ states: ["done"] }), 1);
}

describe("opening a PostgreSQL store", { skip }, () => {
  test("a host that is not known", async () => {
    const message = await failure(
      changed((url) => (url.hostname = "no-such-host.invalid")),
      StoreUnavailable,
    );
    assert.match(message, /no-such-host\.invalid.*Check the host/);
  });

  test("a port where nothing listens", async () => {
    const port = String(await freePort());
    assert.match(
      await failure(
        changed((url) => (url.port = port)),
        StoreUnavailable,
      ),
      /nothing listens there/,
    );
  });

  test("a wrong password", async () => {
    assert.match(
      await failure(
        changed((url) => (url.password = "wrong")),
        StoreError,
      ),
      /user or password is wrong/,
    );
  });

  test("no password", async () => {
    assert.match(
      await failure(
        changed((url) => (url.password = "")),
        StoreError,
      ),
      /password/,
    );
  });

  test("a database that does not exist", async () => {
    assert.match(
      await failure(
        changed((url) => (url.pathname = "/nowhere")),
        StoreError,
      ),
      /the database does not exist/,
    );
  });

  test("a URL that is none", async () => {
    await failure("postgres://user:p@ss/w:rd@host:port", UsageError);
    await failure("postgres://user@host/%zz", UsageError);
    await failure("postgres://user@%zz/database", UsageError);
    assert.match(await failure("postgres://user@host/database?schem=jobs", UsageError), /no parameter "schem".*"schema"/);
    await failure(
      changed((url) => url.searchParams.set("schema", "")),
      UsageError,
    );
    await failure(
      changed((url) => url.searchParams.set("schema", "pg_mine")),
      UsageError,
    );
  });

  test("a database that begins transactions otherwise", async () => {
    const url = newUrl({ options: "-c default_transaction_isolation=serializable" });
    assert.match(await failure(url, StoreError), /"serializable"; manyhands needs "read committed"/);
  });

  test("a schema of another program", async () => {
    const url = newUrl();
    await query(`CREATE SCHEMA "${schemaOf(url)}"`);
    await query(`CREATE TABLE "${schemaOf(url)}".other (id integer)`);
    assert.match(await failure(url, StoreError), /not a manyhands store/);
  });

  test("a layout of a newer version", async () => {
    const url = newUrl();
    await (await postgresStore(url)).close();
    await query(`UPDATE "${schemaOf(url)}".meta SET layout = 99`);
    assert.match(await failure(url, StoreLostError), /layout 99/);
  });

  test("several programs may make the store at once", async () => {
    const url = newUrl();
    const stores = await Promise.all(Array.from({ length: 6 }, () => postgresStore(url)));
    const [first] = stores;
    assert.ok(first);
    await works(first);
    await Promise.all(stores.map((store) => store.close()));
  });

  test("a schema's name may be anything", async () => {
    const url = new URL(newUrl());
    url.searchParams.set("schema", `${schemaOf(url.href)} "Ä';--`);
    const store = await postgresStore(url.href);
    await works(store);
    await store.close();
    await query(`DROP SCHEMA "${schemaOf(url.href).replaceAll('"', '""')}" CASCADE`);
  });

  test("through a unix socket", async (t) => {
    const [row] = await query<{ folder: string }>(
      "SELECT split_part(current_setting('unix_socket_directories'), ',', 1) AS folder",
    );
    if (!row?.folder) return t.skip("the server has no unix socket");
    const { username, password, port, pathname, searchParams } = new URL(newUrl());
    searchParams.set("host", row.folder);
    searchParams.set("port", port);
    const store = await postgresStore(`postgres://${username}:${password}@${pathname}?${searchParams.toString()}`);
    await works(store);
    await store.close();
  });

  describe("by a user who may not create anything", () => {
    const user = `plain_${schemaOf(newUrl())}`;
    after(() => query(`DROP ROLE IF EXISTS "${user}"`));
    const asUser = (schema: string): string =>
      changed((url) => {
        url.username = user;
        url.password = "plain";
        url.searchParams.set("schema", schema);
      });

    test("the error names the SQL, and with it in place the store works", async () => {
      await query(`CREATE ROLE "${user}" LOGIN PASSWORD 'plain'`);
      const schema = schemaOf(newUrl());
      assert.match(await failure(asUser(schema), StoreError), /migrationSql/);
      await query(migrationSql(schema));
      await query(`GRANT USAGE ON SCHEMA "${schema}" TO "${user}"`);
      await query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO "${user}"`);
      await query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema}" TO "${user}"`);
      const store = await postgresStore(asUser(schema));
      await works(store);
      const { problems } = await store.info();
      assert.match(problems.join(), /may not vacuum/);
      await assert.rejects(store.keepEvents(1e6), /Let the owner run "manyhands events/);
      const owner = await postgresStore(changed((url) => url.searchParams.set("schema", schema)));
      await owner.keepEvents(1e6);
      const { next } = await store.events(null, 1);
      await store.add([newJob({ id: "told" })], start);
      assert.deepEqual(namesOf((await store.events(next, 10)).events), ["told"]);
      await Promise.all([owner.close(), store.close()]);
      await query(`DROP SCHEMA "${schema}" CASCADE`);
    });
  });

  test("a database of another encoding is refused", async () => {
    const name = `latin_${schemaOf(newUrl())}`;
    await query(`CREATE DATABASE "${name}" ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
    assert.match(
      await failure(
        changed((url) => (url.pathname = `/${name}`)),
        StoreError,
      ),
      /needs UTF8/,
    );
    const client = await connect();
    await client.query(`DROP DATABASE "${name}" WITH (FORCE)`);
    await client.end();
  });
});
