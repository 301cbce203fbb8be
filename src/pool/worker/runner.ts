// Runs batches, one element after another: the worker's side of a lane, the same in a thread, a process and inline.
//
//   idle ──batch──► claim the next element ──► load its module, once ──► run it ──► outcome into the outbox ──┐
//     ▲                │ none left       ▲                                                                    │
//     └─ send outcomes ┘                 └────────────────────────────────────────────────────────────────────┘
//
// It is a loop, not an async function for each element: a synchronous task costs no promise and no turn of the event loop.
// It knows nothing of retries, time-outs or other workers; an element taken back by the parent is simply not claimed.
import type { Runtime } from "../../core/runtime.ts";
import { isThenable } from "../../core/thenable.ts";
import type { Frame } from "../../task/context.ts";
import { decode, encode } from "../../task/codec.ts";
import { withFrame } from "../../task/context.ts";
import { isGenerator } from "../../task/generator.ts";
import { loadTask } from "../../task/load.ts";
import { validate } from "../../task/schema.ts";
import type { Definition } from "../../task/task.ts";
import { decodeThrown } from "../../task/thrown.ts";
import type { Claims } from "../claims.ts";
import type { Executor } from "../executor.ts";
import { argsFrom, valueFrom, widthOf } from "../flat.ts";
import { failed, refused, text, valueOf } from "../payload.ts";
import type { Crossing } from "../payload.ts";
import type { AbortMessage, AnswerMessage, GiveMessage, Introduction, Question } from "../wire.ts";
import { abort, answer, ask, at, log } from "../wire.ts";
import { Outbox } from "./outbox.ts";
import type { RunnerPort } from "./port.ts";
import { ProgressReports } from "./progress.ts";
import type { Host } from "./running.ts";
import { Running } from "./running.ts";
import type { Turn } from "./turn.ts";

/** An element that has ended asks no more. */
const neverAnswered: Promise<never> = new Promise(() => undefined);

/** What a runner is made of. */
export interface RunnerParts {
  readonly port: RunnerPort;
  readonly claims: Claims;
  readonly runtime: Runtime;
  readonly turn: Turn;
  readonly crossing: Crossing;
  /** What ids that are numbers begin with. */
  readonly idPrefix: string;
  /** The pool, where it can be reached by a call. */
  readonly executor?: () => Executor;
}

/** Calls the task with the arguments of an element. */
function call({ fn }: Definition, [, , , , kinds, shape, data]: GiveMessage, index: number): unknown {
  if (shape === undefined) return fn(...(valueOf(at(kinds, index), data[index]) as readonly unknown[]));
  const from = index * widthOf(shape);
  if (shape === 1 || typeof shape !== "number") return fn(valueFrom(shape, data, from));
  return fn(...argsFrom(shape, data, from));
}

export class Runner implements Host {
  readonly idPrefix: string;
  readonly #parts: RunnerParts;
  readonly #outbox: Outbox;
  readonly #progress: ProgressReports;
  readonly #introduced = new Map<number, Introduction>();
  readonly #definitions = new Map<number, Definition>();
  readonly #batches: GiveMessage[] = [];
  #batch: GiveMessage | undefined;
  #running: Running | undefined;
  #frame: Frame = { current: undefined };
  /** The task that ran last, if it has never ended later: only such a task shares a frame with others. */
  #prompt: Definition | undefined;
  readonly #slow = new WeakSet<Definition>();
  /** True while something will call `#run` by itself. */
  #active = false;
  /** The element whose module is being imported, and the abort that came meanwhile. */
  #importing: number | undefined;
  #aborted: AbortMessage | undefined;
  #sendingSoon = false;
  /** What running tasks have asked and is not answered. */
  readonly #questions = new Map<number, Pick<PromiseWithResolvers<unknown>, "resolve" | "reject">>();
  #asked = 0;

  readonly #goOn = (now: number): void => {
    this.#outbox.rest(now);
    this.#run();
  };

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.idPrefix = parts.idPrefix;
    this.#outbox = new Outbox(parts.port, parts.crossing);
    this.#progress = new ProgressReports(parts.port, parts.runtime);
  }

  get runtime(): Runtime {
    return this.#parts.runtime;
  }

  get executor(): Executor | undefined {
    return this.#parts.executor?.();
  }

  receive(message: GiveMessage | AbortMessage | AnswerMessage): void {
    if (message[0] === abort) return this.#abort(message);
    if (message[0] === answer) return this.#answered(message);
    for (const introduction of message[9] ?? []) this.#introduce(introduction);
    this.#batches.push(message);
    if (!this.#active) this.#run();
  }

  /** Sends the outcomes of what has ended: the worker is about to exit. */
  flush(): void {
    this.#progress.send();
    if (!this.#outbox.isEmpty) this.#outbox.send(this.#parts.runtime.elapsed(), false);
  }

  /** How many elements of a slot's batch have begun. The claim of a slot whose batch has not arrived is still the last one's. */
  begunIn(slot: number): number {
    return this.#batch?.[1] === slot ? this.#parts.claims.begun(slot) : 0;
  }

  /** True while the module of the element that has begun last is being imported. */
  get isImporting(): boolean {
    return this.#importing !== undefined;
  }

  log(running: Running, message: string): void {
    // The place in the batch of a task that has long ended may be another's by now.
    if (running.isOf(this.#batch)) this.#parts.port.report([log, running.slot, running.index, message]);
    else process.stderr.write(`${running.task} ${running.id}: ${message}\n`);
  }

  ask(running: Running, what: Question, args: readonly unknown[]): Promise<unknown> {
    if (running !== this.#running) return neverAnswered;
    const no = this.#asked++;
    return new Promise((resolve, reject) => {
      this.#questions.set(no, { resolve, reject });
      this.#parts.port.report([ask, running.slot, running.index, no, what, encode(args, "context()")]);
    });
  }

  #answered([, no, ok, text]: AnswerMessage): void {
    const question = this.#questions.get(no);
    this.#questions.delete(no);
    if (ok) question?.resolve(decode(text));
    else question?.reject(decodeThrown(text));
  }

  end(running: Running, error: Error): void {
    if (running !== this.#running) return;
    this.#error(error);
    this.#run();
  }

  progress(running: Running, fraction: number, note: string | undefined): void {
    if (running === this.#running) this.#progress.add(running, fraction, note);
  }

  #introduce(introduction: Introduction): void {
    const [number, , , definition] = introduction;
    if (definition) this.#definitions.set(number, definition);
    else this.#introduced.set(number, introduction);
  }

  #abort(message: AbortMessage): void {
    const [, slot, index, reason] = message;
    if (this.#running?.slot === slot && this.#running.index === index) this.#running.abort(decodeThrown(reason));
    // It may be waiting for its module.
    else if (this.#batch?.[1] === slot && this.#importing === index) this.#aborted = message;
  }

  /** Runs elements until there is none, or one ends later. */
  #run(): void {
    this.#active = true;
    this.#frame = { current: undefined };
    withFrame(this.#frame, () => this.#loop());
  }

  #loop(): void {
    const { claims, runtime, turn } = this.#parts;
    for (;;) {
      const now = runtime.elapsed();
      const batch = this.#batch;
      if (!batch) {
        if (turn.isOver(now)) return this.#rest(now);
        if (!this.#nextBatch(now)) return;
        continue;
      }
      if (this.#outbox.isDue(now)) {
        this.#outbox.send(now, false);
        // Tasks may take much longer than those before them, by which the batch was measured.
        if (turn.isOver(now)) return this.#rest(now);
      }
      const definition = this.#upcomingDefinition(batch);
      const index = claims.claim(batch[1], definition ? now : -now);
      if (index < 0) this.#endBatch(now);
      else if (!definition) return this.#load(batch, index);
      else if (!this.#start(batch, index, definition)) return;
    }
  }

  /** Gives the event loop its turn, then goes on. */
  #rest(now: number): void {
    this.#active = this.#batch !== undefined || this.#batches.length > 0;
    if (this.#active) this.#parts.turn.next(this.#goOn, now);
  }

  #nextBatch(now: number): boolean {
    if (this.#batches.length === 0) this.#linger();
    this.#batch = this.#batches.shift();
    this.#active = this.#batch !== undefined;
    if (this.#batch) this.#outbox.open(this.#batch[1], now);
    return this.#active;
  }

  #linger(): void {
    const message = this.#parts.port.next?.();
    if (message) this.receive(message);
  }

  #endBatch(now: number): void {
    this.#batch = undefined;
    this.#outbox.send(now, true);
  }

  #upcomingDefinition(batch: GiveMessage): Definition | undefined {
    const tasks = batch[3];
    if (typeof tasks === "number") return this.#definitions.get(tasks);
    const index = this.#parts.claims.upcoming(batch[1]);
    // With nothing left to claim the answer does not matter.
    return this.#definitions.get(tasks[Math.max(0, index)] as number);
  }

  #load(batch: GiveMessage, index: number): void {
    const number = at(batch[3], index);
    const [, name = "", module = ""] = this.#introduced.get(number) ?? [];
    this.#importing = index;
    // What a module leaves behind, such as a timer, is nothing of this element's.
    withFrame({ current: undefined }, () => loadTask(module, name)).then(
      (definition) => {
        this.#importing = undefined;
        this.#definitions.set(number, definition);
        const now = this.#parts.runtime.elapsed();
        this.#parts.claims.started(now);
        if (this.#outbox.isEmpty) this.#outbox.rest(now);
        if (this.#start(batch, index, definition)) this.#run();
      },
      (error: unknown) => {
        this.#importing = undefined;
        this.#aborted = undefined;
        this.#outbox.error(error, refused);
        this.#run();
      },
    );
  }

  /** Runs an element. Gives true when it has ended, false when it will end later and go on with `#run` by itself. */
  #start(batch: GiveMessage, index: number, definition: Definition): boolean {
    const running = new Running(this, batch, index, definition.name);
    this.#running = running;
    if (this.#aborted) {
      running.abort(decodeThrown(this.#aborted[3]));
      this.#aborted = undefined;
    }
    const kind = at(batch[4], index);
    const shares = definition === this.#prompt;
    const frame = shares ? this.#frame : { current: undefined };
    try {
      frame.current = running;
      const made = shares ? call(definition, batch, index) : withFrame(frame, () => call(definition, batch, index));
      const isStream = typeof made === "object" && isGenerator(made);
      const returned = isStream ? withFrame({ current: running }, () => running.drive(made)) : made;
      if (definition.options.output === undefined && !isThenable(returned)) {
        frame.current = undefined;
        if (!shares) this.#wasPrompt(definition);
        this.#value(returned, kind === text);
        return true;
      }
      this.#prompt = undefined;
      this.#slow.add(definition);
      this.#follow(definition, running, returned, kind === text);
      return false;
    } catch (error) {
      frame.current = undefined;
      this.#error(error);
      return true;
    }
  }

  #wasPrompt(definition: Definition): void {
    if (!this.#slow.has(definition)) this.#prompt = definition;
  }

  #follow(definition: Definition, running: Running, returned: unknown, asText: boolean): void {
    this.#sendSoon();
    const { output } = definition.options;
    const what = `The result of task "${definition.name}"`;
    const promise = Promise.resolve(returned);
    (output ? promise.then((value) => validate(output, value, what)) : promise).then(
      (value) => {
        // It may have been ended over its head.
        if (running !== this.#running) return;
        running.finished();
        this.#value(value, asText);
        this.#run();
      },
      (error: unknown) => this.fail(running, error),
    );
  }

  fail(running: Running, error: unknown): void {
    if (running !== this.#running) return;
    const end = (thrown: unknown): void => {
      if (running !== this.#running) return;
      this.#error(thrown);
      this.#run();
    };
    const undone = running.failed(error);
    if (undone) undone.then(end, end);
    else end(error);
  }

  // A task that waits must not keep back the outcomes of those before it.
  #sendSoon(): void {
    if (this.#outbox.isEmpty || this.#sendingSoon) return;
    this.#sendingSoon = true;
    this.#parts.runtime.defer(() => {
      this.#sendingSoon = false;
      if (!this.#outbox.isEmpty) this.#outbox.send(this.#parts.runtime.elapsed(), false);
    });
  }

  #value(value: unknown, asText: boolean): void {
    if (this.#progress.isHolding) this.#progress.send();
    this.#running = undefined;
    const atOnce = this.#outbox.value(value, asText);
    if (!atOnce) return;
    const now = this.#parts.runtime.elapsed();
    // Nothing can be added to a batch, so one that has nothing left will stay so.
    const slot = this.#batch?.[1];
    if (slot !== undefined && this.#parts.claims.upcoming(slot) < 0) this.#endBatch(now);
    else this.#outbox.send(now, false);
  }

  #error(error: unknown): void {
    if (this.#progress.isHolding) this.#progress.send();
    this.#running = undefined;
    this.#outbox.error(error, failed);
  }
}
