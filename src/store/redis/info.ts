// What a store says of itself to people, and what it finds wrong.
import type { StoreInfo } from "../store.ts";
import { parseInfo } from "./connect.ts";
import type { Link } from "./link.ts";

const asked = ["maxmemory-policy", "appendfsync", "save"] as const;
const largestSkewMs = 1000;

/** Settings, where the server lets them be read: services often do not. */
async function settingsOf(link: Link): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of asked) {
    const answer = await link.ask<readonly string[]>("CONFIG", "GET", name).catch(() => []);
    if (answer[1] !== undefined) found.set(name, answer[1]);
  }
  return found;
}

function problemsOf(info: ReadonlyMap<string, string>, settings: ReadonlyMap<string, string>, skewMs: number): string[] {
  const problems: string[] = [];
  const policy = settings.get("maxmemory-policy") ?? info.get("maxmemory_policy") ?? "noeviction";
  if (info.get("maxmemory") !== "0" && policy !== "noeviction")
    problems.push(`When memory is full the server deletes jobs (maxmemory-policy ${policy}). Set it to noeviction.`);
  const appends = info.get("aof_enabled") === "1";
  if (!appends && settings.get("save") === "")
    problems.push("The server keeps nothing on disk: a restart loses all jobs. Set appendonly yes.");
  if (appends && settings.get("appendfsync") === "no")
    problems.push("The server leaves it to the system when its log reaches the disk (appendfsync no). Set it to everysec.");
  if (info.get("rdb_last_bgsave_status") === "err") problems.push("The server's last snapshot failed. See its log.");
  if (info.get("aof_last_write_status") === "err")
    problems.push("The server cannot write its log. See its log of errors; often the disk is full.");
  if (Math.abs(skewMs) > largestSkewMs)
    problems.push(
      `The clock of this machine is ${Math.round(skewMs)} ms ahead of the server's. Jobs go by the server's; correct one of them.`,
    );
  return problems;
}

/** See `Store.info`. */
export async function info(link: Link, jobs: number, skewMs: number): Promise<StoreInfo> {
  const found = parseInfo(await link.ask<string>("INFO"));
  const settings = await settingsOf(link);
  const engine = found.has("valkey_version")
    ? `Valkey ${found.get("valkey_version")}`
    : `Redis ${found.get("redis_version") ?? ""}`;
  return {
    kind: "redis",
    location: link.location,
    engine: `${engine}, Node ${process.version}`,
    schema: 1,
    jobs,
    bytes: Number(found.get("used_memory") ?? 0),
    problems: problemsOf(found, settings, skewMs),
    settings: {
      role: found.get("role") ?? "",
      replicas: Number(found.get("connected_slaves") ?? 0),
      appendonly: found.get("aof_enabled") === "1" ? "yes" : "no",
      maxmemory: Number(found.get("maxmemory") ?? 0),
      ...Object.fromEntries(settings),
    },
  };
}
