// A TCP proxy of the tests' own, which does to a program's connections what networks do: delay, crawl, stand still (half-open, or in
// one direction only) and break. Whoever sits behind it notices only what it would notice of a real network. Directions are seen
// from the program: "up" is towards the server. While a direction stands still nothing passes, not even an end: both sockets stay.
// New connections that are refused are accepted and reset at once: to stop listening would give the port away.
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { Flow } from "./flow.ts";
import type { Traffic } from "./flow.ts";

/** Directions, seen from the program that uses the proxy. */
export type Way = "up" | "down" | "both";

/** One connection through the proxy. */
export class ProxiedConnection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #up: Flow;
  readonly #down: Flow;

  constructor(client: Socket, server: Socket, random: () => number, closed: () => void) {
    this.#client = client;
    this.#server = server;
    this.#up = new Flow(client, server, random);
    this.#down = new Flow(server, client, random);
    client.once("close", () => {
      this.#up.over();
      closed();
    });
    server.once("close", () => this.#down.over());
  }

  /** From now on traffic passes like this; what has been held back follows. */
  set(way: Way, traffic: Traffic): void {
    if (way !== "down") this.#up.set(traffic);
    if (way !== "up") this.#down.set(traffic);
  }

  /** Breaks it: both ends get a reset, and what was on its way is lost. */
  reset(): void {
    this.#up.drop();
    this.#down.drop();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }
}

/** Where a proxy listens, and for whom. */
export interface ProxyOptions {
  readonly targetPort: number;
  /** Default: any source, not seeded. Decides the jitter. */
  readonly random?: () => number;
  /** The address to listen on. Default 127.0.0.1. */
  readonly host?: string;
}

/** A proxy in front of a server on this machine. */
export class Proxy {
  readonly host: string;
  readonly #targetPort: number;
  readonly #random: () => number;
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  #up: Traffic = { kind: "pass" };
  #down: Traffic = { kind: "pass" };
  #refuses = false;

  private constructor({ targetPort, random = Math.random, host = "127.0.0.1" }: ProxyOptions) {
    this.host = host;
    this.#targetPort = targetPort;
    this.#random = random;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Starts one on a free port. */
  static async start(options: ProxyOptions): Promise<Proxy> {
    const proxy = new Proxy(options);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, proxy.host, resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The proxy does not listen.");
    return address.port;
  }

  /** The connections there are now. */
  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections];
  }

  /** From now on traffic passes like this, on all connections and on those to come. */
  set(way: Way, traffic: Traffic): void {
    if (way !== "down") this.#up = traffic;
    if (way !== "up") this.#down = traffic;
    for (const connection of this.#connections) connection.set(way, traffic);
  }

  /** Whether new connections are refused. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
  }

  /** Breaks every connection. */
  reset(): void {
    for (const connection of this.#connections) connection.reset();
  }

  /** Everything passes again. */
  heal(): void {
    this.refuse(false);
    this.set("both", { kind: "pass" });
  }

  async close(): Promise<void> {
    this.reset();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    // A reset by the other side is what this proxy is for; "close" follows and ends the connection.
    client.on("error", () => undefined);
    if (this.#refuses) return void client.resetAndDestroy();
    const server = connect({ port: this.#targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    server.on("error", () => undefined);
    client.setNoDelay(true);
    const connection = new ProxiedConnection(client, server, this.#random, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    connection.set("up", this.#up);
    connection.set("down", this.#down);
  }
}
