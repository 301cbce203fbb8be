// The context of one running element: what `context()` gives inside a task. It is made for every element, so it holds as
// little as it can; the AbortController is made when the signal is first read, which most tasks never do.
import type { Runtime } from "../../core/runtime.ts";
import type { TaskContext } from "../context.ts";
import type { Executor } from "../executor.ts";
import type { Call } from "../../task/call.ts";
import type { AnyTask } from "../../task/task.ts";
import type { Future } from "../future.ts";
import { drive } from "../../task/generator.ts";
import { checkFraction, hasEnded } from "../../task/context.ts";
import { tickOf } from "../../task/scheduled.ts";
import type { GiveMessage, Question } from "../wire.ts";
import { at } from "../wire.ts";
import { Asking } from "./asking.ts";
import { PartFlow } from "./part-flow.ts";

/** What a running element needs from its runner. */
export interface Host {
  /** What ids that are numbers begin with. */
  readonly idPrefix: string;
  log(running: Running, message: string): void;
  progress(running: Running, fraction: number, note: string | undefined): void;
  readonly runtime: Runtime;
  /** The executor that children are submitted to; undefined where it is out of reach. */
  readonly executor: Executor | undefined;
  ask(running: Running, what: Question, args: readonly unknown[]): Promise<unknown>;
  /** Ends the element with an error, whatever its task does. */
  end(running: Running, error: Error): void;
  /** The same, once its steps are undone. */
  fail(running: Running, error: unknown): void;
}

export class Running implements TaskContext {
  readonly task: string;
  readonly index: number;
  readonly #host: Host;
  readonly #batch: GiveMessage;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #asking: Asking | undefined;
  #hasEnded = false;
  #flow: PartFlow | undefined;

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

  get scheduledFor(): Date | undefined {
    return tickOf(this.id);
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
    const { durable } = this.asking;
    return (...args) => durable.step(...args);
  }

  get sleep(): TaskContext["sleep"] {
    const { durable } = this.asking;
    return (...args) => durable.sleep(...args);
  }

  get waitFor(): TaskContext["waitFor"] {
    const { durable } = this.asking;
    return (...args) => durable.waitFor(...args);
  }

  get submit(): TaskContext["submit"] {
    const { executor } = this.#host;
    const submit = (what: Call<unknown> | AnyTask, ...args: unknown[]): Future<unknown> =>
      this.#live("submit").submit(what, args);
    return executor ? executor.submit.bind(executor) : (submit as TaskContext["submit"]);
  }

  get map(): TaskContext["map"] {
    const { executor } = this.#host;
    return executor ? executor.map.bind(executor) : (...args) => this.#live("map").map("context().map()", false, ...args);
  }

  get starmap(): TaskContext["starmap"] {
    const { executor } = this.#host;
    return executor
      ? executor.starmap.bind(executor)
      : (...args) => this.#live("starmap").map("context().starmap()", true, ...args);
  }

  #live(what: string): Asking {
    if (this.#hasEnded) throw hasEnded(what, this);
    return this.asking;
  }

  /** The steps and children of the task, made when the first is asked for. */
  get asking(): Asking {
    if (this.#asking) return this.#asking;
    const host = this.#host;
    this.#asking = new Asking({
      id: this.id,
      task: this.task,
      runtime: host.runtime,
      ask: (what, ...args) => host.ask(this, what, args),
      abort: (error) => this.abort(error),
      end: (error) => host.end(this, error),
      fail: (error) => host.fail(this, error),
    });
    if (this.#aborted) this.#asking.durable.abort(this.#aborted.reason);
    if (this.#hasEnded) this.#asking.finish();
    return this.#asking;
  }

  /** Runs the generator that the task has made. */
  drive(generator: AsyncGenerator): Promise<unknown> {
    const flow = new PartFlow((text) => this.#host.ask(this, "part", [text]));
    this.#flow = flow;
    return drive(
      generator,
      (part) => flow.emit(part),
      () => this.#aborted?.reason,
    );
  }

  /** The end of the attempt with a result, and with an error: what its steps have to undo is undone if it is the last. */
  finished(): void {
    this.#hasEnded = true;
    this.#asking?.finish();
  }

  failed(error: unknown): Promise<unknown> | undefined {
    this.#hasEnded = true;
    return this.#asking?.fail(this.#aborted ? this.#aborted.reason : error);
  }

  #report(fraction: number, note: string | undefined): void {
    checkFraction(fraction);
    this.#host.progress(this, fraction, note === undefined ? undefined : String(note));
  }

  /** Aborts the signal; only the first reason counts. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(this.#aborted.reason);
    this.#asking?.durable.abort(this.#aborted.reason);
    this.#flow?.resume();
  }
}
