// Makes the faults of a schedule happen, each at its time, and heals all of it at the end.
import { setTimeout as delay } from "node:timers/promises";
import type { Proxy } from "./proxy.ts";
import type { RemoteMachine } from "./remote.ts";
import type { Fault, Strike } from "./schedule.ts";
import type { ServerControl } from "./server.ts";
import type { Slot } from "./slot.ts";

/** What faults strike. */
export interface Targets {
  readonly workers: readonly Slot[];
  readonly proxies: readonly Proxy[];
  readonly server: ServerControl | undefined;
  readonly remote: RemoteMachine | undefined;
}

/** How often what happened. */
export type FaultCounts = Record<Fault["kind"], number>;

/** Plays one schedule. */
export class Injector {
  readonly counts: FaultCounts = { kill: 0, end: 0, stop: 0, partition: 0, pause: 0, restart: 0, cut: 0, refuse: 0, traffic: 0 };
  readonly #targets: Targets;
  readonly #trace: (line: string) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #lasting = new Set<Promise<void>>();
  /** The last fault of the server: one that takes long to stop must be back before the next. */
  #serverTurn: Promise<void> = Promise.resolve();

  /** When the signal aborts nothing more happens, and nothing is healed: the scene is about to be cleared away. */
  constructor(targets: Targets, trace: (line: string) => void, signal: AbortSignal | undefined) {
    this.#targets = targets;
    this.#trace = trace;
    this.#signal = signal;
  }

  /** Plays it; resolves when the last fault is over and everything is whole again. */
  async play(strikes: readonly Strike[], forMs: number): Promise<void> {
    const began = performance.now();
    const until = (ms: number): Promise<void> => this.#wait(Math.max(0, began + ms - performance.now()));
    for (const { at, fault } of strikes) {
      await until(at);
      this.#trace(`${at} ms: ${JSON.stringify(fault)}`);
      this.counts[fault.kind] += 1;
      // One that fails stays, and is told at the end.
      const lasting = this.#strike(fault).then(() => void this.#lasting.delete(lasting));
      lasting.catch(() => undefined);
      this.#lasting.add(lasting);
    }
    await until(forMs);
    await Promise.all(this.#lasting);
  }

  async #wait(ms: number): Promise<void> {
    await delay(ms, undefined, this.#signal && { signal: this.#signal });
  }

  async #strike(fault: Fault): Promise<void> {
    const { workers, proxies, server, remote } = this.#targets;
    if ("worker" in fault) return this.#strikeWorker(fault, workers[fault.worker] as Slot);
    if ("proxy" in fault) return this.#strikeProxy(fault, proxies[fault.proxy] as Proxy);
    if (fault.kind === "partition") {
      remote?.connect(false);
      await this.#wait(fault.forMs);
      remote?.connect(true);
    } else if (server) {
      this.#serverTurn = this.#serverTurn.then(() => this.#strikeServer(fault, server));
      await this.#serverTurn;
    }
  }

  async #strikeWorker(fault: Extract<Fault, { worker: number }>, slot: Slot): Promise<void> {
    if (fault.kind === "kill") return slot.kill();
    if (fault.kind === "end") return slot.end();
    slot.pause();
    await this.#wait(fault.forMs);
    slot.resume();
  }

  async #strikeProxy(fault: Extract<Fault, { proxy: number }>, proxy: Proxy): Promise<void> {
    if (fault.kind === "cut") {
      const { connections } = proxy;
      for (const connection of fault.all ? connections : connections.slice(0, 1)) connection.reset();
      return;
    }
    if (fault.kind === "refuse") {
      proxy.refuse(true);
      proxy.reset();
    } else proxy.set(fault.way, fault.traffic);
    await this.#wait(fault.forMs);
    if (fault.kind === "traffic" && fault.thenReset) proxy.reset();
    proxy.heal();
  }

  async #strikeServer(fault: Extract<Fault, { kind: "pause" | "restart" }>, server: ServerControl): Promise<void> {
    if (fault.kind === "pause") {
      server.pause();
      await this.#wait(fault.forMs);
      return server.resume();
    }
    await server.stop(fault.how);
    await this.#wait(fault.forMs);
    await server.start();
  }
}
