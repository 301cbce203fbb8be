// Events of transactions that are committed in another order than they began or wrote: none may be read past.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { StoredEvent } from "../../../src/store/store.ts";
import type { PostgresStore } from "../../../src/store/postgres/store.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { seededRandom } from "../../../src/testing/clock.ts";
import { done, leaseMs, namesOf, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { until } from "../../fixtures/support.ts";
import { aheadMs, prunesPastAhead } from "../ahead.ts";
import { connect, newStore, newUrl, query, schemaOf, skip } from "./schemas.ts";

const dayMs = 86_400_000;

async function begin(store: PostgresStore): Promise<string> {
  await store.keepEvents(dayMs);
  return (await store.events(null, 1)).next;
}

describe("events on PostgreSQL", { skip }, () => {
  test("an open transaction holds back what came after it, and nothing is left out when it is committed or rolled back", async () => {
    const [store, late, never] = await Promise.all([newStore(), connect(), connect()]);
    let from = await begin(store);
    const read = async (): Promise<string[]> => {
      const { events, next } = await store.events(from, 10);
      from = next;
      return namesOf(events);
    };
    await store.add([newJob({ id: "before" })], start);
    await Promise.all([late.query("BEGIN"), never.query("BEGIN")]);
    await store.addIn(late, [newJob({ id: "late" })], start);
    await store.addIn(never, [newJob({ id: "never" })], start);
    await store.add([newJob({ id: "after" })], start);
    assert.deepEqual(await read(), ["before"]);
    assert.deepEqual(await read(), []);
    await late.query("COMMIT");
    assert.deepEqual(await read(), ["late"]);
    await never.query("ROLLBACK");
    assert.deepEqual(await read(), ["after"]);
    assert.deepEqual(await read(), []);
    await Promise.all([late.end(), never.end(), store.close()]);
  });

  test("those of a clock that was ahead hold up no others", async () => {
    const url = newUrl();
    const store = await postgresStore(url);
    await prunesPastAhead(store, async (id, isAhead) => {
      await store.add([newJob({ id })], start);
      if (isAhead) await query(`UPDATE ${schemaOf(url)}.event SET at = at + $1 WHERE id = $2`, [aheadMs, id]);
    });
    await store.close();
  });

  test("a transaction that changes jobs many times has one lock for its events", async () => {
    const [store, client] = await Promise.all([newStore(), connect()]);
    await begin(store);
    const locks = async (): Promise<number> =>
      Number(
        (await client.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND pid = pg_backend_pid()"))
          .rowCount,
      );
    await client.query("BEGIN");
    for (let i = 0; i < 5; i++) await store.addIn(client, [newJob({ id: `j${i}` })], start);
    assert.equal(await locks(), 1);
    await client.query("COMMIT; BEGIN; SAVEPOINT s");
    await store.addIn(client, [newJob({ id: "undone" })], start);
    await client.query("ROLLBACK TO s");
    await store.addIn(client, [newJob({ id: "last" })], start);
    assert.equal(await locks(), 1);
    await client.query("COMMIT");
    await Promise.all([client.end(), store.close()]);
  });

  test("who begins while a transaction is open misses nothing of it", async () => {
    const [store, client] = await Promise.all([newStore(), connect()]);
    await begin(store);
    await client.query("BEGIN");
    await store.addIn(client, [newJob({ id: "late" })], start);
    const { next } = await store.events(null, 1);
    await client.query("COMMIT");
    assert.deepEqual(namesOf((await store.events(next, 10)).events), ["late"]);
    await Promise.all([client.end(), store.close()]);
  });

  test("events are switched on once the transactions that submit are over", async () => {
    const [store, client] = await Promise.all([newStore(), connect()]);
    await client.query("BEGIN");
    await store.addIn(client, [newJob({ id: "early" })], start);
    const keeping = store.keepEvents(dayMs);
    const waits = "SELECT 1 FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND NOT granted";
    await until("it waits for the transaction", async () => (await query(waits)).length > 0);
    await client.query("COMMIT");
    assert.equal(await keeping, dayMs);
    const { next } = await store.events(null, 1);
    await store.add([newJob({ id: "new" })], start);
    assert.deepEqual(namesOf((await store.events(next, 10)).events), ["new"]);
    await Promise.all([client.end(), store.close()]);
  });

  test("while switching on waits for such a transaction the store is others', and in the end it is said what was waited for", async () => {
    const [store, client] = await Promise.all([newStore({ unavailableAfterMs: 500 }), connect()]);
    await client.query("BEGIN");
    await store.addIn(client, [newJob({ id: "open" })], start);
    const waiting = assert.rejects(store.keepEvents(dayMs), /transaction in which a job was submitted is still open/);
    await store.add([newJob({ id: "plain" })], start);
    assert.equal(await store.count({ ids: ["plain"] }), 1);
    await waiting;
    await client.query("COMMIT");
    assert.equal(await store.keepEvents(dayMs), dayMs);
    await Promise.all([client.end(), store.close()]);
  });

  test("a store that nobody asks for events has no trigger", async () => {
    const url = newUrl();
    const store = await postgresStore(url);
    const triggers = async (): Promise<number> =>
      (await query("SELECT 1 FROM pg_trigger WHERE tgrelid::regclass::text LIKE $1", [`%${schemaOf(url)}%`])).length;
    assert.equal(await triggers(), 0);
    await store.keepEvents(dayMs);
    assert.notEqual(await triggers(), 0);
    await store.keepEvents(0);
    assert.equal(await triggers(), 0);
    await store.close();
  });

  test(
    "transactions committed in any order: each event is read once, those of a job in their order",
    { timeout: 60_000 },
    async (t) => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      t.diagnostic(`seed ${seed}`);
      const random = seededRandom(seed);
      const url = newUrl();
      const [reader, ...stores] = await Promise.all(Array.from({ length: 4 }, () => postgresStore(url)));
      assert.ok(reader);
      let from = await begin(reader);
      const found: StoredEvent[] = [];
      const over = new AbortController();
      const reading = (async () => {
        for (let last = ""; !over.signal.aborted || last !== from;) {
          last = from;
          const { events, next } = await reader.events(from, 1 + Math.floor(random() * 40));
          found.push(...events);
          from = next;
        }
      })();
      let made = 0;
      const submit = async (store: PostgresStore): Promise<void> => {
        const client = await connect();
        for (let i = 0; i < 25; i++) {
          await client.query("BEGIN");
          for (let each = 0; each < 3; each++) {
            await store.addIn(client, [newJob({ id: `j${(made += 1)}` })], start);
            await delay(random() * 8);
          }
          await client.query(random() < 0.1 ? "ROLLBACK" : "COMMIT");
        }
        await client.end();
      };
      const work = async (store: PostgresStore, worker: string): Promise<void> => {
        await store.join(newWorker(worker), start + leaseMs);
        let { claimed } = await store.settle(worker, [], wants(5), start);
        while (!over.signal.aborted || claimed.length > 0) {
          const outcomes = claimed.map((job) => done(job));
          ({ claimed } = await store.settle(worker, outcomes, wants(5), start));
        }
      };
      const working = stores.map((store, at) => work(store, `w${at}`));
      await Promise.all(stores.map((store) => submit(store)));
      while ((await reader.count({ states: ["ready", "running"] })) > 0) await delay(5);
      over.abort();
      await Promise.all([...working, reading]);
      const ids = namesOf(await reader.list({}, { limit: 1000 }));
      const stories = new Map<string, string[]>();
      for (const { id, from, state } of found) stories.set(id, [...(stories.get(id) ?? []), `${from} ${state}`]);
      assert.deepEqual([...stories.keys()].sort(), ids.toSorted());
      for (const [id, story] of stories) assert.deepEqual(story, ["null ready", "ready running", "running done"], id);
      await Promise.all([reader, ...stores].map((store) => store.close()));
    },
  );
});
