// The URL of a Redis store:
//
//   redis://user:password@host:6379/0?name=other      rediss:, valkey:, valkeys: likewise; the last letter asks for TLS
//   redis://h1:6379,h2:6379/?cluster=true             any nodes of a Cluster
//   redis://h1:26379,h2:26379/0?sentinel=mymaster     Sentinels that know the server by this name
//   redis://:password@/0?socket=/run/redis.sock       a Unix socket
//   rediss://host?ca=/path/ca.pem                     TLS with an authority of one's own; cert=… and key=… for a client's certificate
//
// `name` is the store's name on the server, so that one server holds several. What is not known is refused, not passed over.
import { UsageError } from "../../core/errors.ts";

/** A host and its port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Paths of the files TLS needs; without `ca` those authorities count that Node knows. */
export type TlsFiles = Readonly<Partial<Record<"ca" | "cert" | "key", string>>>;

/** Where a store is. */
export interface RedisTarget {
  readonly addresses: readonly Address[];
  readonly socket: string | undefined;
  readonly tls: boolean;
  /** Files in PEM format: the authority that signed the server's certificate, and the client's certificate with its key. */
  readonly files: TlsFiles;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly db: number;
  readonly name: string;
  readonly cluster: boolean;
  readonly sentinel: string | undefined;
  /** For people: holds no password. */
  readonly location: string;
}

const tlsFiles = ["ca", "cert", "key"] as const;
const known = ["name", "cluster", "sentinel", "sentinelPassword", "socket", ...tlsFiles];
const shape =
  /^(?<scheme>redis|rediss|valkey|valkeys):\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]*)(?:\/(?<db>[^?#]*))?(?:\?(?<query>[^#]*))?$/u;

// What cannot be read may be a piece of a password, so it is not shown.
const unencoded = "; in a password / is written %2F, ? %3F, # %23, @ %40";

function wrong(what: string): UsageError {
  return new UsageError(
    `The URL of the Redis store cannot be used: ${what}. It looks like redis://user:password@host:6379/0?name=manyhands.`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("user or password is not percent-encoded correctly");
  }
}

function toAddress(text: string, defaultPort: number): Address {
  const found = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d{1,5}))?$/u.exec(text)?.groups;
  if (!found) throw wrong(`a host and its port cannot be read${unencoded}`);
  return { host: found["six"] ?? found["host"] ?? "", port: Number(found["port"] ?? defaultPort) };
}

function toName(given: string | null): string {
  const name = given ?? "manyhands";
  if (!/^[\w.:-]{1,64}$/u.test(name)) throw wrong(`the name "${name}" is not made of letters, digits and . : _ -`);
  return name;
}

function toParameters(query: string): URLSearchParams {
  if (query.includes("@")) throw wrong(`its parameters cannot be read${unencoded}`);
  const parameters = new URLSearchParams(query);
  for (const key of parameters.keys()) {
    if (!known.includes(key)) throw wrong(`"${key}" is not known; there are ${known.join(", ")}`);
  }
  return parameters;
}

function toFiles(parameters: URLSearchParams, tls: boolean): TlsFiles {
  const given = tlsFiles.filter((name) => parameters.has(name));
  if (given.length > 0 && !tls) throw wrong(`"${given[0]}" is for TLS, which rediss:// or valkeys:// asks for`);
  if (given.includes("cert") !== given.includes("key")) throw wrong("a client's certificate needs both cert=… and key=…");
  return Object.fromEntries(given.map((name) => [name, parameters.get(name) ?? ""]));
}

function toDb(text: string): number {
  if (text === "") return 0;
  if (!/^\d{1,4}$/u.test(text)) throw wrong(`what follows the host is not the number of a database${unencoded}`);
  return Number(text);
}

/** Reads the URL of a Redis store. Throws a UsageError, which holds no password, when it is none. */
export function parseRedisUrl(url: string): RedisTarget {
  const found = shape.exec(url)?.groups;
  if (!found) throw wrong("it has another form");
  const parameters = toParameters(found["query"] ?? "");
  const sentinel = parameters.get("sentinel") ?? undefined;
  const cluster = (parameters.get("cluster") ?? "false") === "true";
  const socket = parameters.get("socket") ?? undefined;
  const hosts = found["hosts"] === "" ? [] : (found["hosts"] ?? "").split(",");
  const addresses = hosts.map((host) => toAddress(host, sentinel === undefined ? 6379 : 26379));
  if (addresses.length === 0 && socket === undefined) addresses.push({ host: "localhost", port: 6379 });
  if (addresses.length > 1 && !cluster && sentinel === undefined) throw wrong("several hosts need cluster=true or sentinel=…");
  const [username = "", ...rest] = (found["login"] ?? "").split(":");
  const password = rest.join(":");
  const db = toDb(found["db"] ?? "");
  const name = toName(parameters.get("name"));
  const tls = found["scheme"] === "rediss" || found["scheme"] === "valkeys";
  const place = socket ?? addresses.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`).join(",");
  return {
    addresses,
    socket,
    tls,
    files: toFiles(parameters, tls),
    username: username === "" ? undefined : decode(username),
    password: password === "" ? undefined : decode(password),
    sentinelPassword: parameters.get("sentinelPassword") ?? undefined,
    db,
    name,
    cluster,
    sentinel,
    location: `${found["scheme"]}://${place}/${db}?name=${name}`,
  };
}
