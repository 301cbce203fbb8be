// The servers of the fleet rows: a private one for each process that is measured, with its files where all stores of the
// benchmark lie, ended and deleted with it.
import { spawnSync } from "node:child_process";
import { chmodSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { findPostgres, startPostgres } from "../../test/servers/postgres.ts";
import { findRedis, startRedis } from "../../test/servers/redis.ts";
import { storeFolder } from "../durable/folder.ts";
import type { ServerNeed } from "../row.ts";

/** A running server. */
export interface BenchServer {
  readonly url: string;
  /** Ends it at once and deletes its files. */
  close(): Promise<void>;
}

const endMs = 300;
let endCurrent: () => void = () => undefined;
process.on("exit", () => endCurrent());

/** PostgreSQL refuses to run as root, so as another user it must be able to reach its files. */
function reachable(path: string): boolean {
  if (process.getuid?.() !== 0) return true;
  for (let at = path; at !== dirname(at); at = dirname(at)) if ((statSync(at).mode & 0o001) === 0) return false;
  return true;
}

/** Servers make their folders in the one for temporary files, which may be memory; /var/tmp is not. */
function serversFolder(): string {
  const folder = storeFolder();
  chmodSync(folder, 0o755);
  return reachable(folder) ? folder : "/var/tmp";
}

let folder: string | undefined;

/** Starts the server. What an acknowledgement means is the same for all: PostgreSQL flushes each commit, Redis its log each second. */
export async function startServer({ kind, settings = {} }: ServerNeed): Promise<BenchServer> {
  folder ??= serversFolder();
  process.env["TMPDIR"] = folder;
  const server =
    kind === "postgres"
      ? await startPostgres({ fsync: true, settings: { synchronous_commit: "on", unix_socket_directories: "", ...settings } })
      : await startRedis({ appendfsync: "everysec", settings });
  const { pid } = server.process;
  // PostgreSQL takes its children and its shared memory with it when told to quit.
  const signal = kind === "postgres" ? "SIGQUIT" : "SIGKILL";
  endCurrent = () => {
    process.kill(pid, signal);
    // Files are deleted next; this late nothing can be awaited, and a server that is still ending holds its folder.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, endMs);
  };
  return {
    url: server.url,
    close: async () => {
      endCurrent = () => undefined;
      await server.process.stop(signal);
      await server.close();
    },
  };
}

/** Why there can be no such server, or undefined. */
export function whyNoServer({ kind }: ServerNeed): string | undefined {
  const found = kind === "postgres" ? findPostgres() : findRedis();
  return found === undefined ? `there is no ${kind === "postgres" ? "PostgreSQL" : "Redis"} server on this machine` : undefined;
}

function version(program: string): string {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return /\d+\.[\d.]+/.exec(stdout ?? "")?.[0] ?? "?";
}

/** The versions of the servers that are here. */
export function serverVersions(): [string, string][] {
  const postgres = findPostgres();
  const redis = findRedis();
  return [
    ...(postgres === undefined ? [] : [["PostgreSQL", version(join(postgres, "postgres"))] as [string, string]]),
    ...(redis === undefined ? [] : [["Redis", version(redis)] as [string, string]]),
  ];
}
