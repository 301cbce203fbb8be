// The results of a map, in the one of three ways in which they are first asked for:
//
//            ┌─ await (then) ──► array:     the results, or the first failure; inputs are taken as results arrive
//   open ────┼─ settled() ─────► settled:   every outcome; a failure stops nothing
//            └─ for await ─────► iterating: one by one; inputs are taken as results are consumed
//
// While open, at most a window of inputs is taken. A failure that nobody has asked about by the next turn of the event loop
// rejects like any promise that nobody handles. It knows no pool: what makes the outcomes is behind `Production`.
import { CancelledError, UsageError } from "../core/errors.ts";
import type { FinalState } from "../task/state.ts";
import { Arrivals } from "./arrivals.ts";
import type { CancelReceipt } from "./future.ts";

/** What is done with the outcomes of a map. */
export interface Sink {
  /** True when someone awaits all results. */
  isAwaited(): boolean;
  outcome(index: number, state: FinalState, outcome: unknown): void;
  /** Every input was taken and every outcome told. */
  ended(): void;
  /** There are no more inputs, because of this error. */
  failed(error: unknown): void;
}

/** What makes the outcomes. */
export interface Production {
  /** `count` more results have been consumed. */
  release(count: number): void;
  /** Takes no more inputs, and gives up what has not started. */
  stop(): void;
  /** Takes no more inputs, and stops all. */
  cancel(reason: string | undefined): Promise<CancelReceipt>;
}

/** How a map's results are made. */
export interface ResultsTerms {
  /** The task's name, for messages. */
  readonly task: string;
  readonly ordered: boolean;
  /** Calls back in the next turn of the event loop. */
  readonly defer: (run: () => void) => void;
  /** Given each promise of this map that someone awaits. */
  readonly awaited?: <T>(promise: Promise<T>) => Promise<T>;
  /** Begins. The sink must not be told anything before this has returned. */
  readonly produce: (sink: Sink) => Production;
}

type Mode = "open" | "array" | "settled" | "iterating";

/** In the place of a result that has not arrived. */
const missing: unique symbol = Symbol("missing");

/**
 * The results of `map` and `starmap`. Await them for an array in the order of the inputs: the first failure rejects, no more
 * inputs are taken, and what has not started is cancelled. Or iterate them, once, with bounded memory: leaving the loop
 * cancels the rest. Or ask for every outcome with `settled()`.
 */
export class Results<Result> implements PromiseLike<Result[]>, AsyncIterable<Result> {
  readonly #terms: ResultsTerms;
  readonly #production: Production;
  #mode: Mode = "open";
  /** How many outcomes there are, and the results and the errors among them by index. */
  #count = 0;
  readonly #values: unknown[] = [];
  readonly #failures = new Map<number, unknown>();
  /** Why the whole has failed. */
  #failure: { readonly error: unknown; readonly byInputs: boolean } | undefined;
  #isOver = false;
  #array: PromiseWithResolvers<Result[]> | undefined;
  #settled: PromiseWithResolvers<PromiseSettledResult<Result>[]> | undefined;
  #arrivals: Arrivals | undefined;
  #cancelling: Promise<CancelReceipt> | undefined;
  #isCancelled = false;

  /** Made by executors. */
  constructor(terms: ResultsTerms) {
    this.#terms = terms;
    this.#production = terms.produce({
      isAwaited: () => this.#mode === "array" || this.#mode === "settled",
      outcome: (index, state, outcome) => this.#outcome(index, state, outcome),
      ended: () => this.#end(),
      failed: (error) => this.#fail(error, true),
    });
  }

  /** All results, in the order of the inputs. Rejects with the first failure. */
  // oxlint-disable-next-line unicorn/no-thenable -- being awaited is what Results are for
  then<A = Result[], B = never>(
    onDone?: ((results: Result[]) => A | PromiseLike<A>) | null,
    onFailed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#awaited().then(onDone, onFailed);
  }

  /** As with a promise: `then` without the first function. */
  catch<B = never>(onFailed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Result[] | B> {
    return this.#awaited().catch(onFailed);
  }

  /** As with a promise: awaits the results, and calls `onEnd` however they end. */
  finally(onEnd?: (() => void) | null): Promise<Result[]> {
    return this.#awaited().finally(onEnd);
  }

  /**
   * Every outcome, in the order of the inputs, as `Promise.allSettled` gives them; a failed element stops nothing. Asked for after
   * the results were awaited, it gives the outcomes of those inputs that were taken. Rejects only when the inputs themselves fail.
   */
  settled(): Promise<PromiseSettledResult<Result>[]> {
    if (this.#mode === "iterating") return Promise.reject(this.#usedTwice("asked for every outcome"));
    this.#settled ??= Promise.withResolvers();
    this.#choose("settled");
    this.#tellSettled();
    return this.#told(this.#settled.promise);
  }

  /**
   * Takes no more inputs, and stops all that were taken as a future's `cancel` does. The results reject with a CancelledError
   * once all has stopped. Resolves with what was stopped. Cancelling what has ended stops nothing and is no error.
   */
  cancel(reason?: string): Promise<CancelReceipt> {
    if (this.#isOver && !this.#cancelling) return Promise.resolve({ waiting: 0, stopped: 0, killed: 0, requested: 0 });
    this.#cancelling ??= this.#cancel(reason);
    return this.#cancelling;
  }

  /** The results one by one, in the order of the inputs, or with `ordered: false` as they come. Can be used once. */
  [Symbol.asyncIterator](): AsyncIterator<Result, undefined> {
    if (this.#mode !== "open") throw this.#usedTwice("iterated");
    this.#mode = "iterating";
    const arrivals = this.#openArrivals();
    return {
      next: () => this.#told(arrivals.next() as Promise<IteratorResult<Result, undefined>>),
      return: async () => {
        arrivals.end();
        await this.cancel("its results were not wanted any more");
        return { value: undefined, done: true };
      },
    };
  }

  #awaited(): Promise<Result[]> {
    if (this.#mode === "iterating") return Promise.reject(this.#usedTwice("awaited"));
    this.#array ??= Promise.withResolvers();
    this.#choose("array");
    this.#tellArray();
    return this.#told(this.#array.promise);
  }

  #told<T>(promise: Promise<T>): Promise<T> {
    return this.#terms.awaited?.(promise) ?? promise;
  }

  #usedTwice(how: string): UsageError {
    const before = this.#mode === "iterating" ? "iterated" : "awaited";
    return new UsageError(
      `The results of a map were ${before} and then ${how}. They can be iterated once, or awaited: keep the array.`,
    );
  }

  #choose(mode: "array" | "settled"): void {
    if (this.#mode !== "open") return;
    this.#mode = mode;
    if (mode === "array") this.#failFirst();
    if (this.#count > 0) this.#production.release(this.#count);
  }

  #openArrivals(): Arrivals {
    const arrivals = new Arrivals(this.#terms.ordered, () => this.#production.release(1));
    this.#arrivals = arrivals;
    for (const [index, value] of this.#values.splice(0).entries()) if (value !== missing) arrivals.put(index, value);
    this.#failFirst();
    if (this.#failure) arrivals.end(this.#failure);
    else if (this.#isOver) arrivals.end();
    return arrivals;
  }

  /** Fails the whole with the first failure there already is. */
  #failFirst(): void {
    for (const error of this.#failures.values()) return this.#fail(error, false);
  }

  #outcome(index: number, state: FinalState, outcome: unknown): void {
    this.#count += 1;
    if (this.#arrivals) {
      if (state === "done") this.#arrivals.put(index, outcome);
      else if (!this.#isCancelled) this.#fail(outcome, false);
      return;
    }
    // Filled up one by one: an array with holes is slow for ever after.
    while (this.#values.length <= index) this.#values.push(missing);
    if (state === "done") this.#values[index] = outcome;
    else this.#fault(index, outcome);
    if (this.#mode !== "open") this.#production.release(1);
  }

  #fault(index: number, error: unknown): void {
    this.#failures.set(index, error);
    if (this.#isCancelled || this.#mode === "settled") return;
    if (this.#mode === "array") this.#fail(error, false);
    else this.#terms.defer(() => void this.#awaitedByNobody());
  }

  /** Nobody has asked for the results yet, and they failed: an unhandled rejection, as with any promise. */
  #awaitedByNobody(): void {
    if (this.#mode === "open") void this.#awaited();
  }

  #fail(error: unknown, byInputs: boolean): void {
    if (this.#failure) return;
    this.#failure = { error, byInputs };
    this.#arrivals?.end({ error });
    this.#production.stop();
    this.#tellArray();
    this.#tellSettled();
    if (this.#mode === "open") this.#terms.defer(() => this.#awaitedByNobody());
  }

  #end(): void {
    this.#isOver = true;
    this.#arrivals?.end();
    this.#tellArray();
    this.#tellSettled();
  }

  #tellArray(): void {
    if (this.#failure) this.#array?.reject(this.#failure.error);
    else if (this.#isOver && !this.#isCancelled) {
      for (const error of this.#failures.values()) return this.#array?.reject(error);
      this.#array?.resolve(this.#values as Result[]);
    }
  }

  #tellSettled(): void {
    if (this.#failure?.byInputs) this.#settled?.reject(this.#failure.error);
    else if (this.#isOver) this.#settled?.resolve(this.#outcomes());
  }

  #outcomes(): PromiseSettledResult<Result>[] {
    return this.#values.map((value, index) =>
      this.#failures.has(index)
        ? { status: "rejected", reason: this.#failures.get(index) }
        : { status: "fulfilled", value: value as Result },
    );
  }

  async #cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#isCancelled = true;
    const receipt = await this.#production.cancel(reason);
    // Who cancels knows; that nobody else awaits the results is no fault.
    this.#array ??= Promise.withResolvers();
    this.#array.promise.catch(() => undefined);
    const why = reason ? `: ${reason}` : ".";
    this.#fail(new CancelledError(`The map of task "${this.#terms.task}" was cancelled${why}`, reason), false);
    return receipt;
  }
}
