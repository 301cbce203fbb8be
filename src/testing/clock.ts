// A Runtime on virtual time: nothing happens until the test says so, and everything that happens is decided by the seed. Work
// that waits only for promises is let finish between two steps of the clock, by giving the real event loop a turn.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import { idGenerator, systemRuntime } from "../core/runtime.ts";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  /** Cancelled, or run. */
  isOver: boolean;
}

/** A seeded generator of numbers in [0, 1): mulberry32 by Tommy Ettinger (public domain algorithm), 32 bits of state. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Options of a {@link TestClock}. */
export interface TestClockOptions {
  /** Decides `random()` and `id()`. Default 1. */
  readonly seed?: number;
  /** The first time `now()` gives, in ms since 1970. Default 2026-01-01T00:00:00Z. */
  readonly start?: number;
}

/**
 * A clock that stands still until told to advance. Pass it as `runtime` to any executor.
 *
 * @example
 * const clock = new TestClock({ seed: 7 });
 * await using hands = await connect("memory:", { runtime: clock });
 * const future = hands.submit(remind.with({ delay: "1d" }));
 * hands.work({ tasks: [remind] });
 * await clock.run(future);
 */
export class TestClock implements Runtime {
  readonly random: () => number;
  readonly id: () => string;
  readonly #start: number;
  #elapsed = 0;
  #skew = 0;
  #order = 0;
  #timers: Entry[] = [];
  /** How many of the timers are cancelled. */
  #cancelled = 0;
  #deferred: (() => void)[] = [];

  constructor(options: TestClockOptions = {}) {
    this.#start = options.start ?? Date.UTC(2026, 0, 1);
    this.random = seededRandom(options.seed ?? 1);
    this.id = idGenerator(() => this.now(), this.random);
  }

  now(): number {
    return this.#start + this.#elapsed + this.#skew;
  }

  elapsed(): number {
    return this.#elapsed;
  }

  after(ms: number, run: () => void): Timer {
    const entry: Entry = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, run, isOver: false };
    this.#insert(entry);
    return { cancel: () => this.#cancel(entry) };
  }

  /** Virtual time keeps no process alive. */
  hold(): Timer {
    return { cancel: () => undefined };
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Makes the wall clock jump by `ms`, forward or back; the monotonic clock and timers do not notice. */
  jump(ms: number): void {
    this.#skew += ms;
  }

  /** Ms until the next timer, or undefined when none is set. */
  get next(): number | undefined {
    this.#dropCancelled();
    const first = this.#timers[0];
    return first && Math.max(0, first.at - this.#elapsed);
  }

  /** Lets everything run that waits for no timer. */
  async settle(): Promise<void> {
    do {
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const run of deferred) run();
      await new Promise<void>((resolve) => systemRuntime.defer(resolve));
    } while (this.#deferred.length > 0);
  }

  /** Runs the next timer, with all that follows from it. Gives false when there is none. */
  async step(): Promise<boolean> {
    await this.settle();
    this.#dropCancelled();
    const first = this.#timers.shift();
    if (!first) return false;
    first.isOver = true;
    this.#elapsed = Math.max(this.#elapsed, first.at);
    first.run();
    await this.settle();
    return true;
  }

  /** Advances by a duration, running every timer on the way in its order. */
  async advance(duration: Duration): Promise<void> {
    await this.settle();
    const until = this.#elapsed + toMs(duration, "advance()");
    while ((this.next ?? Infinity) <= until - this.#elapsed) await this.step();
    this.#elapsed = Math.max(this.#elapsed, until);
    await this.settle();
  }

  /**
   * Runs until `promise` has settled, however much virtual time that takes, but at most `limit` (default `"7d"`): a fleet has
   * something to do every half second for ever, and a week of that takes some seconds.
   */
  async run<T>(promise: PromiseLike<T>, limit: Duration = "7d"): Promise<T> {
    const end = this.#elapsed + toMs(limit, "run() limit");
    const state = { settled: false };
    const watched = Promise.resolve(promise).finally(() => {
      state.settled = true;
    });
    watched.catch(() => undefined);
    await this.settle();
    while (!state.settled && this.#elapsed < end) if (!(await this.step())) break;
    if (state.settled) return watched;
    throw new UsageError(
      `Nothing more will happen, or not within ${String(limit)} of virtual time, and what was waited for has not settled. ` +
        "Does a worker know the task and take its queue? For what takes longer, give run() a longer limit.",
    );
  }

  /** A timer a day away that is set anew every second would leave a long list behind: cancelled ones go when they are the most. */
  #cancel(entry: Entry): void {
    if (entry.isOver) return;
    entry.isOver = true;
    this.#cancelled += 1;
    if (this.#cancelled < 100 || this.#cancelled * 2 < this.#timers.length) return;
    this.#timers = this.#timers.filter(({ isOver }) => !isOver);
    this.#cancelled = 0;
  }

  #dropCancelled(): void {
    while (this.#timers[0]?.isOver) {
      this.#timers.shift();
      this.#cancelled -= 1;
    }
  }

  #insert(entry: Entry): void {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle] as Entry).at <= entry.at) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, entry);
  }
}
