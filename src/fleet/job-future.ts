// The future of a durable job. It watches for the job's end only once someone awaits it: a program that submits and goes on
// costs the store nothing, and a job that fails later does not bring down the program that merely submitted it. A submit that
// the store refused is different: it is never silent. It rejects `submitted` if that was asked for, and else the future itself.
import { ClosedError } from "../core/errors.ts";
import { Future } from "../pool/future.ts";
import type { CancelReceipt, Handle, Progress } from "../pool/future.ts";
import type { Ended, Job } from "../store/job.ts";
import { decode } from "../task/codec.ts";
import type { FinalState, JobState } from "../task/state.ts";
import { isFinal } from "../task/state.ts";
import type { Awaiter, Waiter } from "./awaiter.ts";
import { errorOf } from "./ending.ts";
import { readProgress } from "./job-info.ts";

/** What a job's future needs from its fleet. */
export interface JobAccess {
  readonly awaiter: Awaiter;
  cancel(id: string, reason: string | undefined): Promise<CancelReceipt>;
  /** The parts of its output. */
  parts(id: string, restarted: (() => void) | undefined): AsyncGenerator<unknown, void>;
  /** The error of a job that another one made fail. */
  explain(ended: Ended): Promise<unknown>;
  /** The job as it stands in the store. */
  look(id: string): Promise<Job | undefined>;
}

/** One job as its future sees it. */
export interface JobOrigin {
  /** The id it will have unless a job with the same unique key exists. */
  readonly id: string;
  readonly state: JobState;
  /** Resolves, once durable, with the id it really has. */
  readonly submitted: Promise<string>;
  /** True while the job cannot have ended yet. */
  readonly fresh: () => boolean;
}

class JobHandle<Result> implements Handle {
  id: string;
  resolve: (result: Result) => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;
  readonly #access: JobAccess;
  readonly #origin: JobOrigin;
  #state: JobState;
  #progress: Progress | undefined;
  #isLooking = false;
  #waiter: Waiter | undefined;
  #isStored = false;
  #observed = false;
  #submittedAsked = false;

  constructor(access: JobAccess, origin: JobOrigin) {
    this.#access = access;
    this.#origin = origin;
    this.id = origin.id;
    this.#state = origin.state;
  }

  get state(): JobState {
    this.#look();
    return this.#state;
  }

  get progress(): Progress | undefined {
    this.#look();
    return this.#progress;
  }

  get submitted(): Promise<string> {
    this.#submittedAsked = true;
    return this.#origin.submitted;
  }

  start(): void {
    this.#origin.submitted.then(
      (id) => {
        this.id = id;
        this.#isStored = true;
      },
      (error: unknown) => {
        if (this.#waiter) this.#access.awaiter.forget(this.id, this.#waiter);
        if (this.#observed || !this.#submittedAsked) this.reject(error);
      },
    );
  }

  cancel(reason: string | undefined): Promise<CancelReceipt> {
    return this.#origin.submitted.then((id) => this.#access.cancel(id, reason));
  }

  async *parts(restarted: (() => void) | undefined): AsyncGenerator<unknown, void> {
    yield* this.#access.parts(await this.#origin.submitted, restarted);
  }

  observe(): void {
    if (this.#observed) return;
    this.#observed = true;
    if (this.#origin.fresh()) return this.#wait(this.id, true);
    this.#origin.submitted.then(
      (id) => this.#wait(id, false),
      (error: unknown) => this.reject(error),
    );
  }

  /** Who asks gets what is known, and starts a look at the store, so that the next time more is known. */
  #look(): void {
    if (this.#isLooking || isFinal(this.#state)) return;
    this.#isLooking = true;
    this.#origin.submitted
      .then((id) => this.#access.look(id))
      .then((job) => {
        if (!job || isFinal(this.#state)) return;
        this.#state = job.state;
        this.#progress = readProgress(job.progress);
      })
      // The store's failure is told to whoever awaits the result; what was known stays.
      .catch(() => undefined)
      .finally(() => {
        this.#isLooking = false;
      });
  }

  #wait(id: string, fresh: boolean): void {
    this.#waiter = {
      ended: (ended) => this.#end(ended),
      lost: (error) => this.reject(error),
      isStored: () => this.#isStored,
    };
    this.#access.awaiter.wait(id, this.#waiter, fresh);
  }

  #end(ended: Ended): void {
    this.#state = ended.state;
    tellResult(ended, this.#access, (state, outcome) => {
      if (state === "done") this.resolve(outcome as Result);
      else this.reject(outcome);
    });
  }
}

/** Gives the result of an ended job, or the error for every other state than `done`; at once, unless the cause must be read. */
export function tellResult(ended: Ended, access: JobAccess, tell: (state: FinalState, outcome: unknown) => void): void {
  if (ended.cause === null) {
    let outcome: unknown;
    try {
      outcome = ended.state === "done" ? decode(ended.result ?? "null") : errorOf(ended);
    } catch (error) {
      return tell("failed", error);
    }
    return tell(ended.state, outcome);
  }
  access.explain(ended).then(
    (error) => tell(ended.state, error),
    // The store cannot tell why; that it failed is known.
    (error: unknown) => tell(ended.state, errorOf(ended, { path: [ended.task, "unknown"], error })),
  );
}

/** The future of a durable job. */
export function jobFuture<Result>(access: JobAccess, origin: JobOrigin): Future<Result> {
  const handle = new JobHandle<Result>(access, origin);
  const future = new Future<Result>((resolve, reject) => {
    handle.resolve = resolve;
    handle.reject = reject;
  }, handle);
  handle.start();
  return future;
}

/** The error a fleet's futures get when it is closed before their jobs have ended. */
export function closedWhileWaiting(): ClosedError {
  return new ClosedError(
    "The fleet was closed while a result was awaited. The job goes on: connect again and use hands.job(id) to get it.",
  );
}
