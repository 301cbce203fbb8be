// The waits of an attempt: its sleeps, and its waits for signals. They begin in memory. When all an attempt does is wait, and for long,
// it is suspended: nothing of it stays in memory, and its waits never end.
import type { Timer } from "../../core/runtime.ts";
import { encode } from "../codec.ts";
import { unheard } from "../job-records.ts";
import type { DurableHost, Suspension } from "./host.ts";
import { never } from "./host.ts";

/** Shorter waits are spent in memory: to suspend and to start again costs more. */
const shortMs = 1000;

/** What an attempt waits for. */
interface Awaited {
  readonly dueAt: number | null;
  /** How many signals it has seen; a sleep hears none. */
  readonly seen: number;
  readonly about: readonly [kind: "sleep" | "signal", name: string, until: number | null];
}

interface Wait extends Awaited {
  go(): void;
  timer: Timer | undefined;
}

/** The waits of one attempt. */
export class Waits {
  readonly #host: DurableHost;
  readonly #suspending: () => void;
  readonly #waits = new Set<Wait>();
  /** Calls under way that do not wait: the attempt cannot be suspended. */
  #busy = 0;
  #looking: Timer | undefined;
  #isClosed = false;

  /** `suspending`: the attempt is about to be suspended. */
  constructor(host: DurableHost, suspending: () => void) {
    this.#host = host;
    this.#suspending = suspending;
  }

  /** Keeps the attempt in memory while `run` is under way and does not wait. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await run();
    } finally {
      this.#busy -= 1;
      this.reconsider();
    }
  }

  /** Waits until it is due, the attempt is aborted, or it is time to look for signals. */
  async wait(awaited: Awaited): Promise<void> {
    if (this.#isClosed) return never();
    const { promise, resolve } = Promise.withResolvers<void>();
    const wait: Wait = { ...awaited, go: resolve, timer: undefined };
    this.#waits.add(wait);
    const { runtime } = this.#host;
    const { dueAt } = awaited;
    if (dueAt !== null) wait.timer = runtime.after(dueAt - this.#host.now(), () => this.#over(wait));
    this.#busy -= 1;
    this.reconsider();
    await promise;
    this.#busy += 1;
  }

  /** What kept the attempt in memory may be over. */
  reconsider(): void {
    if (this.#waits.size > 0) this.#host.runtime.defer(() => this.#consider());
  }

  /** Ends those there are. */
  end(): void {
    for (const wait of this.#waits) this.#over(wait);
  }

  /** Nothing is waited for any more: a timer that is left would keep the program alive. */
  close(): void {
    this.#isClosed = true;
    this.#looking?.cancel();
    for (const { timer } of this.#waits) timer?.cancel();
  }

  #over(wait: Wait): void {
    wait.timer?.cancel();
    this.#waits.delete(wait);
    wait.go();
  }

  /** Suspends the attempt when all it does is wait, and for long. */
  #consider(): void {
    const { suspend } = this.#host;
    if (!suspend || this.#isClosed || this.#waits.size === 0) return;
    const waits = [...this.#waits];
    if (this.#busy > 0 || this.#host.isHeld()) return this.#lookLater(waits);
    const dueAt = Math.min(...waits.map((wait) => wait.dueAt ?? Infinity));
    if (dueAt - this.#host.now() <= shortMs) return;
    this.#suspending();
    suspend(suspensionOf(waits, dueAt));
  }

  /** Nobody tells an attempt in memory of a signal. */
  #lookLater(waits: readonly Wait[]): void {
    const signals = waits.filter(({ seen }) => seen !== unheard);
    if (signals.length === 0) return;
    this.#looking ??= this.#host.runtime.after(shortMs, () => {
      this.#looking = undefined;
      if (!this.#isClosed) for (const wait of signals) if (this.#waits.has(wait)) this.#over(wait);
    });
  }
}

function suspensionOf(waits: readonly Awaited[], dueAt: number): Suspension {
  const about = waits.map((wait) => wait.about);
  return {
    dueAt: dueAt === Infinity ? null : dueAt,
    seen: Math.min(...waits.map(({ seen }) => seen)),
    waits: encode(about, "waits"),
  };
}
