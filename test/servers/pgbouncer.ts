// A private PgBouncer in transaction mode before a test's PostgreSQL, from the binary on this machine.
import { spawnSync } from "node:child_process";
import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, removeFolder, serverFolder, ServerProcess } from "./child.ts";
import { serverUser } from "./postgres.ts";

export interface TestPgBouncer {
  /** The server's URL with the port of PgBouncer. */
  readonly url: string;
  close(): Promise<void>;
}

export function hasPgBouncer(): boolean {
  return spawnSync("pgbouncer", ["--version"]).status === 0;
}

/** Starts it before the server of this URL. */
export async function startPgBouncer(postgresUrl: string): Promise<TestPgBouncer> {
  const server = new URL(postgresUrl);
  const folder = serverFolder("pgbouncer");
  const port = await freePort();
  const user = serverUser();
  const quote = (text: string): string => `"${decodeURIComponent(text).replaceAll('"', '""')}"`;
  const files = {
    "users.txt": `${quote(server.username)} ${quote(server.password)}\n`,
    "pgbouncer.ini": [
      "[databases]",
      `* = host=${server.hostname} port=${server.port}`,
      "[pgbouncer]",
      "pool_mode = transaction",
      // One connection: what is left on it by one client meets the next.
      "default_pool_size = 1",
      "listen_addr = 127.0.0.1",
      `listen_port = ${port}`,
      "unix_socket_dir =",
      "auth_type = scram-sha-256",
      `auth_file = ${join(folder, "users.txt")}`,
      "",
    ].join("\n"),
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
    if (user) chownSync(join(folder, name), user.uid, user.gid);
  }
  if (user) chownSync(folder, user.uid, user.gid);
  const process = new ServerProcess({
    file: "pgbouncer",
    args: [join(folder, "pgbouncer.ini")],
    ready: /process up/,
    stopSignal: "SIGTERM",
    ...(user && { user }),
  });
  await process.start();
  const url = new URL(postgresUrl);
  url.port = String(port);
  return {
    url: url.href,
    close: async () => {
      await process.stop("SIGKILL");
      removeFolder(folder);
    },
  };
}
