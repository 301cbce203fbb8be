// Notices the silent stop: a worker that is connected and has room, while work waits that it is never given. Whatever the reason (a proxy
// that leads to the wrong server, a connection whose answers are empty), the remedy that is at hand is a new connection. The same job
// must be first in its line at two looks, with nothing claimed in between: a job that others are about to take is no sign.
import type { Runtime } from "../core/runtime.ts";
import type { Store } from "../store/store.ts";

const lookEveryMs = 10_000;

/** What a watchdog watches. */
export interface WatchdogHost {
  readonly store: Store;
  readonly runtime: Runtime;
  queues(): readonly string[];
  /** The tasks for which the worker has room now and might claim; none when it has no room, or may not. */
  tasks(): readonly string[];
  /** This job has waited for so long without being given to the worker. */
  stalled(id: string, ms: number): void;
}

/** Watches one worker. */
export class Watchdog {
  readonly #host: WatchdogHost;
  #lookedAt: number;
  /** The job that was first at the last look; null when the worker had no room. */
  #first: string | null = null;
  /** The worker was given jobs since then. */
  #isFed = false;

  constructor(host: WatchdogHost) {
    this.#host = host;
    this.#lookedAt = host.runtime.elapsed();
  }

  /** The worker was given jobs. */
  fed(): void {
    this.#isFed = true;
  }

  /** Looks, when it is time to. Called now and then. */
  async look(): Promise<void> {
    const { store, runtime } = this.#host;
    const elapsed = runtime.elapsed();
    const ms = elapsed - this.#lookedAt;
    if (ms < lookEveryMs) return;
    this.#lookedAt = elapsed;
    const before = this.#isFed ? null : this.#first;
    this.#isFed = false;
    const tasks = this.#host.tasks();
    this.#first = tasks.length === 0 ? null : await store.next(this.#host.queues(), tasks);
    if (this.#first === null || this.#first !== before || this.#isFed) return;
    this.#host.stalled(this.#first, ms);
    this.#first = null;
    store.reconnect();
  }
}
