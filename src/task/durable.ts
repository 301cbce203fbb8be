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
import { CancelledError, TimeoutError, UndoError, UsageError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import { decode, encode } from "./codec.ts";
import { currentContext, hasEnded, withFrame } from "./context.ts";
import {
  cancelSignal,
  signalPrefix,
  signalsNamed,
  stepOf,
  stepPrefix,
  stepRecord,
  undoingRecord,
  undoPrefix,
  undoRecord,
  unheard,
} from "./job-records.ts";
import type { SleepOptions, StepOptions, WaitOptions } from "./step-options.ts";
import { checkName, checkSleep, checkStep, checkWait } from "./step-options.ts";
import { decodeThrown, encodeThrown } from "./thrown.ts";

/** A record of a job. */
export interface JournalRecord {
  readonly name: string;
  readonly text: string;
}

/** A record to write, or, with null, to delete. */
export type Change = readonly [name: string, text: string | null];

/** Why and until when an attempt is suspended. */
export interface Suspension {
  /** When to go on at the latest; null when only a signal can end it. */
  readonly dueAt: number | null;
  /** How many signals of the job it has seen. */
  readonly seen: number;
  /** What it waits for, encoded, for people. */
  readonly waits: string;
}

/** What durable steps need of those who run the attempt. */
export interface DurableHost {
  readonly id: string;
  readonly task: string;
  readonly runtime: Runtime;
  /** The clock by which due times go; asked after the first `read`. */
  now(): number;
  read(prefix: string): Promise<readonly JournalRecord[]>;
  /** Writes and deletes (null) records, all or none; false when the attempt is not the job's any more. */
  write(records: readonly Change[]): Promise<boolean>;
  /** Ends the attempt, to go on later. Where that cannot be (a pool), undefined: waits are spent in memory. Asked after the first `read`. */
  readonly suspend: ((suspension: Suspension) => void) | undefined;
  /** True while something else keeps the attempt in memory: it awaits a child. */
  isHeld(): boolean;
  /** The attempt is here to undo, for this error: its job was cancelled or failed before. */
  stopped(error: unknown): void;
  /** True when an attempt that ends with this error is the job's last. */
  isLast(error: unknown): boolean | Promise<boolean>;
  /** Steps are undone: whoever stops attempts that take too long waits. */
  undoing(): void;
  /** A changed program: steps that are recorded and were not met, and those that were not recorded; the first of each. */
  changed(gone: readonly string[], fresh: readonly string[]): void;
}

/** Shorter waits are spent in memory: to suspend and to start again costs more. */
const shortMs = 1000;
/** Of a changed program at most so many steps are told. */
const mostTold = 20;

interface Back {
  readonly error: unknown;
  /** The steps to undo that have not been met yet. */
  readonly unmet: Set<string>;
  isStopped: boolean;
}

const never: Promise<never> = new Promise(() => undefined);

interface Wait {
  readonly dueAt: number | null;
  /** How many signals it has seen; a sleep hears none. */
  readonly seen: number;
  readonly about: readonly [kind: "sleep" | "signal", name: string, until: number | null];
  go(): void;
  timer: Timer | undefined;
}

/** The durable steps of one attempt. */
export class Durable {
  readonly #host: DurableHost;
  #journal: Promise<Map<string, string>> | undefined;
  /** What the journal holds, once it is read. */
  #recorded: ReadonlyMap<string, string> = new Map();
  readonly #met = new Set<string>();
  /** The first names of steps that no earlier attempt recorded. */
  readonly #fresh: string[] = [];
  readonly #times = new Map<string, number>();
  readonly #undos: { readonly name: string; readonly run: () => unknown }[] = [];
  readonly #waits = new Set<Wait>();
  /** Calls under way that do not wait: the attempt cannot be suspended. */
  #busy = 0;
  /** Steps that run. */
  readonly #underWay = new Set<Promise<unknown>>();
  #looking: Timer | undefined;
  #ended: { readonly error: unknown } | undefined;
  /**
   * The attempt is here to undo, for this error: one before it had begun to, or could not, or the job was cancelled. It is stopped when it has
   * met what is to be undone, or does anything new.
   */
  #back: Back | undefined;
  #isOver = false;
  /** It is over since the task has come to its end. */
  #hasEnded = false;

  constructor(host: DurableHost) {
    this.#host = host;
  }

  /** Runs `run` once, whatever happens to the attempt after it, and gives a copy of what it gave. */
  step<T>(name: string, run: () => T | PromiseLike<T>, options?: StepOptions<T>): Promise<T> {
    return this.#during("step", () => this.#step(name, run, options));
  }

  async #step<T>(name: string, run: () => T | PromiseLike<T>, options?: StepOptions<T>): Promise<T> {
    const own = this.#nameOf(checkName(name, "context().step()"));
    const undo = checkStep(name, run, options);
    const frame = { current: currentContext() };
    const recorded = await this.#recall(own);
    const value = recorded === undefined ? await this.#first(own, run, undo !== undefined) : (decode(recorded) as T);
    if (undo) this.#undos.push({ name: own, run: () => withFrame(frame, () => undo(value)) });
    if (this.#back?.unmet.delete(own) && this.#back.unmet.size === 0) this.#stop(this.#back);
    return value;
  }

  /** Resolves after `duration`, or at a time; the job takes up nobody meanwhile. */
  sleep(duration: Duration | Date, options: SleepOptions = {}): Promise<void> {
    return this.#during("sleep", () => this.#sleep(duration, options));
  }

  async #sleep(duration: Duration | Date, options: SleepOptions): Promise<void> {
    checkSleep(options);
    const told = duration instanceof Date ? duration.toISOString() : String(duration);
    const name = this.#nameOf(`sleep ${checkName(options.name ?? told, "context().sleep()")}`);
    const recorded = await this.#recall(name);
    const dueAt = recorded === undefined ? this.#dueAt(duration) : Number(decode(recorded));
    if (recorded === undefined) await this.#record(name, encode(dueAt, "dueAt"));
    if (dueAt > this.#host.now()) await this.#wait(dueAt, unheard, ["sleep", name, dueAt]);
  }

  /** Resolves with what was sent with a signal of this name; each call takes the next. */
  waitFor(signal: string, options: WaitOptions = {}): Promise<unknown> {
    return this.#during("waitFor", () => this.#waitFor(signal, options));
  }

  async #waitFor(signal: string, options: WaitOptions): Promise<unknown> {
    checkWait(options);
    const own = `wait ${checkName(signal, "context().waitFor()")}`;
    const name = this.#nameOf(own);
    const place = this.#times.get(own) ?? 1;
    for (;;) {
      const recorded = await this.#recall(name);
      if (recorded !== undefined) return this.#signalled(signal, decode(recorded) as readonly unknown[], options);
      const deadline = await this.#deadline(name, options);
      const [sent, seen] = await this.#sent(signal, place);
      if (sent !== undefined) await this.#record(name, encode(["sent", decode(sent)], `the payload of signal "${signal}"`));
      else if (deadline !== null && deadline <= this.#host.now()) await this.#record(name, '["late"]');
      else await this.#wait(deadline, seen, ["signal", signal, deadline]);
    }
  }

  /** What kept the attempt in memory may be over. */
  reconsider(): void {
    if (this.#waits.size > 0) this.#host.runtime.defer(() => this.#consider());
  }

  /** The attempt has come to its end with a result. */
  finish(): void {
    this.#hasEnded = true;
    this.#close();
    const gone = [...this.#recorded.keys()].filter((name) => !this.#met.has(name) && !name.startsWith("!"));
    if (gone.length > 0) this.#host.changed(gone.slice(0, mostTold), this.#fresh);
  }

  /**
   * The attempt has come to its end with an error: undoes its steps when it is the last. Gives the error to report, an
   * UndoError when a step could not be undone, and whether no attempt may follow.
   */
  async fail(error: unknown, waits = true): Promise<{ readonly error: unknown; readonly isLast: boolean }> {
    // oxlint-disable-next-line promise/no-promise-in-callback -- the parameter is what failed, not a callback's
    if (waits) await Promise.allSettled(this.#underWay);
    if (this.#isOver) return never;
    this.#hasEnded = true;
    this.#close();
    const reason = this.#back ?? this.#ended;
    const why = reason ? reason.error : error;
    const isLast = this.#back !== undefined || (this.#undos.length > 0 && (await this.#host.isLast(why)));
    if (!isLast) return { error: why, isLast };
    // With steps that were not met the job runs once more, so that all are undone in their order.
    if (!this.#back && (await this.#hasUnmet())) return { error: why, isLast };
    this.#host.undoing();
    // Whoever takes over after a crash must not go forward any more.
    if (!(await this.#host.write([[undoingRecord, encodeThrown(why)]]))) return never;
    const failed = await this.#undo();
    // While it is there, nobody runs the job once more for what was not met.
    const isAllMet = !this.#back || this.#back.unmet.size === 0;
    if (isAllMet && !(await this.#host.write([[undoingRecord, null]]))) return never;
    return { error: failed.length === 0 ? why : new UndoError(failed, why), isLast: true };
  }

  /** Somebody else has the job by now, or nobody: what the attempt still waits for never comes. */
  forget(): void {
    this.#close();
  }

  /** Nothing is waited for any more: a timer that is left would keep the program alive. */
  #close(): void {
    this.#isOver = true;
    this.#looking?.cancel();
    for (const { timer } of this.#waits) timer?.cancel();
  }

  /** The attempt is to end: what is recorded is still given, and then nothing begins any more. */
  abort(error: unknown): void {
    this.#ended ??= { error };
    for (const wait of this.#waits) this.#over(wait);
  }

  /** True when an earlier attempt has left a step to undo that this one has not come to. */
  async #hasUnmet(): Promise<boolean> {
    const journal = await this.#load();
    if ([...journal.keys()].every((name) => this.#met.has(name))) return false;
    const known = new Set(this.#undos.map(({ name }) => undoRecord(name)));
    return (await this.#host.read(undoPrefix)).some(({ name }) => !known.has(name));
  }

  async #undo(): Promise<{ readonly step: string; readonly error: unknown }[]> {
    const failed: { readonly step: string; readonly error: unknown }[] = [];
    for (const { name, run } of this.#undos.toReversed()) {
      try {
        await run();
      } catch (error) {
        failed.push({ step: name, error });
      }
      // A step that could not be undone is told of, once; it stays recorded.
      const undone: Change[] = failed.at(-1)?.step === name ? [] : [[stepRecord(name), null]];
      if (!(await this.#host.write([...undone, [undoRecord(name), null]]))) return never;
    }
    return failed;
  }

  #first<T>(name: string, run: () => T | PromiseLike<T>, hasUndo: boolean): Promise<T> {
    this.#refuseAfterEnd();
    // Others may have the job by now.
    if (this.#isOver) return never;
    const running = (async () => {
      const text = encode(await run(), `the result of step "${name}"`);
      await this.#record(name, text, hasUndo ? [[undoRecord(name), "null"]] : []);
      return decode(text) as T;
    })();
    this.#underWay.add(running);
    const over = (): void => void this.#underWay.delete(running);
    running.then(over, over);
    return running;
  }

  /** What is recorded of a step, if anything is. */
  async #recall(name: string): Promise<string | undefined> {
    this.#met.add(name);
    return (await this.#load()).get(name);
  }

  #load(): Promise<Map<string, string>> {
    // What could not be read is read again by the next step.
    this.#journal ??= this.#read().catch((error: unknown) => {
      this.#journal = undefined;
      throw error;
    });
    return this.#journal;
  }

  async #read(): Promise<Map<string, string>> {
    const [steps, cancels] = await Promise.all([this.#host.read(stepPrefix), this.#host.read(cancelSignal)]);
    const cancel = cancels.find(({ name }) => name === cancelSignal);
    const journal = new Map(steps.map(({ name, text }) => [stepOf(name, stepPrefix), text] as const));
    this.#recorded = journal;
    const undoing = journal.get(stepOf(undoingRecord, stepPrefix));
    if (undoing !== undefined) await this.#goBack(decodeThrown(undoing));
    else if (cancel) {
      const reason = JSON.parse(cancel.text) as string | null;
      await this.#goBack(
        new CancelledError(`Job ${this.#host.id} of task "${this.#host.task}" was cancelled.`, reason ?? undefined),
      );
    }
    return journal;
  }

  async #goBack(error: unknown): Promise<void> {
    const undos = await this.#host.read(undoPrefix);
    const back = { error, unmet: new Set(undos.map(({ name }) => stepOf(name, undoPrefix))), isStopped: false };
    this.#back = back;
    if (back.unmet.size === 0) this.#stop(back);
  }

  #stop(back: Back): void {
    if (back.isStopped) return;
    back.isStopped = true;
    this.#host.stopped(back.error);
    this.abort(back.error);
  }

  async #record(name: string, text: string, more: readonly Change[] = []): Promise<void> {
    if (!(await this.#host.write([[stepRecord(name), text], ...more]))) await never;
    if (this.#fresh.length < mostTold) this.#fresh.push(name);
    (await this.#load()).set(name, text);
  }

  /** The `place`-th signal of this name. */
  async #sent(signal: string, place: number): Promise<readonly [text: string | undefined, seen: number]> {
    const sent = await this.#host.read(signalPrefix);
    const prefix = signalsNamed(signal);
    return [sent.filter(({ name }) => name.startsWith(prefix))[place - 1]?.text, sent.length];
  }

  #signalled(signal: string, [how, payload]: readonly unknown[], { timeout }: WaitOptions): unknown {
    if (how === "sent") return payload;
    const ms = toMs(timeout ?? 0, "context().waitFor() timeout");
    throw new TimeoutError(`Job ${this.#host.id} waited ${ms} ms for the signal "${signal}", which nobody sent.`, ms);
  }

  async #deadline(name: string, { timeout }: WaitOptions): Promise<number | null> {
    if (timeout === undefined) return null;
    const until = `until ${name}`;
    const recorded = await this.#recall(until);
    if (recorded !== undefined) return Number(decode(recorded));
    const deadline = this.#host.now() + toMs(timeout, "context().waitFor() timeout");
    await this.#record(until, encode(deadline, "deadline"));
    return deadline;
  }

  #dueAt(duration: Duration | Date): number {
    if (!(duration instanceof Date)) return this.#host.now() + toMs(duration, "context().sleep()");
    const time = duration.getTime();
    if (Number.isFinite(time)) return time;
    throw new UsageError("context().sleep() takes a duration or a valid Date, found an invalid one.");
  }

  async #wait(dueAt: number | null, seen: number, about: Wait["about"]): Promise<void> {
    this.#refuseAfterEnd();
    if (this.#isOver) return never;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wait: Wait = { dueAt, seen, about, go: resolve, timer: undefined };
    this.#waits.add(wait);
    const { runtime } = this.#host;
    if (dueAt !== null) wait.timer = runtime.after(dueAt - this.#host.now(), () => this.#over(wait));
    this.#busy -= 1;
    this.reconsider();
    await promise;
    this.#busy += 1;
    this.#refuseAfterEnd();
  }

  #over(wait: Wait): void {
    wait.timer?.cancel();
    this.#waits.delete(wait);
    wait.go();
  }

  #during<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (!this.#hasEnded) return this.#occupied(run);
    const refused = Promise.reject(hasEnded(what, this.#host));
    // Where nobody awaits it, it takes no program down.
    refused.catch(() => undefined);
    return refused;
  }

  async #occupied<T>(run: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await run();
    } finally {
      this.#busy -= 1;
      this.reconsider();
    }
  }

  /** Suspends the attempt when all it does is wait, and for long. */
  #consider(): void {
    const { suspend } = this.#host;
    if (!suspend || this.#isOver || this.#ended || this.#waits.size === 0) return;
    const waits = [...this.#waits];
    if (this.#busy > 0 || this.#host.isHeld()) return this.#lookLater(waits);
    const dueAt = Math.min(...waits.map((wait) => wait.dueAt ?? Infinity));
    if (dueAt - this.#host.now() <= shortMs) return;
    this.#close();
    const about = waits.map((wait) => wait.about);
    suspend({
      dueAt: dueAt === Infinity ? null : dueAt,
      seen: Math.min(...waits.map(({ seen }) => seen)),
      waits: encode(about, "waits"),
    });
  }

  /** Nobody tells an attempt in memory of a signal. */
  #lookLater(waits: readonly Wait[]): void {
    const signals = waits.filter(({ seen }) => seen !== unheard);
    if (signals.length === 0) return;
    this.#looking ??= this.#host.runtime.after(shortMs, () => {
      this.#looking = undefined;
      if (!this.#isOver) for (const wait of signals) if (this.#waits.has(wait)) this.#over(wait);
    });
  }

  #refuseAfterEnd(): void {
    if (this.#back) this.#stop(this.#back);
    if (this.#ended) throw this.#ended.error;
  }

  #nameOf(name: string): string {
    const times = (this.#times.get(name) ?? 0) + 1;
    this.#times.set(name, times);
    return times === 1 ? name : `${name}#${times}`;
  }
}
