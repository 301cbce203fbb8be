// Jobs added in a transaction of the caller's: they exist exactly if it is committed.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClosedError, StoreError, UsageError } from "../../../src/core/errors.ts";
import { claim, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { lookAtHealth } from "../../../src/store/postgres/health.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { sessionOf } from "../../../src/store/postgres/transaction.ts";
import { lockNumber } from "../../../src/store/postgres/world.ts";
import { connect, newStore, newUrl, schemaOf, skip } from "./schemas.ts";

describe("adding in a transaction of one's own", { skip }, () => {
  test("a commit adds the jobs, and listeners are told of it", async () => {
    const [store, client] = await Promise.all([newStore(), connect()]);
    await client.query("BEGIN");
    const unique = { key: "k", until: "ended" } as const;
    const jobs = [newJob({ id: "a" }), newJob({ id: "b", dependsOn: ["a"] }), newJob({ id: "u", unique })];
    assert.deepEqual(await store.addIn(client, [newJob({ id: "x" })], start), [{ id: "x", existing: null }]);
    assert.equal((await store.addIn(client, jobs, start)).length, 3);
    assert.equal(await store.count({}), 0);
    const told = new Promise<void>((resolve) => {
      store.watch((event) => {
        if (event !== "ready") return;
        void store.count({}).then((count) => (count === 4 ? resolve() : undefined));
      });
    });
    await client.query("COMMIT");
    await told;
    assert.deepEqual(
      (await store.list({}, { limit: 9 })).map(({ id, state }) => `${id} ${state}`),
      ["u ready", "b blocked", "a ready", "x ready"],
    );
    assert.equal((await store.add([newJob({ id: "v", unique })], start))[0]?.existing, "u");
    await Promise.all([store.close(), client.end()]);
  });

  test("a rollback adds none", async () => {
    const [store, client] = await Promise.all([newStore(), connect()]);
    await client.query("BEGIN");
    await store.addIn(client, [newJob({ id: "a" })], start);
    await client.query("ROLLBACK");
    assert.equal(await store.count({}), 0);
    await store.add([newJob({ id: "a" })], start);
    await client.query("BEGIN");
    await assert.rejects(store.addIn(client, [newJob({ id: "a" })], start), StoreError);
    // The caller's transaction is still good.
    await store.addIn(client, [newJob({ id: "b" })], start);
    await client.query("COMMIT");
    assert.equal(await store.count({}), 2);
    await Promise.all([store.close(), client.end()]);
  });

  test("what is no transaction on this store's database is refused", async () => {
    const [store, client] = await Promise.all([newStore(), connect()]);
    await assert.rejects(store.addIn({}, [newJob({ id: "a" })], start), UsageError);
    await assert.rejects(store.addIn(client, [newJob({ id: "a" })], start), /no open transaction/);
    await client.query("CREATE TEMP TABLE meta (store uuid)");
    await store.close();
    await assert.rejects(store.addIn(client, [newJob({ id: "a" })], start), ClosedError);
    await client.end();
  });
});

describe("a transaction of the store's own that cannot have its lock", { skip }, () => {
  test("fails alone: the connection is good for the next", async () => {
    const url = newUrl({ options: "-c lock_timeout=50ms" });
    const [store, client] = await Promise.all([postgresStore(url, { unavailableAfterMs: 500 }), connect()]);
    await client.query(`SELECT pg_advisory_lock(${lockNumber(schemaOf(url))})`);
    await assert.rejects(store.cancel({}, null, start), /a transaction that is still open holds what this needs/);
    assert.equal(await store.count({}), 0);
    await client.end();
    assert.deepEqual((await store.cancel({}, null, start)).cancelled, []);
    await store.close();
  });
});

describe("a transaction that stays open after jobs were submitted in it", { skip }, () => {
  const unique = { key: "k", until: "ended" } as const;

  test("holds up submits with the same unique key, and nothing else", async () => {
    const url = newUrl();
    const [store, other, client] = await Promise.all([postgresStore(url), postgresStore(url), connect()]);
    await store.add([newJob({ id: "x" })], start);
    await store.join(newWorker("w"), start + 1000);
    await client.query("BEGIN");
    await store.addIn(client, [newJob({ id: "u", unique }), newJob({ id: "above", dependsOn: ["u"] })], start);
    let isAdded = false;
    const same = other.add([newJob({ id: "v", unique })], start).then((added) => {
      isAdded = true;
      return added;
    });
    await store.add([newJob({ id: "y", unique: { key: "another", until: "ended" } })], start);
    assert.deepEqual((await claim(store, "w", wants(5), start)).map(({ id }) => id).sort(), ["x", "y"]);
    assert.deepEqual((await store.cancel({ ids: ["x"] }, null, start)).requested, ["x"]);
    await store.leave("w", start);
    assert.equal(isAdded, false);
    await client.query("COMMIT");
    assert.equal((await same)[0]?.existing, "u");
    await Promise.all([store.close(), other.close(), client.end()]);
  });

  test("a key that another transaction had is looked at once more", async () => {
    const url = newUrl();
    const [store, one, two] = await Promise.all([postgresStore(url), connect(), connect()]);
    await Promise.all([one.query("BEGIN"), two.query("BEGIN")]);
    await store.addIn(one, [newJob({ id: "u", unique })], start);
    const second = store.addIn(two, [newJob({ id: "v", unique })], start);
    await one.query("COMMIT");
    assert.equal((await second)[0]?.existing, "u");
    await two.query("COMMIT");
    assert.equal(await store.count({}), 1);
    await Promise.all([store.close(), one.end(), two.end()]);
  });

  test("one that waits too long is told why", async () => {
    const url = newUrl();
    const [store, client] = await Promise.all([postgresStore(url, { unavailableAfterMs: 400 }), connect()]);
    await client.query("BEGIN");
    await store.addIn(client, [newJob({ id: "u", unique })], start);
    await assert.rejects(store.add([newJob({ id: "v", unique })], start), /same unique key/);
    const watcher = await connect();
    const { submitter } = await lookAtHealth(sessionOf(watcher), schemaOf(url));
    assert.match(submitter?.what ?? "", /pid \d+/);
    await watcher.end();
    await client.query("ROLLBACK");
    assert.equal((await store.add([newJob({ id: "v", unique })], start))[0]?.existing, null);
    await Promise.all([store.close(), client.end()]);
  });
});
