// A store of an older layout is brought to the current one with all it holds.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { migrationSql, steps } from "../../../src/store/postgres/migrate.ts";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { done, leaseMs, namesOf, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { goOnThroughGates } from "../gated.ts";
import { newUrl, query, schemaOf, skip } from "./schemas.ts";

/** Makes a store of the first layout: a ready job, a blocked one above it, one that runs, and a function that is of another kind today. */
async function makeFirst(schema: string): Promise<void> {
  const s = `"${schema}"`;
  const job = (seq: number, id: string, dependencies: number): string =>
    `(${seq}, '${id}', 'task', 'queue', 0, 1, ${dependencies}, 1000000, ${start}, '[]')`;
  const sql = `
    CREATE SCHEMA ${s};
    ${steps[0]?.sql(s)}
    INSERT INTO ${s}.meta (layout) VALUES (1);
    CREATE FUNCTION ${s}.settle(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    INSERT INTO ${s}.job (seq, id, task, queue, rank, crash_limit, dependencies, keep_ms, submitted_at, args)
    VALUES ${job(1, "a", 0)}, ${job(2, "above", 1)}, ${job(3, "runs", 0)};
    INSERT INTO ${s}.ready (queue, task, rank, seq, ready_at) VALUES ('queue', 'task', 0, 1, ${start});
    INSERT INTO ${s}.parked (seq, scheduled, pending) VALUES (2, false, 1);
    INSERT INTO ${s}.edge (job, position, dep) VALUES (2, 0, 1);
    INSERT INTO ${s}.worker (id, host, pid, queues, tasks, started_at, lease_until) VALUES ('w', 'h', 1, '[]', '[]', 0, ${start + leaseMs});
    INSERT INTO ${s}.running (seq, worker, keep_ms, keyed, suspect, attempt, fence, ready_at, started_at)
    VALUES (3, 'w', 1000000, false, false, 1, 1, ${start}, ${start});`;
  await query(sql);
}

describe("a PostgreSQL store of an older layout", { skip }, () => {
  const finish = async (url: string): Promise<void> => {
    const store = await postgresStore(url);
    try {
      const jobs = await store.get(["a", "above", "runs"]);
      assert.deepEqual(new Map(jobs.map(({ id, state }) => [id, state])).get("runs"), "running");
      assert.deepEqual(
        jobs.map(({ gates, waits }) => [gates, waits]),
        jobs.map(() => [[], null]),
      );
      await store.join(newWorker("w"), start + leaseMs);
      await store.add([newJob({ id: "tolerant", dependsOn: ["runs"], tolerates: ["runs"] })], start);
      const runs = { id: "runs", fence: 1 };
      const { claimed } = await store.settle("w", [{ ...runs, kind: "failed", error: "1" }], wants(5), start);
      assert.deepEqual(namesOf(claimed), ["a", "tolerant"]);
      const last = await store.settle(
        "w",
        claimed.map((job) => done(job)),
        wants(5),
        start,
      );
      assert.deepEqual(namesOf(last.claimed), ["above"]);
      assert.equal((await store.info()).schema, steps.length);
    } finally {
      await store.close();
    }
  };

  test("is migrated when it is opened", async () => {
    const url = newUrl();
    await makeFirst(schemaOf(url));
    await finish(url);
  });

  test("has its lines before gates by age when they were not", async () => {
    const url = newUrl();
    const s = `"${schemaOf(url)}"`;
    await goOnThroughGates(
      () => postgresStore(url),
      () =>
        query(`
          DROP INDEX ${s}.standing_line;
          ALTER TABLE ${s}.standing DROP COLUMN age;
          CREATE INDEX standing_line ON ${s}.standing (gate, rank, seq);
          UPDATE ${s}.meta SET layout = 3;`),
    );
  });

  test("is migrated by the SQL for those who may not", async () => {
    const url = newUrl();
    await makeFirst(schemaOf(url));
    await query(migrationSql(schemaOf(url), 1));
    await finish(url);
  });
});
