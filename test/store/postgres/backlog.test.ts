// What a claim costs does not grow with what waits or has ended: the rows that the server reads are counted.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PostgresStore } from "../../../src/store/postgres/store.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { done, leaseMs, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { newUrl, query, schemaOf, skip } from "./schemas.ts";

const rounds = 200;
const batch = 10;

/** The rows of the store's tables that statements have read so far. A connection tells of its own at the latest when it ends. */
async function rowsRead(url: string): Promise<number> {
  const [row] = await query<{ read: string }>(
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS read FROM pg_stat_all_tables WHERE schemaname = $1",
    [schemaOf(url)],
  );
  return Number(row?.read);
}

async function withStore(url: string, use: (store: PostgresStore) => Promise<void>): Promise<void> {
  const store = await postgresStore(url);
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

/** Claims and ends so many jobs. */
async function run(store: PostgresStore, jobs: number, at: number): Promise<void> {
  for (let left = jobs; left > 0; left -= at) {
    const { claimed } = await store.settle("w", [], wants(at), start);
    assert.equal(claimed.length, at);
    const outcomes = claimed.map((job) => done(job));
    await store.settle("w", outcomes, [], start);
  }
}

async function add(store: PostgresStore, count: number, prefix: string): Promise<void> {
  for (let at = 0; at < count; at += 5000) {
    const jobs = Array.from({ length: 5000 }, (_, n) => newJob({ id: `${prefix}${at + n}` }));
    await store.add(jobs, start);
  }
}

async function readByClaims(url: string): Promise<number> {
  const before = await rowsRead(url);
  await withStore(url, (store) => run(store, rounds * batch, batch));
  return (await rowsRead(url)) - before;
}

test("a claim reads no more rows behind a backlog of 100,000 and as many ended ones", { skip, timeout: 120_000 }, async () => {
  const url = newUrl();
  await withStore(url, async (store) => {
    await store.join(newWorker("w"), start + leaseMs);
    await add(store, 5000, "a");
  });
  const few = await readByClaims(url);
  await withStore(url, async (store) => {
    await add(store, 200_000, "b");
    await run(store, 100_000, 1000);
  });
  const many = await readByClaims(url);
  assert.ok(few > rounds * batch, `the rows are counted: ${few}`);
  assert.ok(many < few * 1.5, `${few} rows read with few jobs, ${many} with many`);
});
