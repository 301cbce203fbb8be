// The client library, as far as it is used. It is a peer dependency, loaded when a PostgreSQL store is opened, and typed by what
// is needed of it, so that programs without it compile.
import { Socket } from "node:net";
import { UsageError } from "../../core/errors.ts";

/** A row as a list, in the order of the columns. */
export type Row = readonly unknown[];

/** A query as the client takes it. */
export interface ClientQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly rowMode: "array";
}

/** Something that runs queries, such as a client of `pg` on which a transaction was begun. */
export interface Queryable {
  query(query: ClientQuery): Promise<{ readonly rows: readonly Row[] }>;
}

/** A client of `pg`. */
export interface Client extends Queryable {
  connect(): Promise<void>;
  query(query: ClientQuery): Promise<{ readonly rows: readonly Row[] }>;
  query(text: string): Promise<unknown>;
  end(): Promise<void>;
  ref(): void;
  unref(): void;
  on(event: "error" | "notice", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "notification", listener: (message: { readonly channel: string; readonly payload?: string }) => void): unknown;
}

interface Library {
  readonly Client: new (options: {
    readonly connectionString: string;
    readonly keepAlive: boolean;
    readonly keepAliveInitialDelayMillis: number;
    readonly fallback_application_name: string;
    readonly stream: () => Socket;
  }) => Client;
}

const keepAliveAfterMs = 10_000;

async function load(): Promise<Library> {
  try {
    return (await import("pg")).default as unknown as Library;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError('A PostgreSQL store needs the package "pg", which is not installed. Install it: npm install pg', {
      cause: error,
    });
  }
}

/** A client that is not connected yet, and the socket under it, which can be destroyed whatever the client is doing. */
export async function newClient(connectionString: string): Promise<{ readonly client: Client; readonly socket: Socket }> {
  const library = await load();
  const socket = new Socket();
  const client = new library.Client({
    connectionString,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveAfterMs,
    fallback_application_name: "manyhands",
    stream: () => socket,
  });
  return { client, socket };
}
