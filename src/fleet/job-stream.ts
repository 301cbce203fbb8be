// A map over the fleet: each input becomes a durable job, never more than `window` ahead of the results that were consumed.
// The inputs taken in one turn of the event loop are one commit. An input costs a row and a waiter, no future.
import { show } from "../core/show.ts";
import { CodecError, UsageError } from "../core/errors.ts";
import type { CancelReceipt } from "../pool/future.ts";
import type { Production, Sink } from "../pool/results.ts";
import type { JobFilter } from "../store/store.ts";
import type { Call } from "../task/call.ts";
import { call } from "../task/call.ts";
import type { FinalState } from "../task/state.ts";
import type { Task } from "../task/task.ts";
import { tellResult } from "./job-future.ts";
import type { Waiter } from "./awaiter.ts";
import type { JobAccess } from "./job-future.ts";
import type { Plan } from "./plan.ts";
import { acknowledgedId } from "./plan.ts";
import type { Submission } from "./submitter.ts";

/** What a map needs of its fleet. */
export interface StreamHost {
  plan(call: Call<unknown>): Plan;
  submit(plan: Plan): Submission;
  /** A job of this map has ended, or was refused. */
  ended(id: string): void;
  /** The jobs may have been submitted, and have ended, before. */
  readonly hasPast: boolean;
  readonly access: JobAccess;
  cancel(filter: JobFilter, reason: string | undefined): Promise<CancelReceipt>;
  /** A job is due at this time. */
  dueAt(at: number): void;
}

/** How a map was asked for. */
export interface JobStreamTerms {
  readonly task: Task<unknown[], unknown>;
  readonly inputs: Iterable<unknown> | AsyncIterable<unknown>;
  readonly window: number;
  /** Each input is a tuple of arguments. */
  readonly isTuple: boolean;
}

export class JobStream implements Production {
  readonly #host: StreamHost;
  readonly #terms: JobStreamTerms;
  readonly #sink: Sink;
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #isAsync: boolean;
  /** Jobs not ended yet. */
  readonly #live = new Set<string>();
  #taken = 0;
  #ended = 0;
  #released = 0;
  #isPulling = false;
  #isExhausted = false;
  #isOver = false;

  constructor(host: StreamHost, terms: JobStreamTerms, sink: Sink) {
    this.#host = host;
    this.#terms = terms;
    this.#sink = sink;
    this.#isAsync = Symbol.asyncIterator in terms.inputs;
    this.#iterator =
      Symbol.asyncIterator in terms.inputs ? terms.inputs[Symbol.asyncIterator]() : terms.inputs[Symbol.iterator]();
    queueMicrotask(() => this.#pull());
  }

  release(count: number): void {
    this.#released += count;
    this.#pull();
  }

  stop(): void {
    this.#closeInputs();
    const waiting: JobFilter = { ids: [...this.#live], states: ["blocked", "scheduled", "ready"] };
    this.#host.cancel(waiting, "the map had failed").catch((error: unknown) => this.#sink.failed(error));
    this.#checkEnd();
  }

  cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#closeInputs();
    const cancelling = this.#host.cancel({ ids: [...this.#live] }, reason);
    this.#checkEnd();
    return cancelling;
  }

  get #room(): number {
    return this.#terms.window - (this.#taken - this.#released);
  }

  #pull(): void {
    if (this.#isPulling || this.#isExhausted || this.#room <= 0) return;
    this.#isPulling = true;
    if (this.#isAsync) void this.#pullAsync();
    else this.#pullSync();
  }

  #pullSync(): void {
    try {
      while (!this.#isExhausted && this.#room > 0) this.#take(this.#iterator.next() as IteratorResult<unknown>);
    } catch (error) {
      this.#inputsFailed(error);
    } finally {
      this.#isPulling = false;
    }
  }

  async #pullAsync(): Promise<void> {
    try {
      while (!this.#isExhausted && this.#room > 0) {
        const input = await this.#iterator.next();
        if (this.#isExhausted) break;
        this.#take(input);
      }
    } catch (error) {
      this.#inputsFailed(error);
    } finally {
      this.#isPulling = false;
    }
  }

  #inputsFailed(error: unknown): void {
    this.#isExhausted = true;
    this.#sink.failed(error);
    this.#checkEnd();
  }

  #take(input: IteratorResult<unknown>): void {
    if (input.done) {
      this.#isExhausted = true;
      this.#checkEnd();
      return;
    }
    const index = this.#taken++;
    try {
      this.#submit(index, input.value);
    } catch (error) {
      this.#tell(index, "failed", error);
    }
  }

  #submit(index: number, input: unknown): void {
    const { task, isTuple } = this.#terms;
    if (isTuple && !Array.isArray(input)) {
      throw new UsageError(`starmap() takes lists of arguments for task "${task.name}", found ${show(input)}.`);
    }
    const args = isTuple ? (input as unknown[]) : [input];
    const planned = this.#host.plan(call(task, ...args));
    if (planned.jobs.length > 1) {
      throw new CodecError(
        "args holds a call, which is not a value. Submit it, or pass it as an argument of call() or submit().",
        "args",
      );
    }
    const { access } = this.#host;
    const mayHaveEnded = planned.isShared || this.#host.hasPast;
    const { id, dueAt } = planned.root;
    const submission = this.#host.submit(planned);
    let isStored = false;
    let isOver = false;
    const once = (state: FinalState, outcome: unknown): void => {
      if (isOver) return;
      isOver = true;
      this.#live.delete(id);
      this.#host.ended(id);
      this.#tell(index, state, outcome);
    };
    const waiter: Waiter = {
      ended: (ended) => tellResult(ended, access, once),
      lost: (error) => once("failed", error),
      isStored: () => isStored,
    };
    this.#live.add(id);
    if (!mayHaveEnded) access.awaiter.wait(id, waiter, true);
    submission.added
      .then((added) => {
        isStored = true;
        const real = acknowledgedId(planned, added);
        if (dueAt !== null) this.#host.dueAt(dueAt);
        if (mayHaveEnded) access.awaiter.wait(real, waiter);
      })
      .catch((error: unknown) => {
        access.awaiter.forget(id, waiter);
        once("failed", error);
      });
  }

  #tell(index: number, state: FinalState, outcome: unknown): void {
    this.#ended += 1;
    this.#sink.outcome(index, state, outcome);
    this.#checkEnd();
  }

  /** Takes no more inputs, and tells the iterator so, as leaving a loop does. */
  #closeInputs(): void {
    if (this.#isExhausted) return;
    this.#isExhausted = true;
    try {
      const closing: unknown = this.#iterator.return?.();
      if (closing instanceof Promise) closing.catch(() => undefined);
    } catch {
      // An iterator that fails while it is closed has nothing to tell to a map that is over.
    }
  }

  #checkEnd(): void {
    if (this.#isOver || !this.#isExhausted || this.#ended < this.#taken) return;
    this.#isOver = true;
    this.#sink.ended();
  }
}
