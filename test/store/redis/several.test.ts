// A store on a real Cluster, and on a server that Sentinel replaces when it dies.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Redis } from "ioredis";
import { redisStore } from "../../../src/store/redis/store.ts";
import { claim, done, namesOf, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { freePort, removeFolder, serverFolder, ServerProcess } from "../../servers/child.ts";
import type { TestRedis } from "../../servers/redis.ts";
import { findRedis, startRedis } from "../../servers/redis.ts";

const file = findRedis();
const skip = file === undefined && "no Redis server on this machine";

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise<void>((resolve) => void setImmediate(resolve));
}

async function startCluster(): Promise<{ readonly nodes: readonly TestRedis[]; readonly admins: readonly Redis[] }> {
  const nodes: TestRedis[] = [];
  const buses: string[] = [];
  for (let i = 0; i < 3; i++) {
    const bus = String(await freePort());
    buses.push(bus);
    nodes.push(await startRedis({ settings: { "cluster-enabled": "yes", "cluster-port": bus, "cluster-node-timeout": "2000" } }));
  }
  const admins = nodes.map(({ url }) => new Redis(url));
  const [first] = admins;
  for (const [i, admin] of admins.entries()) {
    const slots = Array.from({ length: 16_384 }, (_, slot) => slot).filter((slot) => slot % 3 === i);
    await admin.call("CLUSTER", "ADDSLOTS", ...slots.map(String));
  }
  for (const [i, node] of nodes.entries()) {
    if (i > 0) await first?.call("CLUSTER", "MEET", "127.0.0.1", String(node.port), buses[i] ?? "");
  }
  const isFine = async (admin: Redis): Promise<boolean> => {
    const info = String(await admin.call("CLUSTER", "INFO"));
    return info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3");
  };
  for (const admin of admins) await until(() => isFine(admin));
  return { nodes, admins };
}

test("a store lives in one slot of a Cluster, and follows it", { skip }, async () => {
  const { nodes, admins } = await startCluster();
  const seeds = nodes.map(({ port }) => `127.0.0.1:${port}`).join(",");
  for (const name of ["a", "b", "c", "d"]) {
    const url = `redis://${seeds}/?cluster=true&name=${name}`;
    const [store, other] = [await redisStore(url), await redisStore(url)];
    const slot = String(await admins[0]?.call("CLUSTER", "KEYSLOT", `{${name}}:`));
    const ids = await Promise.all(admins.map((admin) => admin.call("CLUSTER", "MYID")));
    const target = String(ids[(Number(slot) + 1) % 3]);
    // The slot is still empty, so it may be given to another node as it is.
    for (const admin of admins) await admin.call("CLUSTER", "SETSLOT", slot, "NODE", target);
    await store.add([newJob({ id: "x" }), newJob({ id: "y", dependsOn: ["x"] })], start);
    await store.join(newWorker("w"), start + 1000);
    const heard = new EventTarget();
    other.watch((event, elsewhere) => void (elsewhere && heard.dispatchEvent(new Event(event))));
    await once(heard, "ended");
    const ended = once(heard, "ended");
    const [x] = await claim(store, "w", wants(1), start);
    assert.ok(x);
    const { claimed } = await store.settle("w", [done(x, "1")], wants(1), start);
    assert.deepEqual(namesOf(claimed), ["y"]);
    await ended;
    assert.equal((await other.endings(["x"]))[0]?.result, "1");
    await Promise.all([store.close(), other.close()]);
  }
  for (const admin of admins) admin.disconnect();
  await Promise.all(nodes.map((node) => node.close()));
});

test("when the server dies, the store goes on with the one Sentinel puts in its place", { skip }, async () => {
  const [master, replica] = [await startRedis(), await startRedis()];
  const admin = new Redis(replica.url);
  await admin.call("REPLICAOF", "127.0.0.1", String(master.port));
  await until(async () => (await admin.info("replication")).includes("master_link_status:up"));
  const folder = serverFolder("sentinel");
  const port = await freePort();
  const path = join(folder, "sentinel.conf");
  writeFileSync(
    path,
    `port ${port}\ndir ${folder}\nsentinel monitor main 127.0.0.1 ${master.port} 1\n` +
      "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 3000\n",
  );
  const sentinel = new ServerProcess({
    file: file ?? "",
    args: [path, "--sentinel"],
    ready: /\+monitor/u,
    stopSignal: "SIGTERM",
  });
  await sentinel.start();
  const asked = new Redis(port, "127.0.0.1");
  await until(async () => String(await asked.call("SENTINEL", "REPLICAS", "main")).includes(String(replica.port)));
  const store = await redisStore(`redis://127.0.0.1:${port}/?sentinel=main`);
  await store.add([newJob({ id: "a" })], start);
  assert.equal((await store.info()).settings["replicas"], 1);
  await until(async () => (await admin.call("EXISTS", "{manyhands}:job")) === 1);
  await master.process.stop("SIGKILL");
  await store.add([newJob({ id: "b" })], start);
  await store.join(newWorker("w"), start + 1000);
  assert.deepEqual(namesOf(await claim(store, "w", wants(5), start)), ["a", "b"]);
  await store.close();
  admin.disconnect();
  asked.disconnect();
  await sentinel.stop();
  removeFolder(folder);
  await Promise.all([master.close(), replica.close()]);
});
