// What a store says of itself to people, and what it finds wrong.
import { StoreError, StoreUnavailable } from "../../core/errors.ts";
import { clockProblem } from "../network/clock.ts";
import type { StoreInfo } from "../store.ts";
import { parseInfo } from "./connect.ts";
import type { Link } from "./link.ts";

const asked = ["maxmemory-policy", "appendfsync", "save"] as const;
const nearlyFull = 0.9;
const muchWasted = 2 ** 30;
const longLagS = 60;

/** What the server says: fields of INFO, and settings where it lets them be read, which services often do not. */
export interface Answers {
  readonly info: ReadonlyMap<string, string>;
  readonly settings: ReadonlyMap<string, string>;
}

/** Nothing where the server answers that it will not say. */
function refused(error: unknown): readonly string[] {
  if (!(error instanceof StoreError) || error instanceof StoreUnavailable) throw error;
  return [];
}

/** The settings that may be read. */
export async function settingsOf(link: Pick<Link, "ask">): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of asked) {
    const answer = await link.ask<readonly string[]>("CONFIG", "GET", name).catch(refused);
    if (answer[1] !== undefined) found.set(name, answer[1]);
  }
  return found;
}

function numberOf({ info }: Answers, name: string): number {
  return Number(info.get(name) ?? 0);
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;

function memoryProblems(answers: Answers): string[] {
  const problems: string[] = [];
  const policy = answers.settings.get("maxmemory-policy") ?? answers.info.get("maxmemory_policy") ?? "noeviction";
  const [used, most, resident] = ["used_memory", "maxmemory", "used_memory_rss"].map((name) => numberOf(answers, name));
  if (used === undefined || most === undefined || resident === undefined) return problems;
  if (most > 0 && policy !== "noeviction")
    problems.push(`When memory is full the server deletes jobs (maxmemory-policy ${policy}). Set it to noeviction.`);
  if (most > 0 && used > most * nearlyFull)
    problems.push(
      `The server uses ${megabytes(used)} of the ${megabytes(most)} it may; when it is full it refuses jobs. ` +
        "Raise maxmemory, or keep ended jobs for less long.",
    );
  if (resident - used > muchWasted && resident > used * 1.5)
    problems.push(
      `The server holds ${megabytes(resident)} of memory for ${megabytes(used)} of data. Set activedefrag yes, or restart it.`,
    );
  return problems;
}

function persistenceProblems({ info, settings }: Answers): string[] {
  const problems: string[] = [];
  const appends = info.get("aof_enabled") === "1";
  const save = settings.get("save");
  if (!appends && save === "") problems.push("The server keeps nothing on disk: a restart loses all jobs. Set appendonly yes.");
  if (!appends && save)
    problems.push("The server keeps only snapshots: when it dies, everything since the last one is lost. Set appendonly yes.");
  if (appends && settings.get("appendfsync") === "no")
    problems.push("The server leaves it to the system when its log reaches the disk (appendfsync no). Set it to everysec.");
  if (info.get("rdb_last_bgsave_status") === "err") problems.push("The server's last snapshot failed. See its log.");
  if (info.get("aof_last_write_status") === "err")
    problems.push("The server cannot write its log. See its log of errors; often the disk is full.");
  if (info.get("aof_last_bgrewrite_status") === "err")
    problems.push(
      "The server could not rewrite its log, which therefore grows without end. See its log of errors; often memory is short.",
    );
  return problems;
}

/** Replicas stand in INFO as slave0, slave1 and so on: ip=…,port=…,state=online,offset=…,lag=1. */
function replicaProblems({ info }: Answers): string[] {
  const replicas = [...info].filter(([name]) => /^slave\d+$/u.test(name));
  return replicas.flatMap(([, text]) => {
    const { ip, port, state, lag } = Object.fromEntries(text.split(",").map((pair) => pair.split("=") as [string, string]));
    if (state === "online" && Number(lag) <= longLagS) return [];
    const how = state === "online" ? `has not answered for ${lag} s` : `is not in step (${state})`;
    return [`The replica ${ip}:${port} ${how}: if it takes over, what it has not got yet is lost.`];
  });
}

/** What a person has to act on, worst first. */
export function problemsOf(answers: Answers, skewMs: number): string[] {
  const clock = [clockProblem(skewMs)].filter((problem) => problem !== undefined);
  return [...memoryProblems(answers), ...persistenceProblems(answers), ...replicaProblems(answers), ...clock];
}

/** See `Store.info`. */
export async function info(link: Link, jobs: number, skewMs: number): Promise<StoreInfo> {
  const found = parseInfo(await link.ask<string>("INFO"));
  const answers = { info: found, settings: await settingsOf(link) };
  const engine = found.has("valkey_version")
    ? `Valkey ${found.get("valkey_version")}`
    : `Redis ${found.get("redis_version") ?? ""}`;
  return {
    kind: "redis",
    location: link.location,
    engine: `${engine}, Node ${process.version}`,
    schema: 1,
    jobs,
    bytes: numberOf(answers, "used_memory"),
    problems: problemsOf(answers, skewMs),
    settings: {
      role: found.get("role") ?? "",
      replicas: numberOf(answers, "connected_slaves"),
      connections: `${numberOf(answers, "connected_clients")} of ${numberOf(answers, "maxclients")}`,
      appendonly: found.get("aof_enabled") === "1" ? "yes" : "no",
      maxmemory: numberOf(answers, "maxmemory"),
      bytes: "all memory of the server, with what others keep there",
      ...Object.fromEntries(answers.settings),
      ...(answers.settings.size === 0 && { unread: "persistence and eviction (the user may not run CONFIG)" }),
      clockSkewMs: Math.round(skewMs),
    },
  };
}
