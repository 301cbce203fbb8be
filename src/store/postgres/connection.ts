// One connection to the server, from connecting to its end, whoever brings that about. Every query has a limit: a server that
// does not answer within it counts as gone, since a cut cable looks the same for minutes. An error leaves it open
// whether the query was carried out; that is for the caller to know.
import type { Socket } from "node:net";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { Client, Row } from "./client.ts";
import { newClient } from "./client.ts";
import { isCut } from "./trouble.ts";

/** The connection ended, or the server did not answer. */
export class ConnectionLost extends Error {}

/** Runs statements. */
export interface Session {
  /** Runs one statement. Rejects with a {@link ConnectionLost}, or with the server's error. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

/** How long a query may take before the connection counts as lost. */
export const answerMs = 15_000;
/** The same for statements that may have much to do, or wait for others that have. */
export const longAnswerMs = 600_000;

/** What a connection tells of by itself. */
export interface Hearing {
  onLost?(): void;
  onNotification?(payload: string): void;
  onNotice?(message: string): void;
}

/** A connection that has been made. */
export class Connection implements Session {
  /** How long the next queries may take. */
  limitMs: number = answerMs;
  #lost: Error | undefined;
  #busy = 0;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  readonly #hearing: Hearing;

  private constructor(client: Client, socket: Socket, runtime: Runtime, hearing: Hearing) {
    this.#client = client;
    this.#socket = socket;
    this.#runtime = runtime;
    this.#hearing = hearing;
    client.on("error", (error) => this.#lose(error));
    client.on("end", () => this.#lose(new Error("the connection was closed")));
    client.on("notification", ({ payload }) => hearing.onNotification?.(payload ?? ""));
    client.on("notice", ({ message }) => hearing.onNotice?.(message));
  }

  /** Connects. Rejects with the error of the system or the server. */
  static async open(connectionString: string, runtime: Runtime, limitMs: number, hearing: Hearing = {}): Promise<Connection> {
    const { client, socket } = await newClient(connectionString);
    const connection = new Connection(client, socket, runtime, hearing);
    try {
      await connection.#limited(client.connect(), limitMs);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    // An open store keeps no process alive; a query that is under way does.
    client.unref();
    return connection;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  async query(text: string, values?: readonly unknown[]): Promise<readonly Row[]> {
    if (this.#lost) throw new ConnectionLost(this.#lost.message, { cause: this.#lost });
    this.#busy += 1;
    if (this.#busy === 1) this.#client.ref();
    try {
      const asked = this.#client.query({ text, ...(values && { values }), rowMode: "array" });
      return (await this.#limited(asked, this.limitMs)).rows ?? [];
    } catch (error) {
      if (isCut(error)) this.#lose(error as Error);
      if (!this.#lost) throw error;
      throw new ConnectionLost((error as Error).message, { cause: error });
    } finally {
      this.#busy -= 1;
      if (this.#busy === 0 && !this.#lost) this.#client.unref();
    }
  }

  /** Says goodbye and closes. */
  async close(): Promise<void> {
    this.#lost ??= new Error("the connection was closed");
    this.#client.ref();
    try {
      await this.#limited(this.#client.end(), 1000);
    } catch {
      // A server that does not hear the goodbye sees the socket close.
    }
    this.#socket.destroy();
  }

  /** Closes at once, without a word to the server. */
  destroy(): void {
    this.#lose(new Error("the connection was given up"));
  }

  #lose(error: Error): void {
    if (this.#lost) return;
    this.#lost = error;
    this.#socket.destroy();
    this.#hearing.onLost?.();
  }

  async #limited<T>(answer: Promise<T>, limitMs: number): Promise<T> {
    let timer: Timer | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = this.#runtime.after(
        limitMs,
        () => {
          const error = new ConnectionLost(`the server did not answer for ${limitMs / 1000} s`);
          this.#lose(error);
          reject(error);
        },
        { background: true },
      );
    });
    // When the time is up nobody listens to the answer any more.
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, tooLong]);
    } finally {
      timer?.cancel();
    }
  }
}
