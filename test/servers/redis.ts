// A private Redis or Valkey server: from the binary on this machine, in a folder and on a port of its own.
import { spawnSync } from "node:child_process";
import type { Certificates } from "./certificates.ts";
import { freePort, removeFolder, serverFolder, ServerProcess } from "./child.ts";

export interface RedisOptions {
  /** Default: the log is written, and flushed each second. */
  readonly appendfsync?: "always" | "everysec" | "no";
  /** Further settings, as on the server's command line. */
  readonly settings?: Readonly<Record<string, string>>;
  /** With TLS, and without any port that goes without. */
  readonly tls?: Certificates;
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly process: ServerProcess;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

/** The name of a server binary that runs, or undefined. */
export function findRedis(): string | undefined {
  return ["redis-server", "valkey-server"].find((name) => spawnSync(name, ["--version"]).status === 0);
}

function tlsSettings(port: number, { ca, cert, key }: Certificates): Record<string, string> {
  const files = { "tls-ca-cert-file": ca, "tls-cert-file": cert, "tls-key-file": key };
  return { port: "0", "tls-port": String(port), "tls-auth-clients": "no", ...files };
}

/** Starts an empty server. */
export async function startRedis({ appendfsync = "everysec", settings = {}, tls }: RedisOptions = {}): Promise<TestRedis> {
  const file = findRedis();
  if (file === undefined)
    throw new Error("There is no Redis server on this machine (looked for redis-server and valkey-server).");
  const folder = serverFolder("redis");
  const port = await freePort();
  const all = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder,
    appendonly: "yes",
    appendfsync,
    save: "",
    ...(tls && tlsSettings(port, tls)),
    ...settings,
  };
  const server = new ServerProcess({
    file,
    args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    ready: /Ready to accept connections/,
    stopSignal: "SIGTERM",
  });
  await server.start();
  return {
    url: `${tls ? "rediss" : "redis"}://127.0.0.1:${port}`,
    port,
    process: server,
    close: async () => {
      await server.stop();
      removeFolder(folder);
    },
  };
}
