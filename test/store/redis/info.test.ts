// What a Redis store finds wrong with its server.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { StoreError, StoreUnavailable } from "../../../src/core/errors.ts";
import { problemsOf, settingsOf } from "../../../src/store/redis/info.ts";
import { redisStore } from "../../../src/store/redis/store.ts";
import { newJob, start } from "../../../src/testing/store-suite/bench.ts";
import { findRedis, startRedis } from "../../servers/redis.ts";

const skip = findRedis() === undefined && "no Redis server on this machine";
const settings = { appendonly: "no", save: "", maxmemory: "3mb", "maxmemory-policy": "allkeys-lru" };
const server = skip ? undefined : await startRedis({ settings });
after(() => server?.close());

function problems(
  info: Readonly<Record<string, string>>,
  set: Readonly<Record<string, string>> = {},
  skewMs: number = 0,
): string {
  return problemsOf({ info: new Map(Object.entries(info)), settings: new Map(Object.entries(set)) }, skewMs).join("\n");
}

test("a server that would lose jobs says so", { skip }, async () => {
  const store = await redisStore(server?.url ?? "");
  await store.add([newJob({ id: "a" })], start);
  const { problems: found, settings: shown } = await store.info();
  assert.match(found.join("\n"), /deletes jobs \(maxmemory-policy allkeys-lru\)\. Set it to noeviction\./);
  assert.match(found.join("\n"), /keeps nothing on disk/);
  assert.ok(Math.abs(Number(shown["clockSkewMs"])) < 1000);
  await store.close();
});

test("settings the server will not tell are left out; a cut connection is not taken for that", async () => {
  const link = (error: Error): { ask: () => Promise<never> } => ({
    ask: async () => {
      throw error;
    },
  });
  assert.equal((await settingsOf(link(new StoreError("NOPERM")))).size, 0);
  await assert.rejects(settingsOf(link(new StoreUnavailable("cut"))), StoreUnavailable);
});

test("which answers are a problem", () => {
  const persistent = { aof_enabled: "1", maxmemory: "0", used_memory: "1000000", used_memory_rss: "2000000" };
  assert.equal(problems(persistent, { appendfsync: "everysec", save: "" }), "");
  const unlogged = { ...persistent, aof_enabled: "0" };
  assert.match(problems(unlogged, { save: "3600 1" }), /only snapshots: .*Set appendonly yes/);
  assert.match(problems(unlogged, { save: "" }), /^The server keeps nothing on disk: .*$/);
  assert.match(
    problems({ ...persistent, maxmemory: "1050000" }),
    /uses 1 MB of the 1 MB it may; when it is full it refuses jobs/,
  );
  const wasteful = { ...persistent, used_memory: String(2 ** 30), used_memory_rss: String(3 * 2 ** 30) };
  assert.match(problems(wasteful), /holds 3072 MB of memory for 1024 MB of data/);
  assert.match(problems({ ...persistent, aof_last_bgrewrite_status: "err" }), /could not rewrite its log/);
  assert.match(problems({ ...persistent, aof_last_write_status: "err" }), /cannot write its log/);
  assert.match(problems(persistent, { appendfsync: "no" }), /appendfsync no/);
  const replica = (state: string, lag: number): string => `ip=10.0.0.2,port=6379,state=${state},offset=5,lag=${lag}`;
  assert.equal(problems({ ...persistent, connected_slaves: "1", slave0: replica("online", 1) }), "");
  assert.match(problems({ ...persistent, slave0: replica("online", 90) }), /replica 10\.0\.0\.2:6379 has not answered for 90 s/);
  assert.match(problems({ ...persistent, slave1: replica("wait_bgsave", 0) }), /is not in step \(wait_bgsave\)/);
  assert.match(problems(persistent, {}, 5000), /clock is 5000 ms ahead of the server's/);
  assert.match(problems(persistent, {}, -5000), /clock is 5000 ms behind the server's/);
});
