// When to look whether the running element of a lane has run for too long: one timer for all elements of its batches,
// set for the earliest moment at which any of them could. It is not a time-out itself: whoever looks decides.
//
// It looks one turn of the event loop after the timer: a loop that was blocked finds its timers due before it has read the
// outcomes that arrived meanwhile, and would take tasks that ended long ago for running ones.
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Batch } from "./entry.ts";

/** Calls `run` after `ms`, when what has arrived by then has been read. */
export function afterArrivals(runtime: Runtime, ms: number, run: () => void): Timer {
  let cancelled = false;
  const timer = runtime.after(ms, () =>
    runtime.defer(() => {
      if (!cancelled) run();
    }),
  );
  return {
    cancel: () => {
      cancelled = true;
      timer.cancel();
    },
  };
}

export class Deadline {
  readonly #runtime: Runtime;
  readonly #look: () => void;
  /** The shortest time-out among the elements of each watched batch. */
  readonly #shortest = new Map<Batch, number>();
  #timer: Timer | undefined;
  #dueAt = 0;

  constructor(runtime: Runtime, look: () => void) {
    this.#runtime = runtime;
    this.#look = look;
  }

  watch(batch: Batch): void {
    let shortest = Infinity;
    for (const { timeoutMs } of batch.entries) if (timeoutMs !== undefined && timeoutMs < shortest) shortest = timeoutMs;
    if (shortest === Infinity) return;
    this.#shortest.set(batch, shortest);
    this.again();
  }

  /** The batch has ended. A timer that nobody needs would keep the program alive. */
  unwatch(batch: Batch): void {
    if (this.#shortest.delete(batch) && this.#shortest.size === 0) this.cancel();
  }

  /** Looks again after `ms`, or earlier when an element that has not begun could be over by then. */
  again(ms: number = Infinity): void {
    if (this.#shortest.size === 0) return;
    const wait = Math.max(1, Math.min(ms, ...this.#shortest.values()));
    const dueAt = this.#runtime.elapsed() + wait;
    if (this.#timer && this.#dueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = afterArrivals(this.#runtime, wait, () => {
      this.#timer = undefined;
      this.#look();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#shortest.clear();
  }
}
