// Reaching a real Redis server: TLS, passwords with special characters, Unix sockets; and one clear line where it cannot be.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { UsageError } from "../../../src/core/errors.ts";
import { parseRedisUrl } from "../../../src/store/redis/url.ts";
import { makeCertificates, withoutTls } from "../../servers/certificates.ts";
import { freePort, removeFolder, serverFolder } from "../../servers/child.ts";
import { findRedis, startRedis } from "../../servers/redis.ts";
import { hardPassword, refusal, refusalByCommand, worksEndToEnd } from "../reached.ts";

const skip = withoutTls() || (findRedis() === undefined && "no Redis server on this machine");
const folder = serverFolder("certificates");
const foreign = join(folder, "foreign");
mkdirSync(foreign);
const tls = skip ? undefined : makeCertificates(folder);
const foreignCa = skip ? "" : makeCertificates(foreign).ca;
const socket = join(folder, "redis.sock");
const secure = tls && (await startRedis({ tls, settings: { "tls-auth-clients": "yes", requirepass: hardPassword } }));
const plain = skip ? undefined : await startRedis({ settings: { requirepass: hardPassword, unixsocket: socket } });
after(async () => {
  await Promise.all([secure?.close(), plain?.close()]);
  removeFolder(folder);
});

let made = 0;
const login = `:${encodeURIComponent(hardPassword)}`;

function url(place: string, parameters: Readonly<Record<string, string>> = {}, user: string = login): string {
  made += 1;
  const [scheme, rest] = place.split("//");
  return `${scheme}//${user}@${rest}?${new URLSearchParams({ ...parameters, name: `reach-${made}` }).toString()}`;
}

describe("Redis with TLS", { skip }, () => {
  const { ca = "", cert = "", key = "" } = tls ?? {};
  const numeric = `rediss://127.0.0.1:${secure?.port}/0`;
  const named = `rediss://localhost:${secure?.port}/0`;

  // The server has no port without TLS, so every connection is secure, or there is none.
  test("with the files of the authority and of the client's certificate", async () => {
    await worksEndToEnd(url(named, { ca, cert, key }));
    await worksEndToEnd(url(numeric, { ca, cert, key }));
  });

  test("a certificate that nobody known has signed is refused", async (t) => {
    const unknown = /signed by nobody this machine knows.*\?ca=/u;
    assert.match(await refusal(url(named, { cert, key }), hardPassword), unknown);
    assert.match(await refusal(url(named, { ca: foreignCa, cert, key }), hardPassword), unknown);
    assert.match(
      await refusalByCommand(t, url(named, { ca: foreignCa, cert, key }), hardPassword),
      /^manyhands: The Redis server rediss:\/\/localhost:\d+\/0\?name=reach-\d+ cannot be used: its certificate is signed by nobody/u,
    );
  });

  test("no client's certificate where one is asked for", async () => {
    // Who is refused so may not have read it before the connection is reset.
    assert.match(await refusal(url(named, { ca }), hardPassword), /a client's certificate/u);
  });

  test("a file that is not there is named", async () => {
    const missing = join(folder, "missing.pem");
    const message = await refusal(url(named, { ca: missing }), hardPassword);
    assert.ok(message.includes(`the file ${missing}, which the URL names, cannot be read (ENOENT)`), message);
  });

  test("a server without TLS is refused when it is asked for", async (t) => {
    const made = url(`rediss://127.0.0.1:${plain?.port}/0`, { ca });
    assert.match(await refusalByCommand(t, made, hardPassword), /did not answer for 10 s.*whether it wants TLS/u);
  });

  test("a server with TLS is refused when none is asked for", async () => {
    assert.match(
      await refusal(url(`redis://127.0.0.1:${secure?.port}/0`), hardPassword),
      /closed the connection.*whether it wants TLS/u,
    );
  });
});

test("the files of TLS in a URL", () => {
  assert.deepEqual(parseRedisUrl("rediss://h?ca=/a.pem&cert=/b.pem&key=%2Fc%20d.pem").files, {
    ca: "/a.pem",
    cert: "/b.pem",
    key: "/c d.pem",
  });
  for (const wrong of ["redis://h?ca=/a.pem", "rediss://h?cert=/b.pem", "rediss://h?key=/c.pem"])
    assert.throws(() => parseRedisUrl(wrong), UsageError, wrong);
});

describe("Redis with a password of special characters", { skip }, () => {
  test("through a port", () => worksEndToEnd(url(`redis://127.0.0.1:${plain?.port}/0`)));
  test("through a Unix socket", () => worksEndToEnd(url("redis:///0", { socket })));
  test("a socket that is not there", async () => {
    assert.match(
      await refusal(url("redis:///0", { socket: join(folder, "none") }), hardPassword),
      /there is no socket at that path/u,
    );
  });
});

describe("a Redis server that cannot be used: one line from the command line", { skip }, () => {
  const cases: readonly (readonly [what: string, make: () => string | Promise<string>, line: RegExp])[] = [
    ["an unknown host", () => url("redis://nobody.invalid/0"), /cannot be used: its name .*Check the host in the URL/u],
    [
      "a refused port",
      async () => url(`redis://127.0.0.1:${await freePort()}/0`),
      /nothing listens there\. Start the server, or check/u,
    ],
    ["a wrong password", () => url(`redis://127.0.0.1:${plain?.port}/0`, {}, ":wr0ng"), /refuses the user or password/u],
    ["a database that is not there", () => url(`redis://127.0.0.1:${plain?.port}/99`), /has no database 99/u],
  ];
  for (const [what, make, line] of cases) {
    test(what, async (t) => assert.match(await refusalByCommand(t, await make(), hardPassword, "wr0ng"), line));
  }
});
