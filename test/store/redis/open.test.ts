// Opening a Redis store: what is wrong is said at once, in one line, without a password.
import assert from "node:assert/strict";
import type { Server } from "node:net";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { StoreError, StoreUnavailable, UsageError } from "../../../src/core/errors.ts";
import type { Runtime } from "../../../src/core/runtime.ts";
import { systemRuntime } from "../../../src/core/runtime.ts";
import { redisStore } from "../../../src/store/redis/store.ts";
import { parseRedisUrl } from "../../../src/store/redis/url.ts";
import { freePort } from "../../servers/child.ts";
import { findRedis, startRedis } from "../../servers/redis.ts";

const skip = findRedis() === undefined && "no Redis server on this machine";
const server = skip ? undefined : await startRedis({ settings: { requirepass: "s3cret/#" } });
after(() => server?.close());

async function refusal(url: string, runtime: Runtime = systemRuntime): Promise<string> {
  const store = await redisStore(url, { runtime }).then(
    (opened) => opened,
    (error: unknown) => error,
  );
  if (!(store instanceof StoreError)) throw new Error(`${url} was opened`, { cause: store });
  assert.ok(
    !store.message.includes("\n") && !store.message.includes("s3cret") && !store.message.includes("wrong"),
    store.message,
  );
  // Nor where the client library leaves it.
  assert.ok(!inspect(store, { depth: null }).includes("s3cret"));
  return store.message;
}

/** A server that answers each command by its name. */
async function fake(answer: (command: string) => string | undefined): Promise<{ readonly url: string; readonly server: Server }> {
  const made = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      for (const [, command = ""] of String(data).matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/gu)) {
        const reply = answer(command.toLowerCase());
        if (reply !== undefined) socket.write(reply);
      }
    });
  });
  await new Promise<void>((resolve) => void made.listen(0, "127.0.0.1", resolve));
  const address = made.address();
  return { url: `redis://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`, server: made };
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

test("a port where nobody listens, and a host that does not exist", { skip }, async () => {
  const nobody = `redis://127.0.0.1:${await freePort()}`;
  assert.match(await refusal(nobody), /ECONNREFUSED/u);
  await assert.rejects(redisStore(nobody), StoreUnavailable);
  assert.match(await refusal("redis://nobody.invalid"), /ENOTFOUND|EAI_AGAIN/u);
});

test("a password that is wrong, missing, or right", { skip }, async () => {
  const place = server?.url.slice("redis://".length) ?? "";
  assert.match(await refusal(`redis://:not%20s3cret@${place}`), /user or password/u);
  assert.match(await refusal(`redis://${place}`), /asks for a password/u);
  const store = await redisStore(`redis://:${encodeURIComponent("s3cret/#")}@${place}/3?name=other`);
  assert.equal(await store.count({}), 0);
  const { location } = await store.info();
  assert.equal(location, `redis://${place}/3?name=other`);
  await store.close();
});

test("a server that is too old, is a replica, is no Redis, or is silent", async () => {
  const answers: Readonly<Record<string, [answer: (command: string) => string | undefined, message: RegExp]>> = {
    old: [
      (command) => (command === "info" ? bulk("redis_version:5.0.7\r\nrole:master\r\n") : "-ERR unknown command 'HELLO'\r\n"),
      /5\.0\.7/u,
    ],
    replica: [(command) => (command === "info" ? bulk("redis_version:7.0.7\r\nrole:slave\r\n") : "+OK\r\n"), /replica/u],
    foreign: [() => "HTTP/1.1 400 Bad Request\r\n\r\n", /cannot be used/u],
    silent: [() => undefined, /did not answer for 10 s/u],
  };
  const fast: Runtime = { ...systemRuntime, after: (ms, run, options) => systemRuntime.after(ms / 100, run, options) };
  for (const [answer, message] of Object.values(answers)) {
    const { url, server: made } = await fake(answer);
    assert.match(await refusal(url, fast), message);
    made.close();
  }
});

test("a server that is still loading is waited for", async () => {
  let asked = 0;
  const { url, server: made } = await fake((command) => {
    if (command === "time") return "*2\r\n$1\r\n5\r\n$1\r\n0\r\n";
    if (command !== "info") return "+OK\r\n";
    asked += 1;
    return bulk(`redis_version:7.0.7\r\nrole:master\r\nloading:${asked < 3 ? 1 : 0}\r\n`);
  });
  const store = await redisStore(url);
  assert.equal(asked, 3);
  await store.close();
  made.close();
});

test("URLs", () => {
  const { addresses, username, password, db, name, tls, cluster } = parseRedisUrl(
    "rediss://me:p%40ss%2Fw@[::1]:7000/2?name=jobs",
  );
  assert.deepEqual(
    { addresses, username, password, db, name, tls, cluster },
    {
      addresses: [{ host: "::1", port: 7000 }],
      username: "me",
      password: "p@ss/w",
      db: 2,
      name: "jobs",
      tls: true,
      cluster: false,
    },
  );
  assert.deepEqual(parseRedisUrl("redis://a,b:1/?cluster=true").addresses, [
    { host: "a", port: 6379 },
    { host: "b", port: 1 },
  ]);
  assert.equal(parseRedisUrl("redis://a,b:1/?sentinel=main").addresses[0]?.port, 26379);
  assert.equal(parseRedisUrl("valkey://localhost").name, "manyhands");
  for (const wrong of ["redis:", "redis://a,b", "redis://h/x", "redis://h/?nmae=x", "redis://h/?name={x}", "redis://%zz@h"])
    assert.throws(() => parseRedisUrl(wrong), UsageError, wrong);
  for (const unencoded of [
    "redis://:se/cret@h",
    "redis://:se?cret=1@h",
    "redis://:se#cret@h",
    "redis://:x@h:se",
    "redis://u:%zz@h",
  ])
    assert.throws(
      () => parseRedisUrl(unencoded),
      (error: Error) => error instanceof UsageError && !/se\b|cret|zz/u.test(error.message),
      unencoded,
    );
});
