// The upkeep of a store, which every worker does now and then: due jobs become ready, late ones expire, jobs of lost workers are
// taken back, old rows are deleted. It runs every half second, and earlier when a job is known to be due earlier.
import { ClosedError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Store, Tended } from "../store/store.ts";

const tendRows = 5000;

/** What tending reports to its worker. */
export interface TendingListener {
  /** Before each round. */
  round(): Promise<void>;
  tended(tended: Tended): void;
  failed(error: Error): void;
}

/** Tends a store until stopped. */
export class Tending {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #listener: TendingListener;
  #timer: Timer | undefined;
  #at = Infinity;
  #round: Promise<void> | undefined;
  #stopped = false;

  constructor(store: Store, runtime: Runtime, listener: TendingListener) {
    this.#store = store;
    this.#runtime = runtime;
    this.#listener = listener;
    this.soon(0);
  }

  /** Sees to it that the next round comes within `ms`; one that was due earlier stays. */
  soon(ms: number): void {
    const at = this.#runtime.elapsed() + Math.max(0, Math.min(this.#store.tendMs, ms));
    if (this.#stopped || at >= this.#at) return;
    this.#at = at;
    if (!this.#round) this.#setTimer();
  }

  /** Ends it; resolves when a round under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#round;
  }

  #setTimer(): void {
    this.#timer?.cancel();
    this.#timer = this.#runtime.after(Math.max(0, this.#at - this.#runtime.elapsed()), () => {
      this.#at = Infinity;
      this.#round = this.#tend().finally(() => {
        this.#round = undefined;
        if (!this.#stopped) this.#setTimer();
      });
    });
  }

  async #tend(): Promise<void> {
    try {
      await this.#listener.round();
      const tended = await this.#store.tend(this.#store.now(), tendRows);
      if (tended.nextDueAt !== null) this.soon(tended.nextDueAt - this.#store.now());
      this.#listener.tended(tended);
    } catch (error) {
      if (!(error instanceof ClosedError)) this.#listener.failed(error as Error);
    }
    // Spread over time, so that the workers of a fleet do not all tend at once.
    this.soon(this.#store.tendMs * (0.75 + 0.25 * this.#runtime.random()));
  }
}
