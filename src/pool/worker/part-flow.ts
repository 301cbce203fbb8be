// Parts of a running generator on their way to whoever started it: each at once, because who reads them may wait for the next. Each is a
// question that is answered when the part has been taken; while there is much that has not, the generator waits.
import { encode } from "../../task/codec.ts";

const mostUntaken = 1024 * 1024;
/** What a small part costs besides its text. */
const leastCost = 64;

export class PartFlow {
  readonly #ask: (text: string) => Promise<unknown>;
  #untaken = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #refused: { readonly error: unknown } | undefined;

  constructor(ask: (text: string) => Promise<unknown>) {
    this.#ask = ask;
  }

  /** Sends a part. A promise where the generator has to wait. Throws {@link CodecError} for what cannot be sent, and when one was refused. */
  emit(value: unknown): Promise<void> | undefined {
    if (this.#refused) throw this.#refused.error;
    const text = encode(value, "part");
    const cost = leastCost + text.length;
    this.#untaken += cost;
    this.#ask(text).then(
      () => this.#taken(cost),
      (error: unknown) => {
        this.#refused = { error };
        this.resume();
      },
    );
    if (this.#untaken < mostUntaken) return undefined;
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** The generator need not wait any more: it is to stop. */
  resume(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  #taken(cost: number): void {
    this.#untaken -= cost;
    if (this.#untaken < mostUntaken) this.resume();
  }
}
