// One attempt of one job on the worker's own event loop. It ends exactly once: with the task's result or error, or, when it was
// aborted and did not stop within the grace period, without the task. JavaScript cannot stop a function that holds the loop or
// a promise that never settles; such an attempt is given up, and what its code still does has no effect on the job.
import { TimeoutError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import { isThenable } from "../core/thenable.ts";
import type { Context } from "../task/context.ts";
import { checkFraction, withFrame } from "../task/context.ts";
import { validate } from "../task/schema.ts";
import type { Definition } from "../task/task.ts";
import type { Overdue } from "./control.ts";

/** How an attempt ended. */
export type AttemptEnd =
  | { readonly kind: "done"; readonly value: unknown }
  /** Done, with the result encoded where the task ran. */
  | { readonly kind: "encoded"; readonly result: string }
  | { readonly kind: "failed"; readonly error: unknown; readonly overdue?: Overdue | undefined }
  /** The thread or process that ran it died. */
  | { readonly kind: "crashed"; readonly error: unknown }
  /** Taken back before the task had begun. */
  | { readonly kind: "retracted" };

/** An attempt that is running. */
export interface Attempt {
  /** Aborts the task's signal with `reason`; what follows ends the attempt within the grace period. */
  abort(reason: Error): void;
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
  readonly progress: (fraction: number, note: string | undefined) => unknown;
  readonly log: (message: string) => void;
}

export class LoopAttempt implements Attempt, Context {
  readonly id: string;
  readonly task: string;
  readonly attempt: number;
  readonly #options: AttemptOptions;
  readonly #end: (end: AttemptEnd) => void;
  #controller: AbortController | undefined;
  #aborted: Error | undefined;
  #timer: Timer | undefined;
  #ended = false;

  constructor(definition: Definition, options: AttemptOptions, end: (end: AttemptEnd) => void) {
    this.id = options.id;
    this.task = definition.name;
    this.attempt = options.attempt;
    this.#options = options;
    this.#end = end;
  }

  /** Made when first asked for: most tasks never look at it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted && !this.#controller.signal.aborted) this.#controller.abort(this.#aborted);
    return this.#controller.signal;
  }

  // What a task takes out of its context must work by itself. The functions are made when they are asked for, as most never are.

  get log(): Context["log"] {
    return (message) => this.#options.log(String(message));
  }

  get progress(): Context["progress"] {
    return (fraction, note) => {
      checkFraction(fraction);
      if (!this.#ended) this.#options.progress(fraction, note === undefined ? undefined : String(note));
    };
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

  abort(reason: Error): void {
    if (this.#ended || this.#aborted) return;
    this.#aborted = reason;
    this.#timer?.cancel();
    this.#timer = this.#options.runtime.after(this.#options.graceMs, () =>
      this.#settle({ kind: "failed", error: reason, overdue: "abandoned" }),
    );
    this.#controller?.abort(reason);
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

  #finish(definition: Definition, value: unknown): void {
    const { output } = definition.options;
    if (!output) return this.#settle({ kind: "done", value });
    try {
      const checked = validate(output, value, `The result of task "${this.task}"`);
      if (!(checked instanceof Promise)) return this.#settle({ kind: "done", value: checked });
      checked.then(
        (settled) => this.#settle({ kind: "done", value: settled }),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  // After an abort, the reason says more than whatever the task made of it.
  #fail(error: unknown): void {
    this.#settle({ kind: "failed", error: this.#aborted ?? error });
  }

  #settle(end: AttemptEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#end(end);
  }
}
