// One attempt of one job on the worker's own event loop. It ends exactly once: with the task's result or error, or, when it was
// aborted and did not stop within the grace period, without the task. JavaScript cannot stop a function that holds the loop or
// a promise that never settles; such an attempt is given up, and what its code still does has no effect on the job.
import { TimeoutError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import { isThenable } from "../core/thenable.ts";
import type { TaskContext } from "../pool/context.ts";
import { encode } from "../task/codec.ts";
import { checkFraction, hasEnded, withFrame } from "../task/context.ts";
import { tickOf } from "../task/scheduled.ts";
import type { DurableHost, Suspension } from "../task/durable/host.ts";
import { Durable } from "../task/durable.ts";
import { drive, isGenerator } from "../task/generator.ts";
import { validate } from "../task/schema.ts";
import type { Definition } from "../task/task.ts";
import type { Children } from "./children.ts";
import type { Overdue } from "./control.ts";

/** How an attempt ended. */
export type AttemptEnd =
  | { readonly kind: "done"; readonly value: unknown }
  /** Done, with the result encoded where the task ran. */
  | { readonly kind: "encoded"; readonly result: string }
  /** `isLast`: no attempt may follow, since its steps have been undone. */
  | {
      readonly kind: "failed";
      readonly error: unknown;
      readonly isLast?: boolean;
      /** It did not stop when it was asked to. */
      readonly overdue?: Overdue | undefined;
    }
  /** It goes on later. */
  | { readonly kind: "suspended"; readonly suspension: Suspension }
  /** The thread or process that ran it died. */
  | { readonly kind: "crashed"; readonly error: unknown }
  /** Taken back before the task had begun. */
  | { readonly kind: "retracted" };

/** An attempt that is running. */
export interface Attempt {
  /** Aborts the task's signal with `reason`; what follows ends the attempt within the grace period. */
  abort(reason: Error): void;
  /** Somebody else has the job, or nobody: aborts the task's signal, and what it does from now on is of no interest. */
  abandon(reason: Error): void;
  /** The task goes on after it has awaited children. */
  resumed(): void;
  /** Ends the attempt as retracted, but only if the task has not begun. */
  retract(): void;
}

/** What an attempt needs to know. */
export interface AttemptOptions {
  readonly id: string;
  readonly attempt: number;
  readonly timeoutMs: number | undefined;
  readonly graceMs: number;
  readonly runtime: Runtime;
  progress(fraction: number, note: string | undefined): void;
  log(message: string): void;
  /** A part of the output of a generator, encoded. A promise where it has to wait. */
  part(text: string): Promise<void> | undefined;
  /** What durable steps need, without what this file knows. */
  readonly durable: Omit<DurableHost, "suspend" | "undoing">;
  readonly children: Children;
}

export class LoopAttempt implements Attempt, TaskContext {
  readonly id: string;
  readonly task: string;
  readonly attempt: number;
  readonly #options: AttemptOptions;
  readonly #end: (end: AttemptEnd) => void;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #timer: Timer | undefined;
  #durable: Durable | undefined;
  #isAbandoned = false;
  #ended = false;

  constructor(definition: Definition, options: AttemptOptions, end: (end: AttemptEnd) => void) {
    this.id = options.id;
    this.task = definition.name;
    this.attempt = options.attempt;
    this.#options = options;
    this.#end = end;
  }

  get scheduledFor(): Date | undefined {
    return tickOf(this.id);
  }

  /** Made when first asked for: most tasks never look at it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted && !this.#controller.signal.aborted) this.#controller.abort(this.#aborted.reason);
    return this.#controller.signal;
  }

  // What a task takes out of its context must work by itself. The functions are made when they are asked for, as most never are.

  get log(): TaskContext["log"] {
    return (message) => this.#options.log(String(message));
  }

  get progress(): TaskContext["progress"] {
    return (fraction, note) => {
      checkFraction(fraction);
      if (!this.#ended) this.#options.progress(fraction, note === undefined ? undefined : String(note));
    };
  }

  get step(): TaskContext["step"] {
    const { durable } = this;
    return (...args) => durable.step(...args);
  }

  get sleep(): TaskContext["sleep"] {
    const { durable } = this;
    return (...args) => durable.sleep(...args);
  }

  get waitFor(): TaskContext["waitFor"] {
    const { durable } = this;
    return (...args) => durable.waitFor(...args);
  }

  get submit(): TaskContext["submit"] {
    return this.#whileRunning("submit", this.#options.children.submit);
  }

  get map(): TaskContext["map"] {
    return this.#whileRunning("map", this.#options.children.map);
  }

  get starmap(): TaskContext["starmap"] {
    return this.#whileRunning("starmap", this.#options.children.starmap);
  }

  /** The children of a job that has ended would be nobody's. */
  #whileRunning<F>(what: string, run: F & ((...args: never[]) => unknown)): F {
    const checked = (...args: never[]): unknown => {
      if (this.#ended) throw hasEnded(what, this);
      return run(...args);
    };
    return checked as F;
  }

  /** Its durable steps, made when the first is asked for. */
  get durable(): Durable {
    if (this.#durable) return this.#durable;
    const { durable } = this.#options;
    this.#durable = new Durable({
      ...durable,
      suspend: (suspension) => this.#settle({ kind: "suspended", suspension }),
      stopped: (error) => {
        durable.stopped(error);
        this.abort(error);
      },
      undoing: () => this.#timer?.cancel(),
    });
    if (this.#aborted) this.#durable.abort(this.#aborted.reason);
    if (this.#ended) this.#durable.finish();
    return this.#durable;
  }

  /** Runs the task. A task that is not asynchronous has ended when this returns. */
  start(definition: Definition, args: readonly unknown[]): void {
    const { timeoutMs, runtime } = this.#options;
    if (timeoutMs !== undefined) {
      this.#timer = runtime.after(timeoutMs, () => this.abort(new TimeoutError(this.#tooLong(timeoutMs), timeoutMs)));
    }
    try {
      const returned = withFrame({ current: this }, () => definition.fn(...args));
      if (isThenable(returned)) this.#follow(definition, returned);
      else this.#finish(definition, returned);
    } catch (error) {
      this.#fail(error);
    }
  }

  abort(reason: unknown): void {
    if (this.#ended || this.#aborted) return;
    this.#aborted = { reason };
    this.#timer?.cancel();
    this.#timer = this.#options.runtime.after(this.#options.graceMs, () => this.#fail(reason, "abandoned"));
    this.#controller?.abort(reason);
    this.#durable?.abort(reason);
  }

  abandon(reason: Error): void {
    this.#isAbandoned = true;
    this.#durable?.forget();
    this.abort(reason);
    // Undoing, which had stopped the timer, may wait for a store that refused it.
    this.#timer?.cancel();
    if (!this.#ended) this.#timer = this.#options.runtime.after(this.#options.graceMs, () => this.#fail(reason, "abandoned"));
  }

  /** It goes on after it has awaited children. */
  resumed(): void {
    this.#durable?.reconsider();
  }

  /** On the loop an attempt begins at once. */
  retract(): void {}

  #tooLong(timeoutMs: number): string {
    return `Task "${this.task}" (job ${this.id}, attempt ${this.attempt}) ran longer than its timeout of ${timeoutMs} ms.`;
  }

  #follow(definition: Definition, returned: PromiseLike<unknown>): void {
    returned.then(
      (value) => this.#finish(definition, value),
      (error: unknown) => this.#fail(error),
    );
  }

  #drive(definition: Definition, generator: AsyncGenerator): void {
    const emit = (part: unknown): Promise<void> | undefined => {
      return this.#ended ? undefined : this.#options.part(encode(part, "part"));
    };
    this.#follow(
      definition,
      withFrame({ current: this }, () => drive(generator, emit, () => this.#aborted?.reason)),
    );
  }

  #finish(definition: Definition, value: unknown): void {
    if (isGenerator(value)) return this.#drive(definition, value);
    const { output } = definition.options;
    if (!output) return this.#done(value);
    try {
      const checked = validate(output, value, `The result of task "${this.task}"`);
      if (!(checked instanceof Promise)) return this.#done(checked);
      checked.then(
        (settled) => this.#done(settled),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #done(value: unknown): void {
    // What it made of it comes too late, as everywhere.
    if (this.#aborted) return this.#fail(this.#aborted.reason);
    this.#durable?.finish();
    this.#settle({ kind: "done", value });
  }

  // After an abort, the reason says more than whatever the task made of it.
  #fail(thrown: unknown, overdue?: Overdue): void {
    const error = this.#aborted ? this.#aborted.reason : thrown;
    if (!this.#durable || this.#isAbandoned) return this.#settle({ kind: "failed", error, overdue });
    this.#durable.fail(error, overdue === undefined).then(
      (failed) => this.#settle({ kind: "failed", ...failed, overdue }),
      // The store could not be told what is undone: another attempt will see to it.
      () => this.#settle({ kind: "retracted" }),
    );
  }

  #settle(end: AttemptEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#end(end);
  }
}
