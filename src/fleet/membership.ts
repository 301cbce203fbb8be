// A worker's membership of its fleet. It joins under a new id, keeps one lease, and when the store has taken it for lost (its
// lease ran out while the machine slept) it joins again under another id: its jobs have been given to others by then.
import { hostname } from "node:os";
import type { Runtime } from "../core/runtime.ts";
import type { Store } from "../store/store.ts";
import type { Labels } from "../task/requires.ts";
import type { Lease } from "./lease.ts";
import { keepLease } from "./lease.ts";
import { announced } from "./worker-info.ts";

const rejoinMs = 500;

/** What a worker joins with. */
export interface MembershipTerms {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly leaseMs: number;
  /** Names and patterns. */
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
  readonly labels: Labels;
}

/** What a member is told. */
export interface MembershipListener {
  /** Running jobs that someone wants cancelled. */
  cancels(ids: readonly string[]): void;
  /** Someone asked the worker to stop. */
  drain(): void;
  /** It is a member no more: what it runs is others' now. It joins again unless it is stopped. */
  lost(): void;
  /** It has joined again. */
  joined(): void;
  failed(error: Error): void;
  blocked(ms: number, where: string): void;
}

/** Joined until stopped. */
export class Membership {
  readonly #terms: MembershipTerms;
  readonly #listener: MembershipListener;
  #id = "";
  #lease: Lease | undefined;
  #rejoining: Promise<void> | undefined;
  #stopped = false;

  constructor(terms: MembershipTerms, listener: MembershipListener) {
    this.#terms = terms;
    this.#listener = listener;
  }

  /** The id under which the store knows the worker; empty before it has joined. */
  get id(): string {
    return this.#id;
  }

  /** False while it joins again. */
  get isMember(): boolean {
    return this.#lease !== undefined;
  }

  /** Joins under a new id, and keeps the lease from then on. */
  async join(): Promise<void> {
    const { store, runtime, leaseMs, queues, tasks, labels } = this.#terms;
    this.#id = runtime.id();
    const startedAt = store.now();
    const self = { id: this.#id, host: hostname(), pid: process.pid, queues, tasks: announced(tasks, labels), startedAt };
    await store.join(self, startedAt + leaseMs);
    const options = { store, runtime, worker: this.#id, leaseMs, renewMs: Math.min(1000, leaseMs / 3), tasks };
    this.#lease = keepLease(options, {
      cancels: (ids) => this.#listener.cancels(ids),
      drain: () => this.#listener.drain(),
      lost: () => this.rejoin(),
      failed: (error) => this.#listener.failed(error),
      blocked: (ms, where) => this.#listener.blocked(ms, where),
    });
  }

  /** The store does not know it any more. */
  rejoin(): void {
    if (this.#stopped) return;
    this.#rejoining ??= this.#joinAgain().finally(() => {
      this.#rejoining = undefined;
    });
  }

  /** Says which task runs on the event loop now, by its number; -1 for none. */
  running(task: number): void {
    this.#lease?.running(task);
  }

  /** Sees to it that the lease is renewed before anyone tends the store. */
  async refresh(): Promise<void> {
    await this.#lease?.refresh();
  }

  /** From now on it does not join again. Resolves when it is not about to. */
  async stay(): Promise<void> {
    this.#stopped = true;
    await this.#rejoining;
  }

  /** Renews no more. */
  async stop(): Promise<void> {
    await this.stay();
    await this.#lease?.stop();
    this.#lease = undefined;
  }

  async #joinAgain(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#listener.lost();
    await lease?.stop();
    if (this.#stopped) return;
    try {
      await this.join();
      this.#listener.joined();
    } catch (error) {
      this.#listener.failed(error as Error);
      if (!this.#stopped) this.#terms.runtime.after(rejoinMs, () => this.rejoin());
    }
  }
}
