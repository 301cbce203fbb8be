// A connection that only listens to what the store's scripts publish, and is made again when it is cut.
import type { Redis } from "ioredis";
import type { Runtime, Timer } from "../../core/runtime.ts";
import { drop } from "./connect.ts";

/** Hears what is published until it is closed. */
export interface Ear {
  close(): void;
}

const pauseMs = 1000;

/** Listens, and connects as often as it must. */
export class Listening implements Ear {
  readonly #connect: () => Promise<Redis>;
  readonly #channel: string;
  readonly #runtime: Runtime;
  readonly #hear: (message: string) => void;
  #client: Redis | undefined;
  #retryTimer: Timer | undefined;
  #closed = false;

  constructor(connect: () => Promise<Redis>, name: string, runtime: Runtime, hear: (message: string) => void) {
    this.#connect = connect;
    this.#channel = `{${name}}:events`;
    this.#runtime = runtime;
    this.#hear = hear;
    void this.#listen();
  }

  /** Listens on a new connection. */
  reconnect(): void {
    if (this.#client) drop(this.#client);
  }

  close(): void {
    this.#closed = true;
    this.#retryTimer?.cancel();
    if (this.#client) drop(this.#client);
  }

  async #listen(): Promise<void> {
    try {
      const client = await this.#connect();
      if (this.#closed) return drop(client);
      this.#client = client;
      client.on("message", (_channel: string, message: string) => this.#hear(message));
      client.on("close", () => this.#listenLater());
      await client.subscribe(this.#channel);
      // What happened while nobody listened is not known.
      this.#hear("res");
    } catch {
      // The store's own connection tells of trouble; without this one only wake-ups are lost.
      this.#listenLater();
    }
  }

  #listenLater(): void {
    if (this.#closed) return;
    if (this.#client) drop(this.#client);
    this.#client = undefined;
    this.#retryTimer?.cancel();
    this.#retryTimer = this.#runtime.after(pauseMs * (0.5 + this.#runtime.random() / 2), () => void this.#listen(), {
      background: true,
    });
  }
}
