// A connection that comes back: after a cut it is made anew, with growing pauses, for as long as the store is open. Whoever needs
// it waits for it until a time of his own, and is then told that the server cannot be reached. The first
// connection is different: what is wrong then (host, password, database) will be as wrong in a minute, so it fails at once, except
// for a server that says that it is starting.
import { ClosedError, StoreLostError, StoreUnavailable } from "../../core/errors.ts";
import type { Runtime, Timer } from "../../core/runtime.ts";
import { sleep } from "../../core/runtime.ts";
import type { Hearing } from "./connection.ts";
import { answerMs, Connection, ConnectionLost } from "./connection.ts";
import { isNotReady, openError } from "./trouble.ts";
import type { Place } from "./url.ts";

const firstPauseMs = 50;
const longestPauseMs = 2000;

/** How a link is made. */
export interface LinkOptions {
  readonly place: Place;
  readonly runtime: Runtime;
  readonly unavailableAfterMs: number;
  /** Called with each new connection before anyone else gets it. A StoreLostError ends the link for good. */
  readonly prepare: (connection: Connection) => Promise<void>;
  readonly hearing?: Omit<Hearing, "onLost">;
}

interface Waiting {
  readonly resolve: (connection: Connection) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** A connection, and its successors. */
export class Link {
  readonly #options: LinkOptions;
  readonly #runtime: Runtime;
  readonly #waiting = new Set<Waiting>();
  readonly #closing = new AbortController();
  #connection: Connection | undefined;
  #lastError: unknown;
  #isFinishing = false;
  /** Nothing will ever come of it again. */
  #over: Error | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#runtime = options.runtime;
  }

  /** Connects for the first time. Rejects with one clear error when the server cannot be used. */
  async open(): Promise<void> {
    const until = this.#runtime.elapsed() + this.#options.unavailableAfterMs;
    for (;;) {
      try {
        return await this.#connect(Math.min(answerMs, this.#options.unavailableAfterMs));
      } catch (error) {
        if (!isNotReady(error) || this.#runtime.elapsed() > until) throw openError(error, this.#options.place);
      }
      await sleep(this.#runtime, firstPauseMs * (1 + 3 * this.#runtime.random()));
    }
  }

  /** Keeps on connecting in the background, from the first time on. */
  start(): void {
    void this.#reconnect();
  }

  /** From now on a lost connection is not made anew: whoever waits for it, or will, is told that the store is closed. */
  finish(): void {
    this.#isFinishing = true;
    if (!this.#connection) this.#end(this.#closedError());
  }

  /** The connection, as soon as there is one; rejects with a StoreUnavailable when there is none by `until` (monotonic). */
  get(until: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over);
      if (this.#connection) return resolve(this.#connection);
      const timer = this.#runtime.after(until - this.#runtime.elapsed(), () => {
        this.#waiting.delete(waiting);
        reject(this.unavailable());
      });
      const waiting = { resolve, reject, timer };
      this.#waiting.add(waiting);
    });
  }

  /** The error for a server that was waited for long enough, or whose answer was lost. */
  unavailable(cause: unknown = this.#lastError): StoreUnavailable {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    return new StoreUnavailable(
      `The PostgreSQL server ${this.#options.place.server} cannot be reached${why}. What was asked may have been done. ` +
        "It is tried again with every call; check the server and the network.",
      { cause },
    );
  }

  /** Gives up the connection there is, as if it had been cut. */
  drop(): void {
    this.#connection?.destroy();
  }

  /** Ends the connection and every attempt to make one. */
  async close(): Promise<void> {
    this.#end(this.#closedError());
    this.#closing.abort();
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  #closedError(): ClosedError {
    return new ClosedError(`The store on ${this.#options.place.location} is closed. Open it again to use it.`);
  }

  #end(error: Error): void {
    this.#over ??= error;
    for (const { reject, timer } of this.#waiting) {
      timer.cancel();
      reject(this.#over);
    }
    this.#waiting.clear();
  }

  async #connect(limitMs: number): Promise<void> {
    const { place, prepare, hearing } = this.#options;
    let mine: Connection | undefined;
    const onLost = (): void => this.#onLost(mine);
    const connection = (mine = await Connection.open(place.connectionString, this.#runtime, limitMs, { ...hearing, onLost }));
    try {
      await prepare(connection);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    if (this.#over) return connection.destroy();
    if (connection.isLost) throw new ConnectionLost("the connection was closed");
    this.#connection = connection;
    for (const { resolve, timer } of this.#waiting) {
      timer.cancel();
      resolve(connection);
    }
    this.#waiting.clear();
  }

  #onLost(connection: Connection | undefined): void {
    // One that is lost before it was handed out is dealt with by whoever makes it.
    if (!connection || this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#isFinishing) this.#end(this.#closedError());
    else void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let pauseMs = firstPauseMs; !this.#over; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await this.#connect(answerMs);
      } catch (error) {
        this.#lastError = error;
        if (error instanceof StoreLostError) return this.#end(error);
      }
      await this.#pause(pauseMs * (0.5 + this.#runtime.random()));
    }
  }

  /** Waits in the background: a program that has nothing else to do may end. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#runtime.after(ms, resolve, { background: true });
      const stop = (): void => {
        timer.cancel();
        resolve();
      };
      this.#closing.signal.addEventListener("abort", stop, { once: true });
    });
  }
}
