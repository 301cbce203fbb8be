// Which server, database and schema a store's URL names. What is ours is taken out; the rest is for the client library:
//
//   postgres://user:password@host:5432/database?schema=manyhands
//   postgres://user@host/database?sslmode=verify-full&sslrootcert=/path/ca.pem     TLS; sslcert and sslkey for a client's certificate
//   postgres://user@/database?host=/run/postgresql, postgres://user@%2Frun%2Fpostgresql/database     a Unix socket, by its folder
import { UsageError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";

/** A store's URL, taken apart. */
export interface Place {
  /** For the client library; may hold a password. */
  readonly connectionString: string;
  readonly schema: string;
  /** Server and database for people, without user and password. */
  readonly server: string;
  /** Server, database and schema for people. */
  readonly location: string;
}

const form = "postgres://user:password@host:5432/database?schema=manyhands";

function unreadable(): UsageError {
  return new UsageError(
    `The URL of a PostgreSQL store could not be read (it is not shown, as it may hold a password). Give it as ${form}; ` +
      "characters such as @ / : # in the password are written with percent signs (%40 %2F %3A %23).",
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unreadable();
  }
}

function parsed(url: string): URL {
  // With a socket's folder the host may be empty, which the class URL does not allow behind a user.
  const text = url.replace(/^postgresql:/, "postgres:").replace(/^(postgres:\/\/[^/?#]*@)\//, "$1localhost/");
  const read = text.startsWith("postgres://") && URL.canParse(text) ? new URL(text) : undefined;
  // These are what is left of a password with a character that should have been written as %40 or the like.
  const isTorn = read && (/[@/]/.test(read.pathname.slice(1)) || read.search.includes("@") || read.hash !== "");
  if (read && !isTorn) return read;
  throw unreadable();
}

// Weaker names by which pg 8 means verify-full; it warns that pg 9 will check less. Here they mean the same whatever its version.
const checkedModes: ReadonlySet<string> = new Set(["prefer", "require", "verify-ca"]);

/** Takes a URL apart. Throws a UsageError for one that is none. */
export function placeOf(url: string): Place {
  const read = parsed(url);
  const schema = read.searchParams.get("schema") ?? "manyhands";
  if (schema === "" || Buffer.byteLength(schema) > 63 || schema.includes("\u0000")) {
    throw new UsageError(
      `"${schema}" cannot be the name of a schema: it takes 1 to 63 bytes. Change "schema" in the store's URL.`,
    );
  }
  if (schema.startsWith("pg_")) {
    throw new UsageError(`"${schema}" cannot be the name of a schema: PostgreSQL keeps names with pg_ to itself.`);
  }
  for (const name of read.searchParams.keys()) {
    const guess = name === "schema" ? "" : didYouMean(name, ["schema"]);
    if (guess.startsWith("Did")) throw new UsageError(`The URL of a PostgreSQL store has no parameter "${name}". ${guess}`);
  }
  read.searchParams.delete("schema");
  if (checkedModes.has(read.searchParams.get("sslmode") ?? "") && read.searchParams.get("uselibpqcompat") !== "true") {
    read.searchParams.set("sslmode", "verify-full");
  }
  const folder = read.searchParams.get("host");
  const port = read.searchParams.get("port") ?? (read.port === "" ? "5432" : read.port);
  const host = folder ?? (read.hostname === "" ? "localhost" : decode(read.hostname));
  const database = decode(read.pathname.slice(1));
  const server = `${host}:${port}${database === "" ? "" : `/${database}`}`;
  return { connectionString: read.href, schema, server, location: `${server}, schema ${schema}` };
}
