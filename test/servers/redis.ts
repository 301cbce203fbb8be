// A private Redis or Valkey server: from the binary on this machine, in a folder and on a port of its own.
import { spawnSync } from "node:child_process";
import { freePort, removeFolder, serverFolder, ServerProcess } from "./child.ts";

export interface RedisOptions {
  /** Default: the log is written, and flushed each second. */
  readonly appendfsync?: "always" | "everysec" | "no";
  /** Further settings, as on the server's command line. */
  readonly settings?: Readonly<Record<string, string>>;
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

/** Starts an empty server. */
export async function startRedis({ appendfsync = "everysec", settings = {} }: RedisOptions = {}): Promise<TestRedis> {
  const file = findRedis();
  if (file === undefined)
    throw new Error("There is no Redis server on this machine (looked for redis-server and valkey-server).");
  const folder = serverFolder("redis");
  const port = await freePort();
  const all = { port: String(port), bind: "127.0.0.1", dir: folder, appendonly: "yes", appendfsync, save: "", ...settings };
  const server = new ServerProcess({
    file,
    args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    ready: /Ready to accept connections/,
    stopSignal: "SIGTERM",
  });
  await server.start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    process: server,
    close: async () => {
      await server.stop();
      removeFolder(folder);
    },
  };
}
