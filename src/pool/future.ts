// A future is the promise of one submitted call, with its id, its state and a way to stop it. It is a thin face over a
// `Handle` that the executor keeps, so that 100,000 futures cost little more than 100,000 promises.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkOptions } from "../core/suggest.ts";
import type { StreamOptions } from "../task/generator.ts";
import type { JobState } from "../task/state.ts";

/** What a cancellation stopped. */
export interface CancelReceipt {
  /** Jobs that had not started and now never will. */
  readonly waiting: number;
  /** Running jobs that ended after their signal was aborted. */
  readonly stopped: number;
  /** Running jobs whose thread or process had to be ended. */
  readonly killed: number;
  /**
   * Running jobs asked to stop that have not confirmed it: those on another worker of a fleet, and in an InlinePool those that
   * did not stop within the grace period and were left to themselves.
   */
  readonly requested: number;
}

/** How far a running task says it is. */
export interface Progress {
  /** From 0 to 1. */
  readonly fraction: number;
  readonly note: string | undefined;
}

/** The executor's side of a future. */
export interface Handle {
  readonly id: string;
  readonly state: JobState;
  readonly progress: Progress | undefined;
  /** Resolves with the id once the executor has accepted the call: at once in a pool, when it is durable in a store. */
  readonly submitted: Promise<string>;
  cancel(reason: string | undefined): Promise<CancelReceipt>;
  /** The parts of its output, from the first, also those to come; over when the call has ended, however that was. */
  parts(restarted: (() => void) | undefined): AsyncGenerator<unknown, void>;
  /** Called when the result is first asked for. A fleet begins to watch for it only then. */
  observe?(): void;
}

/** The parts of a future's call, without what it returns; for executors that wrap futures. */
export let partsOf: (future: Future<unknown>, restarted: (() => void) | undefined) => AsyncGenerator<unknown, void>;

/** The promise of one submitted call. `Part` is what its task yields, if it is an async generator. */
export class Future<Result, Part = unknown> extends Promise<Result> {
  readonly #handle: Handle;

  static {
    partsOf = (future, restarted) => future.#handle.parts(restarted);
  }

  /** Made by executors. */
  constructor(run: (resolve: (result: Result) => void, reject: (error: unknown) => void) => void, handle: Handle) {
    super(run);
    this.#handle = handle;
  }

  /** `then` and its kin give plain promises. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** The job's id. */
  get id(): string {
    return this.#handle.id;
  }

  /** The job's state as this program knows it; of a job in a store, asking also looks there, for the next time. */
  get state(): JobState {
    return this.#handle.state;
  }

  /** What the running task last reported with `context().progress()`; of a job in a store, as with `state`, half a second late. */
  get progress(): Progress | undefined {
    return this.#handle.progress;
  }

  /** Resolves with the id once the call is accepted: at once in a pool, when the job is durable in a store. */
  get submitted(): Promise<string> {
    return this.#handle.submitted;
  }

  /**
   * Stops the job and everything below it that nothing else needs. A running task's signal is aborted; if it does not
   * end within the executor's grace period its thread or process is ended. Resolves, when that is done, with what was
   * stopped. The future rejects with a CancelledError. Cancelling an ended job stops nothing and is no error.
   */
  cancel(reason?: string): Promise<CancelReceipt> {
    // Who cancels knows; that nobody else awaits the future is no unhandled rejection.
    super.then(undefined, () => undefined);
    return this.#handle.cancel(reason);
  }

  /**
   * What the task yields, an async generator: from the first part, also for who comes late, as it comes; then what it returns. Rejects as
   * the future does when the call does not succeed, and with a RestartedError when an attempt of which parts were read is void (see
   * {@link StreamOptions}). A pool keeps the parts in memory as long as the future, a fleet with the job. Throws UsageError for options it
   * does not know.
   */
  stream(options: StreamOptions = {}): AsyncGenerator<Part, Result> {
    checkOptions(options, ["restarted"], "stream()");
    if (options.restarted !== undefined && typeof options.restarted !== "function") {
      throw new UsageError(`stream() restarted must be a function, found ${show(options.restarted)}.`);
    }
    // Who reads gets the error when he comes to it: until then it is no unhandled rejection.
    super.then(undefined, () => undefined);
    return this.#read(options.restarted);
  }

  async *#read(restarted: (() => void) | undefined): AsyncGenerator<Part, Result> {
    yield* this.#handle.parts(restarted) as AsyncGenerator<Part, void>;
    return await this;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- a Future is a Promise; this only learns that someone waits
  override then<A = Result, B = never>(
    onDone?: ((result: Result) => A | PromiseLike<A>) | null,
    onFailed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#handle.observe?.();
    return super.then(onDone, onFailed);
  }
}
