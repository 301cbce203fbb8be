// The server under fault: a private one that can be restarted, in order or by a crash, and be made to stand still with all its
// processes. Only processes die here, never the machine, so PostgreSQL need not flush; Redis flushes each write before it answers, or
// else a crash of the server would lose what it had acknowledged. SQLite has no server: a file, and programs that die.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { removeFolder, serverFolder } from "../servers/child.ts";
import type { ServerProcess } from "../servers/child.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";

/** The stores there are to try. */
export const storeKinds = ["postgres", "redis", "sqlite"] as const;
export type StoreKind = (typeof storeKinds)[number];

/** How a server ends before it is started again. */
export type EndKind = "in-order" | "crash";

/** A store's place, and what can be done to its server. */
export interface StoreServer {
  /** The store's URL, straight to the server. */
  readonly url: string;
  /** Where there is a server. */
  readonly network: ServerControl | undefined;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

/** Does to a server what a machine may do to it. */
export class ServerControl {
  readonly port: number;
  readonly #url: string;
  readonly #process: ServerProcess;
  readonly #crashSignal: NodeJS.Signals;
  #paused: readonly number[] = [];

  constructor(
    server: { readonly url: string; readonly port: number; readonly process: ServerProcess },
    crashSignal: NodeJS.Signals,
  ) {
    this.port = server.port;
    this.#url = server.url;
    this.#process = server.process;
    this.#crashSignal = crashSignal;
  }

  /** The URL by which it is reached through a proxy. */
  urlThrough({ host, port }: { readonly host: string; readonly port: number }): string {
    return this.#url.replace(`127.0.0.1:${this.port}`, `${host}:${port}`);
  }

  async stop(how: EndKind): Promise<void> {
    await (how === "crash" ? this.#process.stop(this.#crashSignal) : this.#process.stop());
  }

  start(): Promise<void> {
    return this.#process.start();
  }

  /** Stops all its processes from running. The first goes first, so that no new ones come. */
  pause(): void {
    const { pid } = this.#process;
    process.kill(pid, "SIGSTOP");
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
    for (const child of children) signal(child, "SIGSTOP");
    this.#paused = [...children, pid];
  }

  /** Lets them go on. */
  resume(): void {
    for (const pid of this.#paused) signal(pid, "SIGCONT");
    this.#paused = [];
  }
}

/** A process that has ended meanwhile needs no signal. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Starts the server of a store, or makes the place for its file. */
export async function startStoreServer(kind: StoreKind): Promise<StoreServer> {
  if (kind === "sqlite") {
    const folder = serverFolder("fault-sqlite");
    return { url: `sqlite:${join(folder, "hands.db")}`, network: undefined, close: async () => removeFolder(folder) };
  }
  const server = kind === "postgres" ? await startPostgres({ fsync: false }) : await startRedis({ appendfsync: "always" });
  // A crash of PostgreSQL is an immediate shutdown: its main process, killed alone, would leave others behind.
  const network = new ServerControl(server, kind === "postgres" ? "SIGQUIT" : "SIGKILL");
  const close = async (): Promise<void> => {
    network.resume();
    await server.close();
  };
  return { url: server.url, network, close };
}
