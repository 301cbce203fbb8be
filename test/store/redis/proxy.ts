// A way to the server that can be cut: at once, or so that a question arrives and its answer does not.
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** Passes bytes on until it is told otherwise. */
export class Proxy {
  readonly #server: Server;
  readonly #ends = new EventTarget();
  readonly #pairs = new Set<readonly [near: Socket, far: Socket]>();
  #swallowing = false;
  #refusing = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server);
    server.on("connection", (near) => proxy.#join(near, connect(port, "127.0.0.1")));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `redis://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }

  #join(near: Socket, far: Socket): void {
    const pair = [near, far] as const;
    if (this.#refusing) near.destroy();
    this.#pairs.add(pair);
    near.on("data", (data) => void far.write(data));
    far.on("data", (data) => {
      if (!this.#swallowing) near.write(data);
    });
    for (const socket of pair) {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#pairs.delete(pair);
        this.#ends.dispatchEvent(new Event("end"));
        for (const each of pair) each.destroy();
      });
    }
  }

  /** Keeps answers back from now on, or lets them pass again. */
  swallow(on: boolean): void {
    this.#swallowing = on;
  }

  /** Refuses new connections, or takes them again. */
  refuse(on: boolean): void {
    this.#refusing = on;
  }

  /** Resolves when a connection has ended. */
  async nextEnd(): Promise<void> {
    await once(this.#ends, "end");
  }

  /** Cuts every connection. */
  cut(): void {
    for (const [near] of this.#pairs) near.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
