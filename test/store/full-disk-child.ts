// Fills the small disk its store is on, twice: with jobs that are added, then with results. Says "ok" when all went as promised.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../../src/core/errors.ts";
import { sqliteStore } from "../../src/store/index.ts";
import { claim, done, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";

const path = process.argv[2] ?? "";
const ballast = `${path}.ballast`;
writeFileSync(ballast, new Uint8Array(1_500_000));
const store = await sqliteStore(path);
await store.join(newWorker("w"), start + 1e9);

/** Does it again until the disk is full; the error must say so. */
async function untilFull(act: (i: number) => Promise<unknown>): Promise<number> {
  for (let i = 0; i < 100_000; i++) {
    try {
      await act(i);
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      assert.match(error.message, /disk is full.*acknowledged is kept/);
      return i;
    }
  }
  throw new Error("The disk was never full.");
}

const added = new Set<string>();
const add = async (id: string): Promise<void> => {
  await store.add([newJob({ id, args: `["${"x".repeat(2000)}"]` })], start);
  added.add(id);
};
const adds = await untilFull((i) => add(`a${i}`));
assert.ok(adds > 50, `${adds} adds before the disk was full`);
// Many at once: each is refused or kept on its own.
const crowd = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => add(`crowd${i}`)));
assert.equal(await store.count({}), added.size);
rmSync(ballast);
await add("after");

const ended = new Map<string, string>();
const settles = await untilFull(async (i) => {
  const [job] = await claim(store, "w", wants(1), start);
  assert.ok(job, "there are jobs left to fill the disk with");
  const result = `"${i}${"y".repeat(4000)}"`;
  await store.settle("w", [done(job, result)], [], start);
  ended.set(job.id, result);
});
for (const { id, result } of await store.endings([...ended.keys()])) assert.equal(result, ended.get(id));
assert.equal(await store.count({ states: ["done"] }), ended.size);
assert.equal(await store.count({}), added.size);
await store.close();

const db = new DatabaseSync(path);
assert.deepEqual(Object.values(db.prepare("PRAGMA integrity_check").get() ?? {}), ["ok"]);
db.close();
const again = await sqliteStore(path);
assert.equal(await again.count({}), added.size);
await again.close();
const refused = crowd.filter(({ status }) => status === "rejected").length;
console.log(`ok full after ${adds} adds (then ${refused} of 50 refused) and after ${settles} results`);
