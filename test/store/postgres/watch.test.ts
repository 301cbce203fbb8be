// Waking up other programs: what a commit tells, how soon, and how often.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import type { PostgresStore } from "../../../src/store/postgres/store.ts";
import type { StoreEvent } from "../../../src/store/store.ts";
import { claim, done, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { connect, newUrl, schemaOf, skip } from "./schemas.ts";

/** Hears what a store is told of; the events that come with listening itself have passed when it resolves. */
async function listenTo(store: PostgresStore): Promise<{ readonly until: (event: StoreEvent) => Promise<boolean> }> {
  const waiting = new Map<StoreEvent, ((elsewhere: boolean) => void)[]>();
  store.watch((event, elsewhere) => {
    for (const resolve of waiting.get(event)?.splice(0) ?? []) resolve(elsewhere);
  });
  const until = (event: StoreEvent): Promise<boolean> =>
    new Promise((resolve) => void waiting.set(event, [...(waiting.get(event) ?? []), resolve]));
  await Promise.all([until("ready"), until("ended")]);
  return { until };
}

describe("wake-ups between two PostgreSQL stores", { skip }, () => {
  test("another program is told of work, of ends, of a wish to cancel, of a wish to drain and of a resumed queue", async () => {
    const url = newUrl();
    const [store, other] = [await postgresStore(url), await postgresStore(url)];
    const { until } = await listenTo(other);
    const told = async (event: StoreEvent, act: () => Promise<unknown>): Promise<void> => {
      const [elsewhere] = await Promise.all([until(event), act()]);
      assert.equal(elsewhere, true);
    };
    await told("ready", () => store.add([newJob({ id: "a" }), newJob({ id: "b" })], start));
    await store.join(newWorker("w"), start + 1000);
    const [a] = await claim(store, "w", wants(5), start);
    assert.ok(a);
    await told("ended", () => store.settle("w", [done(a)], [], start));
    await told("ready", () => store.cancel({ ids: ["b"] }, null, start));
    await told("ready", () => store.drain("w"));
    await store.pause("queue", true);
    await told("ready", () => store.pause("queue", false));
    await Promise.all([store.close(), other.close()]);
  });

  test("many commits are few notifications, and the last one is not forgotten", async () => {
    const url = newUrl();
    const store = await postgresStore(url);
    const client = await connect();
    const heard = { notifications: 0, jobs: 0 };
    const look = async (): Promise<void> => {
      const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM "${schemaOf(url)}".job`);
      heard.jobs = Number(rows[0]?.count);
    };
    const looks: Promise<void>[] = [];
    client.on("notification", () => {
      heard.notifications += 1;
      looks.push(look());
    });
    await client.query(`LISTEN "${store.channel}"`);
    for (let i = 0; i < 200; i++) await store.add([newJob({ id: `j${i}` })], start);
    while (heard.jobs < 200) await client.query("SELECT 1");
    assert.ok(heard.notifications < 200, `${heard.notifications} notifications`);
    await client.query("UNLISTEN *");
    await Promise.all(looks);
    await Promise.all([store.close(), client.end()]);
  });
});
