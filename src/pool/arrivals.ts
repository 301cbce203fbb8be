// Results on their way to a loop that consumes them: kept until it is their turn, handed to those who wait for the next one.
// In order, a result waits for all before it; otherwise it goes at once.

const empty: unique symbol = Symbol("empty");

/** What `next` of an async iterator gives. */
type Step = IteratorResult<unknown, undefined>;

export class Arrivals {
  readonly #ordered: boolean;
  readonly #consumed: () => void;
  readonly #waiters: PromiseWithResolvers<Step>[] = [];
  #kept: unknown[] = [];
  /** The index of the first kept one. */
  #base = 0;
  #head = 0;
  #end: { readonly error: unknown } | "done" | undefined;

  /** `consumed` is called for each result that is handed out. */
  constructor(ordered: boolean, consumed: () => void) {
    this.#ordered = ordered;
    this.#consumed = consumed;
  }

  put(index: number, value: unknown): void {
    if (this.#end) return;
    if (!this.#ordered) this.#kept.push(value);
    else {
      const place = index - this.#base;
      // Filled up first: an array with holes is slow for ever after.
      while (this.#kept.length <= place) this.#kept.push(empty);
      this.#kept[place] = value;
    }
    this.#serve();
  }

  /** No more will come; `error` is told once, after what can still be handed out in order. */
  end(error?: { readonly error: unknown }): void {
    this.#end ??= error ?? "done";
    this.#serve();
  }

  next(): Promise<Step> {
    if (this.#waiters.length === 0) {
      const value = this.#take();
      if (value !== empty) return Promise.resolve({ value, done: false });
    }
    const waiter = Promise.withResolvers<Step>();
    this.#waiters.push(waiter);
    this.#serve();
    return waiter.promise;
  }

  #take(): unknown {
    const value = this.#head < this.#kept.length ? this.#kept[this.#head] : empty;
    if (value === empty) return empty;
    this.#kept[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#base += this.#head;
      this.#head = 0;
    }
    this.#consumed();
    return value;
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const value = this.#take();
      if (value !== empty) this.#waiters.shift()?.resolve({ value, done: false });
      else if (this.#end) this.#finish(this.#end);
      else return;
    }
  }

  #finish(end: { readonly error: unknown } | "done"): void {
    this.#end = "done";
    const waiter = this.#waiters.shift();
    if (end === "done") waiter?.resolve({ value: undefined, done: true });
    else waiter?.reject(end.error);
  }
}
