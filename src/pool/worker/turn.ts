// Lets the event loop have its turn. A run of short synchronous tasks would otherwise hold it for as long as there are
// tasks, and with it every timer and socket of the program; so after some ms of work the next batch waits for a new turn.
import type { Runtime } from "../../core/runtime.ts";

const longestMs = 10;

/** The current turn of the event loop, as far as runners use it up. Runners on one loop share one. */
export class Turn {
  readonly #runtime: Runtime;
  #since = 0;
  #open = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** True when the loop has been held long enough. `now` is the monotonic clock. */
  isOver(now: number): boolean {
    if (this.#open) return now - this.#since > longestMs;
    this.#open = true;
    this.#since = now;
    this.#runtime.defer(() => {
      this.#open = false;
    });
    return false;
  }

  /** Goes on with `run` in the next turn. */
  next(run: () => void): void {
    this.#runtime.defer(run);
  }
}
