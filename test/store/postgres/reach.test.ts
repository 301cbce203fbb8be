// Reaching a real PostgreSQL server: TLS, passwords with special characters, Unix sockets; and one clear line where it cannot be.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openError } from "../../../src/store/postgres/trouble.ts";
import { placeOf } from "../../../src/store/postgres/url.ts";
import { makeCertificates, withoutTls } from "../../servers/certificates.ts";
import { freePort, removeFolder, serverFolder } from "../../servers/child.ts";
import { findPostgres, startPostgres } from "../../servers/postgres.ts";
import { hardPassword, refusal, refusalByCommand, worksEndToEnd } from "../reached.ts";

const skip = withoutTls() || (findPostgres() === undefined && "no PostgreSQL server on this machine");
const folder = serverFolder("certificates");
const foreign = join(folder, "foreign");
mkdirSync(foreign);
const tls = skip ? undefined : makeCertificates(folder);
const foreignCa = skip ? "" : makeCertificates(foreign).ca;
const secure = tls && (await startPostgres({ fsync: false, password: hardPassword, tls }));
const plain = skip ? undefined : await startPostgres({ fsync: false });
after(async () => {
  await Promise.all([secure?.close(), plain?.close()]);
  removeFolder(folder);
});

let made = 0;
const login = `manyhands:${encodeURIComponent(hardPassword)}`;

function url(place: string, parameters: Readonly<Record<string, string>>, user: string = login): string {
  made += 1;
  return `postgres://${user}@${place}?${new URLSearchParams({ ...parameters, schema: `reach_${made}` }).toString()}`;
}

describe("PostgreSQL with TLS", { skip }, () => {
  const ca = tls?.ca ?? "";
  const numeric = `127.0.0.1:${secure?.port}/postgres`;
  const named = `localhost:${secure?.port}/postgres`;

  for (const sslmode of ["require", "verify-ca", "verify-full"]) {
    test(`sslmode=${sslmode} with the authority's file: every connection is secure`, async () => {
      const made = url(sslmode === "require" ? numeric : named, { sslmode, sslrootcert: ca });
      await worksEndToEnd(made, async () => {
        const { Client } = (await import("pg")).default;
        const client = new Client({ connectionString: secure?.url });
        await client.connect();
        const { rows } = await client.query<{ ssl: boolean; count: number }>(
          `SELECT ssl, count(*)::integer AS count FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
           WHERE application_name = 'manyhands' GROUP BY ssl`,
        );
        await client.end();
        assert.deepEqual(
          rows.map(({ ssl }) => ssl),
          [true],
        );
        assert.ok((rows[0]?.count ?? 0) >= 3, "verbs, wake-ups and the lease");
      });
    });
  }

  test("without checking who it is", async () => {
    await worksEndToEnd(url(numeric, { sslmode: "no-verify" }));
    await worksEndToEnd(url(numeric, { sslmode: "require", uselibpqcompat: "true" }));
  });

  test("a certificate that nobody known has signed is refused", async (t) => {
    const unknown = /signed by nobody this machine knows.*sslrootcert=/u;
    assert.match(await refusal(url(named, { sslmode: "require" }), hardPassword), unknown);
    assert.match(await refusal(url(named, { sslmode: "verify-full", sslrootcert: foreignCa }), hardPassword), unknown);
    assert.match(
      await refusalByCommand(t, url(named, { sslmode: "verify-full", sslrootcert: foreignCa }), hardPassword),
      /^manyhands: The PostgreSQL server localhost:\d+\/postgres cannot be used: its certificate is signed by nobody/u,
    );
  });

  test("a file that is not there is named", async () => {
    const missing = join(folder, "missing.pem");
    const message = await refusal(url(named, { sslmode: "verify-full", sslrootcert: missing }));
    assert.ok(message.includes(`the file ${missing}, which the URL names, cannot be read (ENOENT)`), message);
  });

  test("a server without TLS is refused when it is asked for", async (t) => {
    const made = `${plain?.url}?sslmode=verify-full`;
    assert.match(await refusal(made), /does not speak TLS, which the URL asks for/u);
    assert.match(await refusalByCommand(t, made), /does not speak TLS/u);
  });
});

test("a server that wants TLS where the URL asks for none", () => {
  const words = 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "app", no encryption';
  const { message } = openError(Object.assign(new Error(words), { code: "28000" }), placeOf("postgres://app:secret@db/app"));
  assert.match(
    message,
    /^The PostgreSQL server db:5432\/app cannot be used: .* without TLS\. Add sslmode=verify-full to the URL/u,
  );
});

describe("PostgreSQL through a Unix socket, with a password of special characters", { skip }, () => {
  const host = secure?.socketFolder ?? "";
  const port = String(secure?.port);

  test("the folder as a parameter", () => worksEndToEnd(url("/postgres", { host, port })));
  test("the folder as the host", () => worksEndToEnd(url(`${encodeURIComponent(host)}:${port}/postgres`, {})));
  test("a folder without a socket", async () => {
    assert.match(await refusal(url("/postgres", { host: folder, port }), hardPassword), /there is no socket at that path/u);
  });
});

describe("a PostgreSQL server that cannot be used: one line from the command line", { skip }, () => {
  const cases: readonly (readonly [what: string, make: () => string | Promise<string>, line: RegExp])[] = [
    [
      "an unknown host",
      () => url("nobody.invalid/postgres", {}),
      /nobody\.invalid:5432\/postgres cannot be used: its name.*Check the host/u,
    ],
    [
      "a refused port",
      async () => url(`127.0.0.1:${await freePort()}/postgres`, {}),
      /nothing listens there\. Start the server, or check/u,
    ],
    ["a wrong password", () => url(`127.0.0.1:${secure?.port}/postgres`, {}, "manyhands:wr0ng"), /user or password is wrong/u],
    ["no database", () => url(`127.0.0.1:${secure?.port}/nowhere`, {}), /the database does not exist\. Create it/u],
  ];
  for (const [what, make, line] of cases) {
    test(what, async (t) => assert.match(await refusalByCommand(t, await make(), hardPassword, "wr0ng"), line));
  }
});
