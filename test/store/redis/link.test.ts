// Connections that are cut, servers that restart, and answers that are lost.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { Redis } from "ioredis";
import { ClosedError, StoreUnavailable } from "../../../src/core/errors.ts";
import type { Runtime } from "../../../src/core/runtime.ts";
import { systemRuntime } from "../../../src/core/runtime.ts";
import { openRedisLease } from "../../../src/store/redis/lease.ts";
import { redisStore } from "../../../src/store/redis/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { claim, done, namesOf, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import type { TestRedis } from "../../servers/redis.ts";
import { findRedis, startRedis } from "../../servers/redis.ts";
import { Proxy } from "./proxy.ts";

const skip = findRedis() === undefined && "no Redis server on this machine";
const server: TestRedis | undefined = skip ? undefined : await startRedis({ settings: { maxmemory: "0" } });
const admin = server && new Redis(server.url);
let count = 0;

after(async () => {
  await admin?.quit();
  await server?.close();
});

function newName(): string {
  count += 1;
  return `link${count}`;
}

interface Ground {
  readonly store: Store;
  readonly proxy: Proxy;
  /** Another store object on the same jobs, by a way that is never cut. */
  readonly direct: Store;
}

async function withProxy(
  run: (ground: Ground) => Promise<void>,
  { runtime, unavailableAfterMs }: { readonly runtime: Runtime; readonly unavailableAfterMs: number } = {
    runtime: systemRuntime,
    unavailableAfterMs: 30_000,
  },
): Promise<void> {
  assert.ok(server);
  const proxy = await Proxy.open(server.port);
  const name = newName();
  const store = await redisStore(`${proxy.url}/0?name=${name}`, { runtime, unavailableAfterMs });
  const direct = await redisStore(`${server.url}/0?name=${name}`);
  try {
    await run({ store, proxy, direct });
  } finally {
    await Promise.all([store.close(), direct.close()]);
    await proxy.close();
  }
}

/** Waits until `condition` holds. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise<void>((resolve) => void setImmediate(resolve));
}

test("verbs asked for while the connection is cut are done when it is back, in their order", { skip }, () =>
  withProxy(async ({ store, proxy }) => {
    proxy.refuse(true);
    proxy.cut();
    await proxy.nextEnd();
    const all = Promise.all([store.add([newJob({ id: "a" })], start), store.count({}), store.add([newJob({ id: "b" })], start)]);
    proxy.refuse(false);
    assert.equal((await all)[1], 1);
    assert.equal(await store.count({}), 2);
  }),
);

test("a submit whose answer was lost is recognised when it is sent again", { skip }, () =>
  withProxy(async ({ store, proxy, direct }) => {
    await store.add([newJob({ id: "first" })], start);
    proxy.swallow(true);
    const unique = { key: "k", until: "ended" } as const;
    const adding = [
      store.add([newJob({ id: "a" }), newJob({ id: "b" })], start),
      store.add([newJob({ id: "a" })], start),
      store.add([newJob({ id: "u", unique })], start),
      store.add([newJob({ id: "v", unique })], start),
    ];
    const settled = Promise.allSettled(adding);
    await until(async () => (await direct.count({})) === 4);
    // The job may even be gone meanwhile.
    await direct.cancel({ ids: ["b"] }, null, start);
    await direct.remove({ ids: ["b"] });
    proxy.swallow(false);
    proxy.cut();
    const [first, second, third, fourth] = await settled;
    assert.deepEqual(first, {
      status: "fulfilled",
      value: [
        { id: "a", existing: null },
        { id: "b", existing: null },
      ],
    });
    assert.equal(second?.status, "rejected");
    assert.deepEqual(third, { status: "fulfilled", value: [{ id: "u", existing: null }] });
    assert.deepEqual(fourth, { status: "fulfilled", value: [{ id: "v", existing: "u" }] });
    assert.deepEqual(namesOf(await direct.list({}, { limit: 9 })), ["u", "a", "first"]);
  }),
);

test("a record is written once, and compared once, though the answer was lost", { skip }, () =>
  withProxy(async ({ store, proxy, direct }) => {
    await store.add([newJob({ id: "first" })], start);
    // A script used for the first time would wait for the answers before it.
    await store.write([], start);
    await store.addIf({ name: "schedule", from: "none", to: null }, [], start);
    proxy.swallow(true);
    const signal = { job: "first", name: "signal/a", text: "1", claim: null, tell: false };
    const asked = Promise.all([
      store.write([signal, { ...signal, job: "none" }], start),
      store.addIf({ name: "schedule", from: null, to: "1" }, [newJob({ id: "a" })], start),
      store.addIf({ name: "schedule", from: null, to: "2" }, [newJob({ id: "b" })], start),
    ]);
    await until(async () => (await direct.count({})) === 2);
    await direct.write([{ ...signal, text: null }], start);
    proxy.swallow(false);
    proxy.cut();
    assert.deepEqual(await asked, [[true, false], [{ id: "a", existing: null }], null]);
    assert.deepEqual(await direct.records("first", "", 9), []);
    assert.deepEqual(await direct.records("", "", 9), [{ name: "schedule", text: "1" }]);
  }),
);

test("a settle whose answer was lost rejects, and what it claimed can be given back", { skip }, () =>
  withProxy(async ({ store, proxy, direct }) => {
    await store.add([newJob({ id: "a" }), newJob({ id: "b" })], start);
    await store.join(newWorker("w"), start + 1000);
    const [a] = await claim(store, "w", wants(1), start);
    assert.ok(a);
    proxy.swallow(true);
    const settling = store.settle("w", [done(a)], wants(1), start);
    const rejected = assert.rejects(settling, StoreUnavailable);
    await until(async () => (await direct.count({ states: ["running"] })) === 1 && (await direct.endings(["a"])).length === 1);
    proxy.swallow(false);
    proxy.cut();
    await rejected;
    assert.equal(await store.releaseOthers("w", [], start), 1);
    assert.deepEqual(
      (await store.get(["b"])).map(({ state }) => state),
      ["ready"],
    );
  }),
);

test("what waits too long for its server rejects, and the store works again when the server is back", { skip }, async () => {
  assert.ok(server);
  const proxy = await Proxy.open(server.port);
  const store = await redisStore(`${proxy.url}/0?name=${newName()}`, { unavailableAfterMs: 50 });
  proxy.refuse(true);
  proxy.cut();
  await assert.rejects(
    (async () => {
      for (;;) await store.count({});
    })(),
    StoreUnavailable,
  );
  await assert.rejects(store.add([newJob({ id: "a" })], start), StoreUnavailable);
  proxy.refuse(false);
  await until(() =>
    store.count({}).then(
      (found) => found === 0,
      () => false,
    ),
  );
  proxy.refuse(true);
  proxy.cut();
  const late = assert.rejects(store.count({}), (error) => error instanceof ClosedError || error instanceof StoreUnavailable);
  await store.close();
  await late;
  await proxy.close();
});

test("a server that does not answer is taken for cut off", { skip }, async () => {
  // A runtime whose time passes a hundred times as fast.
  const fast: Runtime = {
    ...systemRuntime,
    elapsed: () => systemRuntime.elapsed() * 100,
    after: (ms, run, options) => systemRuntime.after(ms / 100, run, options),
  };
  await withProxy(
    async ({ store, proxy }) => {
      proxy.swallow(true);
      const counting = store.count({});
      await proxy.nextEnd();
      proxy.swallow(false);
      assert.equal(await counting, 0);
    },
    { runtime: fast, unavailableAfterMs: 1_000_000 },
  );
});

test("scripts that the server has forgotten are sent again, in order", { skip }, async () => {
  assert.ok(server && admin);
  const store = await redisStore(`${server.url}/0?name=${newName()}`);
  await store.add([newJob({ id: "a" })], start);
  await store.count({});
  await admin.script("FLUSH");
  const all = [
    store.add([newJob({ id: "b" })], start),
    store.count({}),
    store.add([newJob({ id: "c", dueAt: start + 1 })], start),
    store.count({}),
    store.add([newJob({ id: "d" })], start),
    store.count({}),
  ];
  const answers = await Promise.all(all);
  assert.deepEqual([answers[1], answers[3], answers[5]], [2, 3, 4]);
  await store.close();
});

test("connections killed by the server lose nothing", { skip }, async () => {
  assert.ok(server && admin);
  const store = await redisStore(`${server.url}/0?name=${newName()}`);
  const adding: Promise<unknown>[] = [];
  for (let i = 0; i < 50; i++) {
    adding.push(store.add([newJob({ id: `j${i}` })], start));
    if (i % 10 === 5) await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  await Promise.all(adding);
  assert.equal(await store.count({}), 50);
  await store.close();
});

test("a server that restarts has kept the jobs, and the store goes on", { skip }, async () => {
  const own = await startRedis();
  const url = `${own.url}/0?name=restart`;
  const store = await redisStore(url);
  await store.add([newJob({ id: "a" })], start);
  await store.join(newWorker("w"), start + 1000);
  await own.process.stop();
  const waiting = store.add([newJob({ id: "b" })], start);
  await own.process.start();
  await waiting;
  assert.deepEqual(namesOf(await claim(store, "w", wants(5), start)), ["a", "b"]);
  await store.close();
  await own.close();
});

test("stores on one server wake each other, also after the listening connection was cut", { skip }, () =>
  withProxy(async ({ store, proxy, direct }) => {
    const heard = new EventTarget();
    const stop = store.watch((event, elsewhere) => void (elsewhere && heard.dispatchEvent(new Event(event))));
    await once(heard, "ready");
    const told = once(heard, "ready");
    await direct.add([newJob({ id: "a" })], start);
    await told;
    proxy.cut();
    await once(heard, "ready");
    const again = once(heard, "ended");
    await direct.cancel({}, null, start);
    await again;
    stop();
  }),
);

test("own changes are not taken for those of others", { skip }, async () => {
  assert.ok(server);
  const store = await redisStore(`${server.url}/0?name=${newName()}`);
  const heard: string[] = [];
  const called = new EventTarget();
  store.watch((event, elsewhere) => {
    heard.push(`${event} ${elsewhere}`);
    called.dispatchEvent(new Event("call"));
  });
  await once(called, "call");
  heard.length = 0;
  const next = once(called, "call");
  await store.add([newJob({ id: "a" })], start);
  await next;
  await store.count({});
  assert.deepEqual(heard, ["ready false"]);
  await store.close();
});

test("a lease is renewed by the server's clock with a connection of its own", { skip }, async () => {
  assert.ok(server);
  const url = `${server.url}/0?name=${newName()}`;
  const store = await redisStore(url);
  await store.join(newWorker("w"), start);
  const lease = await openRedisLease(store.leaseUrl ?? "", "w");
  assert.deepEqual(await lease.renew(5000), { alive: true, cancels: [], drain: false });
  const [worker] = await store.workers();
  const left = (worker?.leaseUntil ?? 0) - store.now();
  assert.ok(left > 3000 && left <= 5010, `${left} ms`);
  await store.drain("w");
  assert.equal((await lease.renew(5000)).drain, true);
  const stranger = await openRedisLease(url, "nobody");
  assert.equal((await stranger.renew(5000)).alive, false);
  await Promise.all([lease.close(), stranger.close(), store.close()]);
});

test("a server without memory refuses submits with one clear line, and still takes outcomes", { skip }, async () => {
  const own = await startRedis();
  const small = new Redis(own.url);
  const store = await redisStore(`${own.url}/0?name=full`);
  await store.join(newWorker("w"), start + 1000);
  await store.add([newJob({ id: "a" })], start);
  const [a] = await claim(store, "w", wants(1), start);
  assert.ok(a);
  await small.config("SET", "maxmemory", "1mb");
  await assert.rejects(
    store.add([newJob({ id: "b" }), newJob({ id: "c" })], start),
    /no memory left \(maxmemory\), so nothing was stored/u,
  );
  await assert.rejects(store.add([newJob({ id: "d", dependsOn: ["a"] })], start), /no memory left/u);
  assert.equal(await store.count({}), 1);
  assert.deepEqual((await store.settle("w", [done(a)], [], start)).refused, []);
  assert.equal(await store.remove({}), 1);
  await small.config("SET", "maxmemory-policy", "allkeys-lru");
  assert.match((await store.info()).problems.join(), /maxmemory-policy allkeys-lru/u);
  await store.close();
  await small.quit();
  await own.close();
});
