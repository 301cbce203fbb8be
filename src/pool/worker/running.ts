// The context of one running element: what `context()` gives inside a task. It is made for every element, so it holds as
// little as it can; the AbortController is made when the signal is first read, which most tasks never do.
import { UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { Durable } from "../../task/durable.ts";
import type { TaskContext } from "../context.ts";
import type { Executor } from "../executor.ts";
import { checkFraction } from "../../task/context.ts";
import type { GiveMessage } from "../wire.ts";
import { at } from "../wire.ts";

/** What a running element needs from its runner. */
export interface Host {
  /** What ids that are numbers begin with. */
  readonly idPrefix: string;
  log(running: Running, message: string): void;
  progress(running: Running, fraction: number, note: string | undefined): void;
  readonly runtime: Runtime;
  /** The executor that children are submitted to; undefined where it is out of reach. */
  readonly executor: Executor | undefined;
}

export class Running implements TaskContext {
  readonly task: string;
  readonly index: number;
  readonly #host: Host;
  readonly #batch: GiveMessage;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #durable: Durable | undefined;

  constructor(host: Host, batch: GiveMessage, index: number, task: string) {
    this.#host = host;
    this.#batch = batch;
    this.index = index;
    this.task = task;
  }

  get slot(): number {
    return this.#batch[1];
  }

  isOf(batch: GiveMessage | undefined): boolean {
    return this.#batch === batch;
  }

  get id(): string {
    const ids = this.#batch[7];
    const id = typeof ids === "number" ? ids + this.index : ids[this.index];
    return typeof id === "string" ? id : this.#host.idPrefix + String(id);
  }

  get attempt(): number {
    return at(this.#batch[8], this.index);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted && !this.#controller.signal.aborted) this.#controller.abort(this.#aborted.reason);
    return this.#controller.signal;
  }

  // What a task takes out of its context must work by itself. The functions are made when they are asked for, as most never are.

  get log(): TaskContext["log"] {
    return (message) => this.#host.log(this, String(message));
  }

  get progress(): TaskContext["progress"] {
    return (fraction, note) => this.#report(fraction, note);
  }

  get step(): TaskContext["step"] {
    const durable = this.#steps();
    return (...args) => durable.step(...args);
  }

  get sleep(): TaskContext["sleep"] {
    const durable = this.#steps();
    return (...args) => durable.sleep(...args);
  }

  get waitFor(): TaskContext["waitFor"] {
    const durable = this.#steps();
    return (...args) => durable.waitFor(...args);
  }

  get submit(): TaskContext["submit"] {
    const { executor } = this;
    return ((...args: Parameters<Executor["submit"]>) => executor.submit(...args)) as TaskContext["submit"];
  }

  get map(): TaskContext["map"] {
    const { executor } = this;
    return (...args) => executor.map(...args);
  }

  get starmap(): TaskContext["starmap"] {
    const { executor } = this;
    return (...args) => executor.starmap(...args);
  }

  get executor(): Executor {
    if (this.#host.executor) return this.#host.executor;
    throw new UsageError(
      `Task "${this.task}" cannot submit from here: a thread or process does not reach the program that started it. Run it with on: "loop".`,
    );
  }

  /** The end of the attempt: what its steps have to undo is undone if it is the last. */
  failed(error: unknown): Promise<unknown> | undefined {
    return this.#durable?.fail(this.#aborted ? this.#aborted.reason : error).then((failed) => failed.error);
  }

  #steps(): Durable {
    if (this.#durable) return this.#durable;
    const { runtime } = this.#host;
    this.#durable = new Durable({
      id: this.id,
      task: this.task,
      runtime,
      now: () => runtime.now(),
      hasPast: false,
      read: () => {
        throw new UsageError(`Task "${this.task}" waits for a signal, and a pool has none: submit it to a fleet.`);
      },
      write: () => Promise.resolve(true),
      suspend: undefined,
      isHeld: () => false,
      cancelled: () => undefined,
      isLast: () => true,
      undoing: () => undefined,
      changed: () => undefined,
    });
    if (this.#aborted) this.#durable.abort(this.#aborted.reason);
    return this.#durable;
  }

  #report(fraction: number, note: string | undefined): void {
    checkFraction(fraction);
    this.#host.progress(this, fraction, note === undefined ? undefined : String(note));
  }

  /** Aborts the signal; only the first reason counts. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(this.#aborted.reason);
    this.#durable?.abort(this.#aborted.reason);
  }
}
