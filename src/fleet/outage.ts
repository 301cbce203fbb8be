// Telling of a store that fails, once and not at every try: an outage of an hour is two lines, not seven thousand.
import type { Runtime } from "../core/runtime.ts";

/** After this long the same failure is told again. */
const againMs = 60_000;

/** What is told of a store's failures. */
export interface OutageListener {
  failed(error: Error): void;
  /** It works again, `ms` after it first failed. */
  back(ms: number): void;
}

/** One worker's view of its store's failures. */
export class Outage {
  readonly #runtime: Runtime;
  readonly #listener: OutageListener;
  #since: number | undefined;
  #told = new Map<string, number>();

  constructor(runtime: Runtime, listener: OutageListener) {
    this.#runtime = runtime;
    this.#listener = listener;
  }

  failed(error: Error): void {
    const now = this.#runtime.elapsed();
    this.#since ??= now;
    const told = this.#told.get(error.message);
    if (told !== undefined && now - told < againMs) return;
    this.#told.set(error.message, now);
    this.#listener.failed(error);
  }

  worked(): void {
    if (this.#since === undefined) return;
    this.#listener.back(this.#runtime.elapsed() - this.#since);
    this.#since = undefined;
    this.#told = new Map();
  }
}
