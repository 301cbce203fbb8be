// One connection to the server that holds the store, ready to be used or refused with one clear line. A store lives in one slot of a
// Cluster, so a connection to one node is all it needs; which node, and which server Sentinels name, is asked anew each time.
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type * as Client from "ioredis";
import type { Redis, RedisOptions } from "ioredis";
import { StoreError, StoreUnavailable, UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { isLasting, networkTrouble } from "../network/trouble.ts";
import { bare, unended } from "./trouble.ts";
import type { Address, RedisTarget } from "./url.ts";

/** Why there is no connection; `wait` when it may be different soon. */
export class NoConnection extends StoreError {
  readonly wait: boolean;

  constructor(message: string, wait: boolean, options?: ErrorOptions) {
    super(message, options);
    this.wait = wait;
  }
}

/** What the store uses of ioredis. */
export type Package = Pick<typeof Client, "Redis" | "Command">;

/** What it takes to connect. */
export interface Ways extends Pick<Package, "Redis"> {
  readonly runtime: Runtime;
  /** Further nodes of a Cluster to ask; those it names are added. */
  readonly nodes: Address[];
}

const connectTimeoutMs = 10_000;
const leastVersion = [6, 2] as const;

/** The package ioredis, which is installed by those who use Redis. */
export async function loadPackage(): Promise<Package> {
  try {
    return await import("ioredis");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError('A Redis store needs the package "ioredis". Install it: npm install ioredis', { cause: error });
  }
}

/** Fields of INFO. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

type Tls = NonNullable<RedisOptions["tls"]>;

/** Read anew for each connection: certificates are renewed while programs run. */
function tlsFor({ files }: RedisTarget, host: string | undefined): Tls {
  const texts = Object.entries(files).map(([name, path]) => [name, readFileSync(path, "utf8")] as const);
  // A number is no name to ask for; the certificate is checked against it all the same.
  return { ...Object.fromEntries(texts), ...(host !== undefined && isIP(host) === 0 && { servername: host }) };
}

function optionsFor(target: RedisTarget, address: Address | undefined): RedisOptions {
  // A Sentinel's address is not its master's.
  const tls = target.tls ? { tls: tlsFor(target, target.sentinel === undefined ? address?.host : undefined) } : {};
  const place: RedisOptions = target.sentinel
    ? {
        name: target.sentinel,
        sentinels: target.addresses.map(({ host, port }) => ({ host, port })),
        sentinelRetryStrategy: () => null,
        ...(target.sentinelPassword !== undefined && { sentinelPassword: target.sentinelPassword }),
        ...(target.tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsFor(target, undefined) }),
      }
    : target.socket !== undefined
      ? { path: target.socket }
      : { ...address };
  return {
    ...place,
    ...tls,
    db: target.db,
    ...(target.username !== undefined && { username: target.username }),
    ...(target.password !== undefined && { password: target.password }),
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    retryStrategy: () => null,
    maxRetriesPerRequest: null,
    connectTimeout: connectTimeoutMs,
    keepAlive: 15_000,
    disableClientInfo: true,
    connectionName: "manyhands",
  };
}

/** Ends a connection at once, also one whose other end is silent. */
export function drop(client: Redis): void {
  client.disconnect();
  const { stream } = client as { readonly stream?: { destroy(): void } };
  stream?.destroy();
}

function describe(target: RedisTarget, error: Error): StoreError {
  const { message } = error;
  const start = `The Redis server ${target.location} cannot be used`;
  const refused = (why: string, wait: boolean): NoConnection =>
    new NoConnection(`${start}: ${why}`, wait, { cause: bare(error) });
  if (message.startsWith("WRONGPASS")) return refused("it refuses the user or password. Correct them in the URL.", false);
  if (message.startsWith("NOAUTH")) return refused("it asks for a password. Give it in the URL.", false);
  if (/without any password configured|no password is set/u.test(message))
    return refused("it has no password, and the URL gives one. Take it out.", false);
  if (message.startsWith("NOPERM")) return refused(`the user lacks a right (${message}).`, false);
  if (/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)/u.test(message)) return refused(`it says ${unended(error)}.`, true);
  if (/All sentinels are unreachable/u.test(message))
    return refused(`no Sentinel names a master "${target.sentinel}" that can be reached. ${message}`, false);
  if (/DB index is out of range/u.test(message))
    return refused(`it has no database ${target.db}. Name another in the URL.`, false);
  const unknown = `${unended(error)}. Check that it runs, that host and port are right, and whether it wants TLS (rediss:)`;
  const network = `${networkTrouble(error, "?ca=/path/ca.pem") ?? unknown}.`;
  if (isLasting(error)) return refused(network, false);
  return new StoreUnavailable(`${start}: ${network}`, { cause: bare(error) });
}

function checkServer(target: RedisTarget, info: ReadonlyMap<string, string>): void {
  const version = info.get("valkey_version") ?? info.get("redis_version") ?? "0";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const start = `The Redis server ${target.location} cannot be used`;
  if (!info.has("valkey_version") && (major < leastVersion[0] || (major === leastVersion[0] && minor < leastVersion[1])))
    throw new NoConnection(
      `${start}: it is version ${version}, and 6.2 is the least. Use Redis 6.2 or Valkey 7.2 and later.`,
      false,
    );
  if (info.get("loading") === "1") throw new NoConnection(`${start}: it is still loading its data.`, true);
  if (info.get("role") === "slave")
    throw new NoConnection(
      `${start}: it is a replica, which cannot be written. Give the URL of its master.`,
      target.sentinel !== undefined,
    );
}

interface Opened {
  readonly client: Redis;
  readonly info: ReadonlyMap<string, string>;
}

function makeClient(Client: Ways["Redis"], target: RedisTarget, address: Address | undefined): Redis {
  try {
    return new Client({ ...optionsFor(target, address), replyMapping: "legacy" });
  } catch (error) {
    throw describe(target, error as Error);
  }
}

async function openAt({ Redis, runtime }: Ways, target: RedisTarget, address: Address | undefined): Promise<Opened> {
  const client = makeClient(Redis, target, address);
  let failure: Error | undefined;
  client.on("error", (error: Error) => {
    failure ??= error;
  });
  // Something else may listen there, and be silent.
  const late = runtime.after(connectTimeoutMs, () => {
    failure ??= new Error(`it did not answer for ${connectTimeoutMs / 1000} s`);
    drop(client);
  });
  try {
    await client.connect();
    // The client does so by itself, and goes on without a word when there is no such database.
    if (target.db > 0) await client.select(target.db);
    const info = parseInfo(await client.info());
    return { client, info };
  } catch (error) {
    drop(client);
    throw describe(target, failure ?? (error as Error));
  } finally {
    late.cancel();
  }
}

/** The node of a Cluster that holds the store's slot. */
async function ownerOf(client: Redis, target: RedisTarget, seed: Address | undefined, nodes: Address[]): Promise<Address> {
  const slot = Number(await client.call("CLUSTER", "KEYSLOT", `{${target.name}}:`));
  const ranges = (await client.call("CLUSTER", "SLOTS")) as readonly [number, number, ...(readonly [string, number])[]][];
  const range = ranges.find(([first, last]) => first <= slot && slot <= last);
  if (!range) throw new NoConnection(`The Redis Cluster ${target.location} cannot be used: nobody serves slot ${slot}.`, true);
  const known = ranges.flatMap(([, , ...its]) =>
    its.map(([host, port]) => ({ host: host || (seed?.host ?? "localhost"), port })),
  );
  const places = new Map([...nodes, ...known].map((node) => [`${node.host} ${node.port}`, node]));
  nodes.splice(0, nodes.length, ...places.values());
  const [host, port] = range[2] ?? ["", 0];
  return { host: host || (seed?.host ?? "localhost"), port };
}

async function openVia(ways: Ways, target: RedisTarget, address: Address | undefined): Promise<Redis> {
  const { client, info } = await openAt(ways, target, address);
  try {
    if (info.get("cluster_enabled") === "1") {
      const owner = await ownerOf(client, target, address, ways.nodes);
      const { client: home, info: itsInfo } = await openAt(ways, target, owner);
      drop(client);
      checkServer(target, itsInfo);
      return home;
    }
    checkServer(target, info);
    return client;
  } catch (error) {
    drop(client);
    throw error instanceof StoreError ? error : describe(target, error as Error);
  }
}

/** Connects. Rejects with a NoConnection, or a StoreUnavailable where nobody answers. The connection does not keep the process alive. */
export async function connect(ways: Ways, target: RedisTarget): Promise<Redis> {
  const seeds: readonly (Address | undefined)[] = target.cluster ? [...target.addresses, ...ways.nodes] : [target.addresses[0]];
  let failure: unknown;
  for (const seed of seeds) {
    try {
      // One node after the other: the first that answers knows all.
      const client = await openVia(ways, target, seed);
      (client as { readonly stream?: { unref(): void } }).stream?.unref();
      return client;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}
