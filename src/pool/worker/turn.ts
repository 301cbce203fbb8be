// Lets the event loop have its turn. A run of short synchronous tasks would otherwise hold it for as long as there are
// tasks, and with it every timer and socket of the program; so after some ms of work whoever has more waits for a new turn.
// Runners that share a loop go on in the order in which they began to wait: one that gets new work at once must not go on
// before those that have not yet run what they have.
import type { Runtime } from "../../core/runtime.ts";

const longestMs = 10;

/** The current turn of the event loop, as far as runners use it up. Runners on one loop share one. */
export class Turn {
  readonly #runtime: Runtime;
  /** For each of them a call to `#resume` is on its way. */
  readonly #waiting: ((now: number) => void)[] = [];
  #isResuming = false;
  #since = 0;
  #open = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  readonly #resume = (): void => {
    const now = this.#runtime.elapsed();
    if (this.#isUsedUp(now)) return this.#runtime.defer(this.#resume);
    this.#isResuming = true;
    try {
      this.#waiting.shift()?.(now);
    } finally {
      this.#isResuming = false;
    }
  };

  /** True when the loop has been held long enough, or others have waited for longer. `now` is the monotonic clock. */
  isOver(now: number): boolean {
    return (this.#waiting.length > 0 && !this.#isResuming) || this.#isUsedUp(now);
  }

  /** Goes on with `run` when it is its turn: still in this one, where only others were to come first. */
  next(run: (now: number) => void, now: number): void {
    this.#waiting.push(run);
    if (this.#isUsedUp(now)) this.#runtime.defer(this.#resume);
    else queueMicrotask(this.#resume);
  }

  #isUsedUp(now: number): boolean {
    if (this.#open) return now - this.#since > longestMs;
    this.#open = true;
    this.#since = now;
    this.#runtime.defer(() => {
      this.#open = false;
    });
    return false;
  }
}
