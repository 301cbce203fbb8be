// A submit within the caller's own transaction, on SQLite: the job exists exactly if his rows do.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, connect, StoreError, UsageError } from "../../src/index.ts";
import type { Hands } from "../../src/index.ts";
import * as jobs from "../fixtures/jobs.ts";
import { folder } from "../fixtures/support.ts";

async function open(t: TestContext): Promise<{ readonly hands: Hands; readonly db: DatabaseSync }> {
  const path = join(folder(t), "hands.db");
  const hands = await connect(`sqlite:${path}`);
  // An application may want its numbers otherwise; the store's own reads are not to be changed by it.
  const db = new DatabaseSync(path, { readBigInts: true, returnArrays: true, timeout: 5000 });
  db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT) STRICT");
  t.after(async () => {
    await hands.close();
    db.close();
  });
  return { hands, db };
}

test("a job submitted in a transaction that is committed is run, with what it depends on", async (t) => {
  const { hands, db } = await open(t);
  db.exec("BEGIN IMMEDIATE");
  db.exec("INSERT INTO orders (customer) VALUES ('Ada')");
  const future = hands.submit(call(jobs.sum, [call(jobs.add, 1, 2), 4]), { tx: db });
  const id = await future.submitted;
  assert.equal(await hands.count({ ids: [id] }), 0, "nobody else sees it yet");
  // From here on the worker waits for the file's one lock, which the transaction has.
  hands.work({ tasks: [jobs] });
  db.exec("COMMIT");
  assert.equal(await future, 7);
});

test("a job submitted in a transaction that is rolled back does not exist", async (t) => {
  const { hands, db } = await open(t);
  db.exec("BEGIN IMMEDIATE");
  const future = hands.submit(call(jobs.add, 1, 2), { tx: db });
  await future.submitted;
  db.exec("ROLLBACK");
  assert.equal(await hands.count(), 0);
  await assert.rejects(Promise.resolve(future), (error) => error instanceof StoreError && /rolled back/.test(error.message));
});

test("a submit that is refused leaves the transaction as it was", async (t) => {
  const { hands, db } = await open(t);
  const unique = jobs.add.with({ unique: { key: "one", onConflict: "reject" } });
  await hands.submit(unique, 1, 1).submitted;
  db.exec("BEGIN IMMEDIATE");
  db.exec("INSERT INTO orders (customer) VALUES ('Grace')");
  await assert.rejects(hands.submit(call(unique, 1, 1), { tx: db }).submitted, /live job with the same unique key/);
  db.exec("COMMIT");
  assert.deepEqual(db.prepare("SELECT customer FROM orders").all(), [["Grace"]]);
  assert.equal(await hands.count(), 1);
});

test("what is no transaction on the store's own file is refused", async (t) => {
  const { hands, db } = await open(t);
  const submit = (tx: unknown): Promise<string> => hands.submit(call(jobs.add, 1, 2), { tx: tx as object }).submitted;
  await assert.rejects(submit(db), (error) => error instanceof UsageError && /no open transaction/.test(error.message));
  const elsewhere = new DatabaseSync(":memory:");
  elsewhere.exec("BEGIN");
  await assert.rejects(
    submit(elsewhere),
    (error) => error instanceof UsageError && /in memory, but this store is/.test(error.message),
  );
  elsewhere.close();
  await assert.rejects(submit({}), (error) => error instanceof UsageError && /DatabaseSync/.test(error.message));
  assert.throws(
    () => submit(undefined),
    (error) => error instanceof UsageError && /Leave it out/.test(error.message),
  );
  const memory = await connect("memory:");
  await assert.rejects(memory.submit(call(jobs.add, 1, 2), { tx: db }).submitted, /memory store has no transactions/);
  await memory.close();
});
