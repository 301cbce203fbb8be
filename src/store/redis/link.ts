// The store's connection, and what becomes of operations when it is cut. Operations go out in the order they were asked for, many
// at a time, on one connection. When it is lost, another is made, with pauses that grow; meanwhile operations wait, each as long as it
// was told. What was sent and not answered may have been done: reads and what may be done twice are sent again, in their order;
// what may not ("never") rejects, and whoever asked must find out. ioredis does none of this by itself: its queue and its
// retries are off, because it cannot know which is which.
import type { Redis } from "ioredis";
import { ClosedError, StoreError, StoreUnavailable } from "../../core/errors.ts";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { Package, Ways } from "./connect.ts";
import { connect, drop, loadPackage, NoConnection } from "./connect.ts";
import type { Script } from "./scripts.ts";
import { refusalOf, unended } from "./trouble.ts";
import type { Address, RedisTarget } from "./url.ts";
import type { Arguments, Operation, Repeat } from "./wire.ts";
import { silence, Wire } from "./wire.ts";
import type { Ear } from "./ear.ts";
import { Listening } from "./ear.ts";

/** How a link behaves. */
export interface LinkOptions {
  readonly runtime: Runtime;
  readonly unavailableAfterMs: number;
}

const leastPauseMs = 50;
const longestPauseMs = 2000;

/** Keeps a connection to the server. */
export class Link {
  readonly target: RedisTarget;
  readonly #ioredis: Package;
  readonly #runtime: Runtime;
  readonly #unavailableAfterMs: number;
  readonly #key: string;
  readonly #ears = new Set<Listening>();
  /** Nodes of the Cluster met so far. */
  readonly #nodes: Address[] = [];
  #wire: Wire | undefined;
  #queue: Operation[] = [];
  #asked = 0;
  #outstanding = 0;
  #held: Timer | undefined;
  #lateTimer: Timer | undefined;
  #retryTimer: Timer | undefined;
  #attempts = 0;
  #trouble: Error | undefined;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  private constructor(ioredis: Package, target: RedisTarget, { runtime, unavailableAfterMs }: LinkOptions) {
    this.#ioredis = ioredis;
    this.target = target;
    this.#runtime = runtime;
    this.#unavailableAfterMs = unavailableAfterMs;
    this.#key = `{${target.name}}:`;
  }

  /** Connects; waits only for a server that is about to be ready. */
  static async open(target: RedisTarget, options: LinkOptions): Promise<Link> {
    const link = new Link(await loadPackage(), target, options);
    for (;;) {
      try {
        link.#use(await connect(link.#ways, target));
        return link;
      } catch (error) {
        if (!(error instanceof NoConnection) || !error.wait) throw error;
        await new Promise<void>((resolve) => void options.runtime.after(link.#pauseMs(), resolve));
      }
    }
  }

  get #ways(): Ways {
    return { Redis: this.#ioredis.Redis, runtime: this.#runtime, nodes: this.#nodes };
  }

  /** Where the server is, without a password. */
  get location(): string {
    return this.target.location;
  }

  /** Runs a script with the store's keys. */
  run<T>(script: Script, args: Arguments, repeat: Repeat): Promise<T> {
    return this.#ask<T>(script, args, repeat);
  }

  /** Runs a command that changes nothing. */
  ask<T>(...command: readonly string[]): Promise<T> {
    return this.#ask<T>(undefined, command, "always");
  }

  /** Hears what the store's scripts publish, with a connection of its own that is made again when it is cut. */
  listen(hear: (message: string) => void): Ear {
    const ear = new Listening(() => connect(this.#ways, this.target), this.target.name, this.#runtime, hear);
    this.#ears.add(ear);
    return { close: () => void (this.#ears.delete(ear), ear.close()) };
  }

  /** Gives up the connections there are, as if they had been cut. */
  reconnect(): void {
    if (this.#wire) drop(this.#wire.client);
    for (const ear of this.#ears) ear.reconnect();
  }

  /** Waits for the answers that can still come, and ends. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retryTimer?.cancel();
    if (!this.#wire) this.#rejectQueue();
    if (this.#outstanding > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    for (const ear of this.#ears) ear.close();
    this.#ears.clear();
    this.#lateTimer?.cancel();
    this.#wire?.close();
    this.#wire = undefined;
  }

  #ask<T>(script: Script | undefined, args: Arguments, repeat: Repeat): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const askedAt = this.#runtime.elapsed();
    this.#asked += 1;
    const operation = { no: this.#asked, script, args, repeat, askedAt, sentAt: 0, again: false, resolve, reject };
    this.#outstanding += 1;
    // The connection itself keeps no process alive; an operation does.
    this.#held ??= this.#runtime.hold();
    this.#wait(operation);
    this.#pump();
    return promise as Promise<T>;
  }

  #wait(operation: Operation): void {
    const before = this.#queue.at(-1);
    this.#queue.push(operation);
    if (before && before.no > operation.no) this.#queue.sort((a, b) => a.no - b.no);
    if (!this.#wire) this.#armLate();
  }

  async #send(wire: Wire, operation: Operation): Promise<void> {
    try {
      operation.resolve(await wire.send(operation));
      this.#answered();
    } catch (error) {
      this.#failed(wire, operation, error as Error);
    }
    // What was refused goes out again, in order.
    if (wire.resumes() && this.#wire === wire) this.#pump();
  }

  #answered(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0) return;
    this.#held?.cancel();
    this.#held = undefined;
    this.#whenIdle?.();
  }

  #reject(operation: Operation, error: Error): void {
    operation.reject(error);
    this.#answered();
  }

  #failed(wire: Wire, operation: Operation, error: Error): void {
    const refusal = refusalOf(error);
    if (refusal === "unknown script") {
      wire.forgetScripts();
      this.#wait(operation);
    } else if (refusal === "not now") {
      this.#trouble = error;
      this.#wait(operation);
      this.#lose(wire);
    } else if (refusal === "not sent") this.#putBack(operation, error);
    else if (refusal === "lost") {
      if (operation.repeat === "never") this.#reject(operation, this.#unavailable(error, true));
      else {
        operation.again = true;
        this.#putBack(operation, error);
      }
    } else this.#reject(operation, refusal);
  }

  /** Lets an operation wait for the next connection. */
  #putBack(operation: Operation, error: Error): void {
    this.#trouble ??= error;
    if (this.#closed) this.#reject(operation, this.#unavailable(error, operation.again));
    else this.#wait(operation);
  }

  #pump(): void {
    const wire = this.#wire;
    if (!wire) return;
    let sent = 0;
    for (const operation of this.#queue) {
      if (!wire.takes(operation)) break;
      void this.#send(wire, operation);
      sent += 1;
    }
    this.#queue.splice(0, sent);
  }

  #use(client: Redis): void {
    const wire = new Wire(client, this.#ioredis.Command, this.#key, this.#runtime, () => {
      this.#trouble = new StoreError(silence);
      drop(client);
    });
    this.#wire = wire;
    this.#attempts = 0;
    this.#trouble = undefined;
    this.#lateTimer?.cancel();
    this.#lateTimer = undefined;
    client.on("error", (error: Error) => (this.#trouble = error));
    client.on("close", () => this.#lose(wire));
    this.#pump();
  }

  #lose(wire: Wire): void {
    if (this.#wire !== wire) return;
    this.#wire = undefined;
    wire.close();
    if (this.#closed) this.#rejectQueue();
    else {
      if (this.#queue.length > 0) this.#armLate();
      this.#retryLater();
    }
  }

  #pauseMs(): number {
    this.#attempts += 1;
    const most = Math.min(longestPauseMs, leastPauseMs * 2 ** Math.min(this.#attempts, 10));
    return most * (0.5 + this.#runtime.random() / 2);
  }

  #retryLater(): void {
    this.#retryTimer = this.#runtime.after(this.#pauseMs(), () => void this.#retry(), { background: true });
  }

  async #retry(): Promise<void> {
    try {
      const client = await connect(this.#ways, this.target);
      if (this.#closed) drop(client);
      else if (client.status === "ready") this.#use(client);
      else this.#retryLater();
    } catch (error) {
      this.#trouble = error as Error;
      if (!this.#closed) this.#retryLater();
    }
  }

  #unavailable(error: Error | undefined, maybeDone: boolean): StoreUnavailable {
    const trouble = error ?? this.#trouble;
    const why = trouble ? unended(trouble) : "the connection was cut";
    const doubt = maybeDone ? " What was asked may have been done." : "";
    return new StoreUnavailable(`The Redis server ${this.location} could not be reached: ${why}.${doubt}`, { cause: error });
  }

  #rejectQueue(): void {
    const waiting = this.#queue;
    this.#queue = [];
    const why = `The store ${this.location} was closed before its server could be reached again.`;
    for (const operation of waiting) {
      this.#reject(operation, operation.again ? this.#unavailable(undefined, true) : new ClosedError(why));
    }
  }

  /** Rejects what has waited too long for a connection. */
  #armLate(): void {
    if (this.#lateTimer) return;
    const first = this.#queue.reduce((least, { askedAt }) => Math.min(least, askedAt), Infinity);
    const left = first + this.#unavailableAfterMs - this.#runtime.elapsed();
    this.#lateTimer = this.#runtime.after(left, () => {
      this.#lateTimer = undefined;
      if (this.#wire) return;
      const limit = this.#runtime.elapsed() - this.#unavailableAfterMs;
      const late = this.#queue.filter(({ askedAt }) => askedAt <= limit);
      this.#queue = this.#queue.filter(({ askedAt }) => askedAt > limit);
      for (const operation of late) this.#reject(operation, this.#unavailable(undefined, operation.again));
      if (this.#queue.length > 0) this.#armLate();
    });
  }
}
