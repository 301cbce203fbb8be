// What a running task does by asking: the durable steps of its job, and its children. See `../asked.ts` for who answers.
import { RestartedError, SuspendedError } from "../../core/errors.ts";
import { checkInputs } from "../../core/inputs.ts";
import type { Runtime, Timer } from "../../core/runtime.ts";
import { checkInteger, checkOptions } from "../../core/suggest.ts";
import type { AnyTask, Task } from "../../task/task.ts";
import { definitionOf } from "../../task/task.ts";
import type { Call } from "../../task/call.ts";
import { call, isCall } from "../../task/call.ts";
import type { DurableHost, JournalRecord, Suspension } from "../../task/durable/host.ts";
import { Durable } from "../../task/durable.ts";
import type { JobState } from "../../task/state.ts";
import { decodeThrown, encodeThrown } from "../../task/thrown.ts";
import { checkGraphOptions } from "../../task/inherit.ts";
import type { Journaled, Next } from "../asked.ts";
import { sendable } from "../asked.ts";
import type { CancelReceipt, Handle } from "../future.ts";
import { Future } from "../future.ts";
import type { MapOptions } from "../executor.ts";
import { Results } from "../results.ts";
import { ChildMap } from "./child-map.ts";
import type { Question } from "../wire.ts";

/** How many inputs of a map are ahead of the results consumed: each is a question by itself. */
const defaultWindow = 100;

/** Well before a worker of a fleet ends the thread, which is when it has not stopped for two seconds. */
const leaveMs = 1000;

const unreachable = new FinalizationRegistry<() => void>((forget) => forget());

/** Asks whoever started the element. */
export type Ask = (what: Question, ...args: readonly unknown[]) => Promise<unknown>;

/** What steps need of the element they belong to. */
export interface AskingElement {
  readonly id: string;
  readonly task: string;
  readonly runtime: Runtime;
  readonly ask: Ask;
  abort(error: unknown): void;
  /** Ends the element with this error, whatever its task does. */
  end(error: Error): void;
  /** The same, once its steps are undone. */
  fail(error: unknown): void;
}

function asSent(error: unknown): unknown {
  return decodeThrown(encodeThrown(error));
}

class AskingHost implements DurableHost {
  readonly id: string;
  readonly task: string;
  readonly runtime: Runtime;
  readonly isHeld: () => boolean;
  readonly #element: AskingElement;
  #leaving: Timer | undefined;
  #ahead = 0;
  #isDurable = false;

  constructor(element: AskingElement, isHeld: () => boolean) {
    this.id = element.id;
    this.task = element.task;
    this.runtime = element.runtime;
    this.isHeld = isHeld;
    this.#element = element;
  }

  now(): number {
    return this.runtime.now() + this.#ahead;
  }

  async read(prefix: string): Promise<readonly JournalRecord[]> {
    const { records, now, isDurable } = (await this.#element.ask("read", prefix)) as Journaled;
    this.#ahead = now - this.runtime.now();
    this.#isDurable = isDurable;
    return records;
  }

  async write(changes: Parameters<DurableHost["write"]>[0]): Promise<boolean> {
    return (await this.#element.ask("write", changes)) as boolean;
  }

  get suspend(): ((suspension: Suspension) => void) | undefined {
    return this.#isDurable ? (suspension) => this.#element.end(new SuspendedError(suspension)) : undefined;
  }

  /** A task that goes on all the same is left to itself, as on a worker's loop, so that its steps are undone before its thread is ended. */
  stopped(error: unknown): void {
    void this.#element.ask("stopped", asSent(error));
    this.#element.abort(error);
    const leave = (): void => {
      void this.#element.ask("left");
      this.#element.fail(error);
    };
    this.#leaving = this.runtime.after(leaveMs, leave, { background: true });
  }

  /** The task has come to its end by itself. */
  ended(): void {
    this.#leaving?.cancel();
  }

  async isLast(error: unknown): Promise<boolean> {
    return (await this.#element.ask("last", asSent(error))) as boolean;
  }

  undoing(): void {
    void this.#element.ask("undoing");
  }

  changed(gone: readonly string[], fresh: readonly string[]): void {
    void this.#element.ask("changed", gone, fresh);
  }
}

/** The steps and children of one element. */
export class Asking {
  readonly durable: Durable;
  readonly #host: AskingHost;
  readonly #ask: Ask;
  readonly #runtime: Runtime;
  #awaited = 0;

  constructor(element: AskingElement) {
    this.#ask = element.ask;
    this.#runtime = element.runtime;
    this.#host = new AskingHost(element, () => this.#awaited > 0);
    this.durable = new Durable(this.#host);
  }

  /** The attempt ends with a result. */
  finish(): void {
    this.#host.ended();
    this.durable.finish();
  }

  /** The attempt ends with an error: gives the one to report, when what is to be undone is undone. */
  async fail(error: unknown): Promise<unknown> {
    this.#host.ended();
    return (await this.durable.fail(error)).error;
  }

  submit(what: Call<unknown> | AnyTask, args: readonly unknown[]): Future<unknown> {
    const options = isCall(what) ? checkGraphOptions(args[0], "context().submit()") : {};
    const nodes = sendable(isCall(what) ? what : call(what as Task<unknown[], unknown>, ...args), options);
    const asked = this.#ask("submit", nodes) as Promise<readonly [number: number, id: string]>;
    const settle: Pick<PromiseWithResolvers<unknown>, "resolve" | "reject"> = {
      resolve: () => undefined,
      reject: () => undefined,
    };
    let state: JobState = "ready";
    let id = "";
    let isSubmittedAsked = false;
    asked.then(
      ([, known]) => (id = known),
      // A submit that is refused is told once: to whoever asked for that, or with the result.
      (error: unknown) => isSubmittedAsked || settle.reject(error),
    );
    const submitted = asked.then(([, known]) => known);
    submitted.catch(() => undefined);
    const handle: Handle = {
      get id() {
        return id;
      },
      get state() {
        return state;
      },
      progress: undefined,
      get submitted() {
        isSubmittedAsked = true;
        return submitted;
      },
      cancel: async (reason) => (await this.#ask("cancel", (await asked)[0], reason)) as CancelReceipt,
      parts: (restarted) => this.#parts(asked, restarted),
      observe: () => {
        this.#await(asked).then(
          (value) => {
            state = "done";
            settle.resolve(value);
          },
          (error: unknown) => {
            state = "failed";
            settle.reject(error);
          },
        );
      },
    };
    const future = new Future<unknown>((resolve, reject) => void Object.assign(settle, { resolve, reject }), handle);
    this.#forgetUnreachable(future, asked);
    return future;
  }

  /** Of a future that the task has let go nobody will ask any more: whoever answers need not keep what became of its child. */
  #forgetUnreachable(future: Future<unknown>, asked: Promise<readonly [number: number, id: string]>): void {
    const ask = this.#ask;
    const forget = async (): Promise<void> => void ask("forget", (await asked)[0]);
    // One that was refused was never kept.
    unreachable.register(future, () => void forget().catch(() => undefined));
  }

  map<Result>(
    what: string,
    isTuple: boolean,
    task: AnyTask,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    options: MapOptions = {},
  ): Results<Result> {
    checkOptions(options, ["window", "ordered"], what);
    const terms = {
      inputs: checkInputs(inputs, what),
      window: checkInteger(options.window ?? defaultWindow, `${what} window`, 1),
      submit: (input: unknown): Future<unknown> => this.submit(task, isTuple ? (input as unknown[]) : [input]),
    };
    return new Results<Result>({
      task: definitionOf(task).name,
      ordered: options.ordered ?? true,
      defer: (run) => this.#runtime.defer(run),
      produce: (sink) => new ChildMap(terms, sink),
    });
  }

  async *#parts(
    asked: Promise<readonly [number: number, id: string]>,
    restarted: (() => void) | undefined,
  ): AsyncGenerator<unknown, void> {
    const [number, id] = await asked;
    const reader = await this.#ask("stream", number);
    for (let seen = 0; ;) {
      const [restarts, done, part] = (await this.#ask("next", reader)) as Next;
      if (restarts > seen && !restarted) throw new RestartedError(id);
      if (restarts > seen) restarted?.();
      seen = restarts;
      if (done) return;
      yield part;
    }
  }

  async #await(asked: Promise<readonly [number: number, id: string]>): Promise<unknown> {
    this.#awaited += 1;
    try {
      return await this.#ask("await", (await asked)[0]);
    } finally {
      this.#awaited -= 1;
      this.durable.reconsider();
    }
  }
}
