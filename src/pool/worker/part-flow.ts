// Parts of a running generator on their way to the pool: each at once, because who reads them may wait for the next. The pool says how much it
// has taken; while there is much that it has not, the generator waits.
import { encode } from "../../task/codec.ts";
import { part } from "../wire.ts";
import type { RunnerPort } from "./port.ts";
import type { Running } from "./running.ts";

const mostUntaken = 1024 * 1024;
/** What a small part costs besides its text. */
const leastCost = 64;

/** What a part counts, on both sides. */
export function costOf(text: string): number {
  return leastCost + text.length;
}

export class PartFlow {
  readonly running: Running;
  readonly #port: RunnerPort;
  #untaken = 0;
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(port: RunnerPort, running: Running) {
    this.#port = port;
    this.running = running;
  }

  /** Sends a part. A promise where the generator has to wait. Throws {@link CodecError} for what cannot be sent. */
  emit(value: unknown): Promise<void> | undefined {
    const text = encode(value, "part");
    this.#port.report([part, this.running.slot, this.running.index, text]);
    this.#untaken += costOf(text);
    if (this.#untaken < mostUntaken) return undefined;
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** The pool has taken so much. */
  taken(cost: number): void {
    this.#untaken -= cost;
    if (this.#untaken < mostUntaken) this.resume();
  }

  /** The generator need not wait any more: it is to stop. */
  resume(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
