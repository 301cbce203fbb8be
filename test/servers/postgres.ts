// A private PostgreSQL server: from the binaries on this machine, in a folder and on a port of its own.
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificates } from "./certificates.ts";
import { freePort, removeFolder, serverFolder, ServerProcess } from "./child.ts";

export interface PostgresOptions {
  /** False: faster, and what is written does not survive the loss of power. Default true. */
  readonly fsync?: boolean;
  /** Further settings. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly password?: string;
  /** With TLS; it goes on to take connections without. */
  readonly tls?: Certificates;
}

export interface TestPostgres {
  readonly url: string;
  readonly port: number;
  readonly password: string;
  /** The folder of its unix socket. */
  readonly socketFolder: string;
  readonly process: ServerProcess;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

/** The folder of the newest server binaries, or undefined. */
export function findPostgres(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = statSync(root, { throwIfNoEntry: false }) ? readdirSync(root) : [];
  const found = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, "bin"))
    .concat((process.env["PATH"] ?? "").split(":"))
    .find((folder) => folder !== "" && statSync(join(folder, "initdb"), { throwIfNoEntry: false }));
  return found;
}

/** PostgreSQL and PgBouncer refuse to run as root. */
export function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.");
}

/** The server reads its key only when nobody else can. */
function tlsSettings({ cert, key }: Certificates, folder: string, user: ReturnType<typeof serverUser>): Record<string, string> {
  const own = { ssl_cert_file: join(folder, "server.pem"), ssl_key_file: join(folder, "server.key") };
  copyFileSync(cert, own.ssl_cert_file);
  copyFileSync(key, own.ssl_key_file);
  chmodSync(own.ssl_key_file, 0o600);
  if (user) for (const path of Object.values(own)) chownSync(path, user.uid, user.gid);
  return { ssl: "on", ...own };
}

/** Starts a server with an empty database `manyhands`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const { fsync = true, settings = {}, password = "p@ss/w:rd#1", tls } = options;
  const bin = findPostgres();
  if (bin === undefined) throw new Error("There is no PostgreSQL server on this machine (looked for initdb).");
  const user = serverUser();
  const folder = serverFolder("postgres");
  writeFileSync(join(folder, "password"), password);
  if (user) for (const path of [folder, join(folder, "password")]) chownSync(path, user.uid, user.gid);
  const data = join(folder, "data");
  const made = spawnSync(
    join(bin, "initdb"),
    [
      "-D",
      data,
      "-U",
      "manyhands",
      "-A",
      "scram-sha-256",
      "--pwfile",
      join(folder, "password"),
      "-E",
      "UTF8",
      "--locale=C",
      "-N",
    ],
    { encoding: "utf8", cwd: folder, ...user },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || made.error?.message}`);
  const port = await freePort();
  const all = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: folder,
    fsync: fsync ? "on" : "off",
    max_connections: "200",
    shared_buffers: "256MB",
    max_wal_size: "2GB",
    ...(tls && tlsSettings(tls, folder, user)),
    ...settings,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = new ServerProcess({
    file: join(bin, "postgres"),
    args: ["-D", data, ...flags],
    ready: /database system is ready to accept connections/,
    stopSignal: "SIGINT",
    ...(user && { user }),
  });
  await server.start();
  return {
    url: `postgres://manyhands:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    port,
    password,
    socketFolder: folder,
    process: server,
    close: async () => {
      await server.stop();
      removeFolder(folder);
    },
  };
}
