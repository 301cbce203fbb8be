// Durable steps: what a task does once and is remembered, over crashes, retries and sleeps of days. A task is run again from its
// beginning; each step that a record is found of gives what it gave then. Steps are met by their names, not by their order, so that a
// program may be changed while its jobs wait. A wait (a sleep, a signal) that takes long ends the attempt: nothing of it stays in memory,
// and the job goes on as a new attempt that counts as the same one.
// For the names of the records see `job-records.ts`.
//
// An attempt of which nobody wants to hear any more (another worker has the job, or it was suspended) is never called back: the
// promises it awaits stay open, and it is forgotten.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { TimeoutError, UsageError } from "../core/errors.ts";
import { decode, encode } from "./codec.ts";
import { currentContext, hasEnded, withFrame } from "./context.ts";
import type { DurableHost } from "./durable/host.ts";
import { never } from "./durable/host.ts";
import { Records } from "./durable/records.ts";
import type { Failed } from "./durable/undoing.ts";
import { Undoing } from "./durable/undoing.ts";
import { Waits } from "./durable/waits.ts";
import { shownName, undoRecord, unheard, waitName } from "./job-records.ts";
import type { SleepOptions, StepOptions, WaitOptions } from "./step-options.ts";
import { checkName, checkSleep, checkStep, checkWait } from "./step-options.ts";

/** The durable steps of one attempt. */
export class Durable {
  readonly #host: DurableHost;
  readonly #records: Records;
  readonly #waits: Waits;
  readonly #undoing: Undoing;
  /** Steps that run. */
  readonly #underWay = new Set<Promise<unknown>>();
  /** How often signals of each name have been waited for. */
  readonly #waitedFor = new Map<string, number>();
  #aborted: { readonly error: unknown } | undefined;
  #isOver = false;
  /** It is over since the task has come to its end. */
  #hasEnded = false;

  constructor(host: DurableHost) {
    this.#host = host;
    this.#records = new Records(host, (why) => this.#undoing.goBack(why));
    this.#waits = new Waits(host, () => this.#close());
    this.#undoing = new Undoing(host, this.#records, (error) => {
      host.stopped(error);
      this.abort(error);
    });
  }

  /** Runs `run` once, whatever happens to the attempt after it, and gives a copy of what it gave. */
  step<T>(name: string, run: () => T | PromiseLike<T>, options?: StepOptions<T>): Promise<T> {
    return this.#during("step", () => this.#step(name, run, options));
  }

  async #step<T>(name: string, run: () => T | PromiseLike<T>, options?: StepOptions<T>): Promise<T> {
    const own = this.#records.nameOf(checkName(name, "context().step()"));
    const undo = checkStep(name, run, options);
    const frame = { current: currentContext() };
    const recorded = await this.#records.recall(own);
    const value = recorded === undefined ? await this.#first(own, run, undo !== undefined) : (decode(recorded) as T);
    this.#undoing.met(own, undo && (() => withFrame(frame, () => undo(value))));
    return value;
  }

  /** Resolves after `duration`, or at a time; the job takes up nobody meanwhile. */
  sleep(duration: Duration | Date, options: SleepOptions = {}): Promise<void> {
    return this.#during("sleep", () => this.#sleep(duration, options));
  }

  async #sleep(duration: Duration | Date, options: SleepOptions): Promise<void> {
    checkSleep(options);
    const told = duration instanceof Date ? duration.toISOString() : String(duration);
    const name = this.#records.nameOf(waitName("sleep", checkName(options.name ?? told, "context().sleep()")));
    const recorded = await this.#records.recall(name);
    const dueAt = recorded === undefined ? this.#dueAt(duration) : Number(decode(recorded));
    if (recorded === undefined) await this.#records.record(name, encode(dueAt, "dueAt"));
    if (dueAt > this.#host.now()) await this.#wait({ dueAt, seen: unheard, about: ["sleep", shownName(name), dueAt] });
  }

  /** Resolves with what was sent with a signal of this name; each call takes the next. */
  waitFor(signal: string, options: WaitOptions = {}): Promise<unknown> {
    return this.#during("waitFor", () => this.#waitFor(signal, options));
  }

  async #waitFor(signal: string, options: WaitOptions): Promise<unknown> {
    checkWait(options);
    const records = this.#records;
    const wanted = checkName(signal, "context().waitFor()");
    const name = records.nameOf(waitName("wait", wanted));
    const place = (this.#waitedFor.get(wanted) ?? 0) + 1;
    this.#waitedFor.set(wanted, place);
    for (;;) {
      const recorded = await records.recall(name);
      if (recorded !== undefined) return this.#signalled(signal, decode(recorded) as readonly unknown[], options);
      const dueAt = await this.#deadline(name, options);
      const [sent, seen] = await records.sent(signal, place);
      if (sent !== undefined) await records.record(name, encode(["sent", decode(sent)], `the payload of signal "${signal}"`));
      else if (dueAt !== null && dueAt <= this.#host.now()) await records.record(name, '["late"]');
      else await this.#wait({ dueAt, seen, about: ["signal", signal, dueAt] });
    }
  }

  /** What kept the attempt in memory may be over. */
  reconsider(): void {
    this.#waits.reconsider();
  }

  /** The attempt has come to its end with a result. */
  finish(): void {
    this.#hasEnded = true;
    this.#close();
    this.#records.finish();
  }

  /**
   * The attempt has come to its end with an error: undoes its steps when it is the last. Gives the error to report, an
   * UndoError when a step could not be undone, and whether no attempt may follow.
   */
  async fail(error: unknown, waits = true): Promise<Failed> {
    // oxlint-disable-next-line promise/no-promise-in-callback -- the parameter is what failed, not a callback's
    if (waits) await Promise.allSettled(this.#underWay);
    if (this.#isOver) return never();
    this.#hasEnded = true;
    this.#close();
    const reason = this.#undoing.back ?? this.#aborted;
    return this.#undoing.fail(reason ? reason.error : error);
  }

  /** Somebody else has the job by now, or nobody: what the attempt still waits for never comes. */
  forget(): void {
    this.#close();
  }

  /** The attempt is to end: what is recorded is still given, and then nothing begins any more. */
  abort(error: unknown): void {
    this.#aborted ??= { error };
    this.#waits.end();
  }

  #close(): void {
    this.#isOver = true;
    this.#waits.close();
  }

  #first<T>(name: string, run: () => T | PromiseLike<T>, hasUndo: boolean): Promise<T> {
    this.#refuseAfterEnd();
    // Others may have the job by now.
    if (this.#isOver) return never();
    const running = (async () => {
      const text = encode(await run(), `the result of step "${name}"`);
      await this.#records.record(name, text, hasUndo ? [[undoRecord(name), "null"]] : []);
      return decode(text) as T;
    })();
    this.#underWay.add(running);
    const over = (): void => void this.#underWay.delete(running);
    running.then(over, over);
    return running;
  }

  #signalled(signal: string, [how, payload]: readonly unknown[], { timeout }: WaitOptions): unknown {
    if (how === "sent") return payload;
    const ms = toMs(timeout ?? 0, "context().waitFor() timeout");
    throw new TimeoutError(`Job ${this.#host.id} waited ${ms} ms for the signal "${signal}", which nobody sent.`, ms);
  }

  async #deadline(name: string, { timeout }: WaitOptions): Promise<number | null> {
    if (timeout === undefined) return null;
    const until = waitName("until", shownName(name));
    const recorded = await this.#records.recall(until);
    if (recorded !== undefined) return Number(decode(recorded));
    const deadline = this.#host.now() + toMs(timeout, "context().waitFor() timeout");
    await this.#records.record(until, encode(deadline, "deadline"));
    return deadline;
  }

  #dueAt(duration: Duration | Date): number {
    if (!(duration instanceof Date)) return this.#host.now() + toMs(duration, "context().sleep()");
    const time = duration.getTime();
    if (Number.isFinite(time)) return time;
    throw new UsageError("context().sleep() takes a duration or a valid Date, found an invalid one.");
  }

  async #wait(awaited: Parameters<Waits["wait"]>[0]): Promise<void> {
    this.#refuseAfterEnd();
    await this.#waits.wait(awaited);
    this.#refuseAfterEnd();
  }

  #during<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (!this.#hasEnded) return this.#waits.during(run);
    const refused = Promise.reject(hasEnded(what, this.#host));
    // Where nobody awaits it, it takes no program down.
    refused.catch(() => undefined);
    return refused;
  }

  #refuseAfterEnd(): void {
    this.#undoing.stop();
    if (this.#aborted) throw this.#aborted.error;
  }
}
