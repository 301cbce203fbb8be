// One map: takes inputs as workers have room for them, never more than `window` ahead of the results that were consumed, and
// hands each outcome to its sink. An input costs an entry and a call-back, no promise.
//
// Inputs of an iterable are taken when the dispatcher asks; those of an async iterable are taken ahead, as many as it last
// asked for. When inputs are to stop (a failure, a cancel, the end), the iterator's `return` is called, as `for` would.
import { CancelledError, ClosedError, UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import type { Context } from "../task/context.ts";
import type { FinalState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import type { Engine } from "./engine.ts";
import { Entry } from "./entry.ts";
import type { CancelReceipt } from "./future.ts";
import { checkInput } from "./input.ts";
import type { Feed } from "./queue.ts";
import type { TaskRecord } from "./record.ts";
import type { Production, Sink } from "./results.ts";

/** How a map was asked for. */
export interface StreamTerms {
  readonly definition: Definition;
  readonly inputs: Iterable<unknown> | AsyncIterable<unknown>;
  readonly window: number;
  /** Each input is a tuple of arguments. */
  readonly isTuple: boolean;
}

class Element extends Entry {
  readonly stream: Stream;
  readonly place: number;

  constructor(stream: Stream, place: number, number: number) {
    super(stream.definition, stream.record, number);
    this.stream = stream;
    this.place = place;
  }

  ended(state: FinalState, outcome: unknown): void {
    this.stream.elementEnded(this.place, state, outcome);
  }
}

function lengthOf(inputs: object): number {
  if (Array.isArray(inputs)) return inputs.length;
  return inputs instanceof Set || inputs instanceof Map ? inputs.size : Infinity;
}

export class Stream implements Feed, Production {
  readonly definition: Definition;
  readonly record: TaskRecord;
  readonly priority: number;
  readonly #engine: Engine;
  readonly #sink: Sink;
  readonly #isTuple: boolean;
  /** How many inputs there are, where that is known: an array, a Set, a Map. */
  readonly #length: number;
  /** Its elements do not start at once, so they cannot be made on demand. */
  readonly #isTimed: boolean;
  readonly #parent: Context | undefined;
  #window: number;
  #sync: Iterator<unknown> | undefined;
  #iterator: AsyncIterator<unknown> | undefined;
  readonly #async: boolean;
  /** Taken from an async iterable, not yet asked for. */
  #ahead: Element[] = [];
  #demand = 1;
  #isPulling = false;
  #taken = 0;
  #ended = 0;
  #released = 0;
  #isExhausted = false;

  constructor(engine: Engine, terms: StreamTerms, sink: Sink) {
    this.#engine = engine;
    this.#sink = sink;
    this.definition = terms.definition;
    this.record = engine.intake.recordOf(terms.definition);
    this.priority = terms.definition.policy.priority;
    this.#isTuple = terms.isTuple;
    this.#window = terms.window;
    this.#parent = engine.nesting.caller();
    this.#length = lengthOf(terms.inputs);
    const { many, policy } = terms.definition;
    this.#isTimed = many !== undefined || policy.delayMs > 0 || policy.at !== undefined;
    this.#async = Symbol.asyncIterator in terms.inputs;
    if (Symbol.asyncIterator in terms.inputs) this.#iterator = terms.inputs[Symbol.asyncIterator]();
    else this.#sync = terms.inputs[Symbol.iterator]();
    engine.addFeed(this);
    queueMicrotask(() => {
      if (this.#async) void this.#pull();
      else if (this.#length === 0) this.#exhausted();
    });
  }

  get waiting(): number {
    if (this.#async) return this.#ahead.length;
    return this.#isExhausted ? 0 : Math.max(0, Math.min(this.#room, this.#length - this.#taken));
  }

  release(count: number): void {
    const wasFull = this.#room <= 0;
    this.#released += count;
    if (this.#async) void this.#pull();
    else if (wasFull) this.#engine.wake();
  }

  fill(into: Entry[], most: number): void {
    if (this.#async) return this.#fillAhead(into, most);
    // One input may give no entry, because it cannot be sent or must wait for its time; this is no reason to take them all.
    for (let i = 0; (i < most || this.#isTimed) && !this.#isExhausted && this.#room > 0; i++) {
      const element = this.#next();
      if (element && this.#isTimed) this.#engine.start(element);
      else if (element) into.push(element);
    }
    if (into.length === 0 && this.waiting > 0) this.#engine.wake();
  }

  stop(): void {
    this.#closeInputs();
    const dropped = new CancelledError(
      `This element of a map of task "${this.definition.name}" was not started, because the map had failed.`,
    );
    this.#engine.wishes.drop(this.#elements(), dropped);
    this.#checkEnd();
  }

  async cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#closeInputs();
    const receipt = this.#engine.wishes.cancelAll(this.#elements(), reason);
    this.#checkEnd();
    return receipt;
  }

  fail(error: unknown): void {
    for (const element of this.#ahead.splice(0)) this.#engine.end(element, "failed", error);
    if (!this.#isExhausted) this.#sink.failed(error);
  }

  /** Arrays, and what someone awaits, are run to their end; other inputs could be endless and are stopped, loudly. */
  finish(): void {
    if (this.#isExhausted || this.#sink.isAwaited()) return;
    if (this.#length === Infinity) {
      this.fail(
        new ClosedError("The pool was closed while a map still had inputs. Consume its results before closing the pool."),
      );
    }
    this.#window = Infinity;
    this.#engine.wake();
  }

  elementEnded(place: number, state: FinalState, outcome: unknown): void {
    this.#ended += 1;
    this.#sink.outcome(place, state, outcome);
    if (this.#isExhausted) this.#checkEnd();
  }

  get #room(): number {
    return this.#window - (this.#taken - this.#released);
  }

  /** The next element, or undefined when there is none for now: the inputs have ended, or this one cannot be sent. */
  #next(): Element | undefined {
    let input: IteratorResult<unknown> | undefined;
    try {
      input = this.#sync?.next();
    } catch (error) {
      this.#sync = undefined;
      this.fail(error);
      return undefined;
    }
    if (!input || input.done) return void this.#exhausted();
    const element = this.#make(input.value);
    if (this.#taken === this.#length) this.#exhausted();
    return element;
  }

  #make(input: unknown): Element | undefined {
    const element = new Element(this, this.#taken++, this.#engine.intake.nextNumber());
    this.#engine.begin(element, this.#parent);
    try {
      this.#setArgs(element, input);
      return element;
    } catch (error) {
      this.#engine.end(element, "failed", error);
      return undefined;
    }
  }

  #setArgs(element: Element, input: unknown): void {
    if (!this.#isTuple && !this.definition.options.input) return this.#engine.intake.setArg(element, input);
    if (this.#isTuple && !Array.isArray(input)) {
      throw new UsageError(`starmap() takes lists of arguments for task "${this.definition.name}", found ${show(input)}.`);
    }
    const args = checkInput(this.definition, this.#isTuple ? (input as unknown[]) : [input]);
    this.#engine.intake.setArgs(element, args);
  }

  #fillAhead(into: Entry[], most: number): void {
    this.#demand = most;
    const ready = this.#ahead.splice(0, most);
    for (const element of ready) into.push(element);
    void this.#pull();
  }

  /** Takes inputs of an async iterable until there are as many as were last asked for. */
  async #pull(): Promise<void> {
    if (this.#isPulling) return;
    this.#isPulling = true;
    try {
      while (!this.#isExhausted && this.#room > 0 && this.#ahead.length < this.#demand) {
        const input = await this.#iterator?.next();
        if (this.#isExhausted) break;
        if (!input || input.done) this.#exhausted();
        else this.#arrived(this.#make(input.value));
      }
    } catch (error) {
      this.#iterator = undefined;
      this.fail(error);
    } finally {
      this.#isPulling = false;
    }
  }

  #arrived(element: Element | undefined): void {
    if (!element) return;
    if (this.#isTimed) return this.#engine.start(element);
    this.#ahead.push(element);
    this.#engine.wake();
  }

  /** Takes no more inputs, and tells the iterator so, as leaving a loop does. */
  #closeInputs(): void {
    if (this.#isExhausted) return;
    this.#isExhausted = true;
    try {
      this.#sync?.return?.();
      this.#iterator?.return?.()?.then(undefined, () => undefined);
    } catch {
      // An iterator that fails while it is closed has nothing to tell to a map that is over.
    }
  }

  /** Elements that have been taken and have not ended. */
  #elements(): Entry[] {
    const ahead = this.#ahead;
    this.#ahead = [];
    return [...ahead, ...this.#engine.find((entry) => entry instanceof Element && entry.stream === this)];
  }

  #exhausted(): void {
    this.#isExhausted = true;
    this.#checkEnd();
  }

  #checkEnd(): void {
    if (!this.#isExhausted || this.#ended < this.#taken) return;
    this.#engine.removeFeed(this);
    this.#sink.ended();
  }
}
