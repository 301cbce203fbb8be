// A map that a task in a thread or process makes of children: each input is submitted by itself.
import type { CancelReceipt, Future } from "../future.ts";
import type { Production, Sink } from "../results.ts";

/** What a map of children is made of. */
export interface ChildMapTerms {
  readonly inputs: Iterable<unknown> | AsyncIterable<unknown>;
  readonly window: number;
  submit(input: unknown): Future<unknown>;
}

export class ChildMap implements Production {
  readonly #terms: ChildMapTerms;
  readonly #sink: Sink;
  readonly #live = new Set<Future<unknown>>();
  #ahead = 0;
  #isClosed = false;
  #room: (() => void) | undefined;

  constructor(terms: ChildMapTerms, sink: Sink) {
    this.#terms = terms;
    this.#sink = sink;
    void this.#pull();
  }

  release(count: number): void {
    this.#ahead -= count;
    this.#room?.();
  }

  stop(): void {
    this.cancel("the map had failed").catch((error: unknown) => this.#sink.failed(error));
  }

  async cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#isClosed = true;
    this.#room?.();
    this.#checkEnd();
    const receipts = await Promise.all([...this.#live].map((future) => future.cancel(reason)));
    const sum = (key: keyof CancelReceipt): number => receipts.reduce((total, receipt) => total + receipt[key], 0);
    return { waiting: sum("waiting"), stopped: sum("stopped"), killed: sum("killed"), requested: sum("requested") };
  }

  async #pull(): Promise<void> {
    // Nothing may be told before the results know this production.
    await Promise.resolve();
    let index = 0;
    try {
      for await (const input of this.#terms.inputs) {
        await this.#roomFor();
        if (this.#isClosed) break;
        this.#submit(input, index++);
      }
    } catch (error) {
      this.#sink.failed(error);
    }
    this.#isClosed = true;
    this.#checkEnd();
  }

  async #roomFor(): Promise<void> {
    while (this.#ahead >= this.#terms.window && !this.#isClosed) {
      await new Promise<void>((resolve) => (this.#room = resolve));
    }
    this.#ahead += 1;
  }

  #submit(input: unknown, index: number): void {
    const future = this.#terms.submit(input);
    this.#live.add(future);
    const tell = (state: "done" | "failed", outcome: unknown): void => {
      this.#live.delete(future);
      this.#sink.outcome(index, state, outcome);
      this.#checkEnd();
    };
    future.then(
      (value) => tell("done", value),
      (error: unknown) => tell("failed", error),
    );
  }

  #checkEnd(): void {
    if (this.#isClosed && this.#live.size === 0) this.#sink.ended();
  }
}
