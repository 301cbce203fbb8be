// What becomes of a call: the policy of every pool, written once. An entry waits for its time, is given to a worker, and ends,
// or is tried again after a failure (`retries`, `backoff`, `retryIf`) or after the death of its worker (`crashes`). Whoever
// wants it to stop leaves a wish with it, and the entry's next step, whatever that is, makes the wish come true; so a cancel
// that crosses an outcome, a death or an element taken back needs no case of its own.
//
// Invariant: every entry that was begun ends exactly once, and `#live` counts those that have not.
import { SnoozeError, UndoError, WorkerDiedError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Context } from "../task/context.ts";
import { currentContext } from "../task/context.ts";
import { importableModule } from "../task/load.ts";
import { backoffMs } from "../task/options.ts";
import { wantsRetry } from "../task/retry.ts";
import type { FinalState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import { decodeThrown, encodeThrown } from "../task/thrown.ts";
import { decode, encode } from "../task/codec.ts";
import type { Answerer } from "./asked.ts";
import { poolAnswerer, Questions } from "./asked.ts";
import { Batches } from "./batches.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Noun } from "./endings.ts";
import { cancelled, died, expired, importsDie, importTimedOut, overdue, spent, startsDie, timedOut } from "./endings.ts";
import type { Entry, Stopped, Wish } from "./entry.ts";
import { isSoft } from "./entry.ts";
import type { CancelReceipt } from "./future.ts";
import type { Lane, LaneHost } from "./lane.ts";
import type { Death, OpenLink } from "./link.ts";
import { flatten, flattenOne, Flattener } from "./flat.ts";
import type { Crossing, PayloadKind } from "./payload.ts";
import { failed, pack, refused, text, textOf, valueOf } from "./payload.ts";
import type { Feed } from "./queue.ts";
import { Parts } from "./parts.ts";
import { Queue } from "./queue.ts";
import { TaskRecord } from "./record.ts";
import type { AnswerMessage, AskMessage, LogMessage, ProgressMessage } from "./wire.ts";
import { answer, log } from "./wire.ts";

/** How often in a row workers may die importing a module until every call of its tasks fails. */
const mostImportDeaths = 3;

/** What kind of pool this is. */
export interface Crew {
  readonly noun: Noun;
  readonly crossing: Crossing;
  /** True when workers import a task's module; false when the task's function is at hand. */
  readonly imports: boolean;
  readonly size: number;
  open(idPrefix: string): OpenLink;
  /** What a task is that did not stop within the grace period: killed with its worker, or abandoned. */
  readonly overdue: "killed" | "abandoned";
}

function questionsOf(entry: Entry, answerer: Answerer): Questions {
  const { extra } = entry;
  return new Questions(entry.terms?.answerer ?? answerer, (text) => (extra.parts ??= new Parts()).add(entry.attempt, text));
}

/** A map, as the engine sees it. */
export interface Source extends Feed {
  readonly definition: Definition;
  /** Ends it with an error. */
  fail(error: unknown): void;
  /** The pool is being closed: no more inputs than those there are. */
  finish(): void;
}

export class Engine implements LaneHost {
  readonly runtime: Runtime;
  readonly graceMs: number;
  readonly crew: Crew;
  readonly idPrefix: string;
  readonly #flattener = new Flattener();
  readonly #queue = new Queue();
  readonly #dispatcher: Dispatcher;
  readonly #records = new WeakMap<Definition["fn"], TaskRecord>();
  readonly #sources = new Set<Source>();
  /** Entries that wait for a time. */
  readonly #scheduled = new Set<Entry>();
  /** Entries that wait for others to go with, or are carried with them. */
  readonly #batches: Batches;
  #recordCount = 0;
  #entryCount = 0;
  #live = 0;
  /** Running tasks of this very pool that have started calls in it, with how many: they wait, and must not take up the room. */
  readonly #parents = new Map<Context | Entry, number>();
  #onIdle: (() => void) | undefined;
  readonly #answerer: Answerer;

  /** `submit` is the pool's own, for the children of its tasks. */
  constructor(crew: Crew, runtime: Runtime, graceMs: number, submit: Answerer["submit"]) {
    this.#answerer = poolAnswerer(runtime, submit);
    this.crew = crew;
    this.runtime = runtime;
    this.graceMs = graceMs;
    this.idPrefix = `${runtime.id()}-`;
    this.#batches = new Batches({
      runtime,
      recordOf: (definition) => this.recordOf(definition),
      nextNumber: () => this.nextNumber(),
      idOf: (entry) => this.idOf(entry),
      setArgs: (entry, args) => this.setArgs(entry, args),
      carry: (carrier) => {
        this.begin(carrier, undefined);
        this.#enqueue(carrier);
      },
      stop: (carrier, error) => this.cancel(carrier, error, () => undefined),
      told: (member, [isResult, told]) => this.outcome(member, isResult ? text : failed, told),
      failed: (member, error) => this.#batchFailed(member, error),
    });
    this.#dispatcher = new Dispatcher({
      queue: this.#queue,
      host: this,
      open: crew.open(this.idPrefix),
      runtime,
      size: () => crew.size + this.#parents.size,
      isNested: () => this.#parents.size > 0,
      cannotStart: (death) => this.#failWaiting((definition) => startsDie(definition, crew.noun, death)),
    });
  }

  // What calls are made of.

  /** What the pool knows of a task. Throws {@link UsageError} when no worker could import it. */
  recordOf(definition: Definition): TaskRecord {
    let record = this.#records.get(definition.fn);
    if (!record) {
      record = new TaskRecord(this.#recordCount++, definition, this.crew.imports ? importableModule(definition) : undefined);
      this.#records.set(definition.fn, record);
    }
    return record;
  }

  /** Gives an entry a copy of its arguments. Throws {@link CodecError} with the path of what cannot be sent. */
  setArgs(entry: Entry, args: readonly unknown[]): void {
    if (!this.setFlatArgs(entry, args)) entry.setArgs(pack(args, this.crew.crossing));
  }

  /** The same for a task's only argument. */
  setArg(entry: Entry, arg: unknown): void {
    if (!flattenOne(arg, entry, this.#flattener)) entry.setArgs(pack([arg], this.crew.crossing));
  }

  /** The same for arguments that are small and flat, and so hold no calls; false for any other. */
  setFlatArgs(entry: Entry, args: readonly unknown[]): boolean {
    return flatten(args, entry, this.#flattener);
  }

  /** The number of the next entry. */
  nextNumber(): number {
    return this.#entryCount++;
  }

  idOf(entry: Entry): string {
    return entry.terms?.id ?? this.idPrefix + String(entry.number);
  }

  // The life of an entry.

  /** The running task of this very pool that calls right now; undefined where tasks run elsewhere, and so cannot. */
  caller(): Context | undefined {
    const context = this.crew.imports ? undefined : currentContext();
    return context?.id.startsWith(this.idPrefix) ? context : undefined;
  }

  /** An entry has come to be. It may still be blocked; `start` follows when it is not. */
  begin(entry: Entry, parent: Context | undefined): void {
    this.#live += 1;
    if (parent) {
      entry.extra.parent = parent;
      this.#join(parent);
    }
    const { expiresMs, deadlineMs } = entry.definition.policy;
    if (expiresMs === undefined || entry.terms) return;
    entry.extra.expiry = this.runtime.after(expiresMs, () => this.#expire(entry));
    if (deadlineMs === undefined) return;
    const timer = this.runtime.after(deadlineMs, () => this.#overrun(entry));
    entry.extra.deadline = { at: this.runtime.elapsed() + deadlineMs, timer };
  }

  /** Nothing blocks the entry any more: it starts when it is due. */
  start(entry: Entry): void {
    const { delayMs, at } = entry.definition.policy;
    const wait = entry.terms ? 0 : at === undefined ? delayMs : at - this.runtime.now();
    if (wait > 0) return this.#schedule(entry, wait);
    this.#enqueue(entry);
  }

  /** Lets an entry go to a worker: by itself, or with others where its task does many at once. What was with a worker that died goes by itself. */
  #enqueue(entry: Entry): void {
    entry.phase = "ready";
    if (entry.definition.many && entry.crashes === 0 && !entry.alone && !entry.terms) return this.#batches.add(entry);
    this.#queue.push(entry);
    this.#dispatcher.wake();
  }

  /** Ends an entry: with its result, or with an error. */
  end(entry: Entry, state: FinalState, outcome: unknown, how: Stopped = "waiting"): void {
    const { wish } = entry;
    this.#unschedule(entry);
    entry.expiry?.cancel();
    entry.deadline?.timer.cancel();
    wish?.grace?.cancel();
    entry.phase = state;
    entry.data = undefined;
    entry.partList?.end(entry.attempt);
    this.#live -= 1;
    if (entry.parent) this.#leave(entry.parent);
    if (entry.carrier) this.#batches.left(entry);
    entry.ended(state, outcome);
    if (wish?.kind === "cancel") for (const told of wish.told) told(how);
    if (this.#live > 0) return;
    // No worker need be started any more.
    this.#dispatcher.wake();
    this.#checkIdle();
  }

  /** Stops an entry that has not ended. `told` hears, when it has, how. */
  cancel(entry: Entry, reason: string | Error | undefined, told: (how: Stopped) => void): void {
    if (entry.wish?.kind === "cancel") return void entry.wish.told.push(told);
    const error = reason instanceof Error ? reason : cancelled(entry, this.idOf(entry), reason);
    this.#wish(entry, { kind: "cancel", error, told: [told], grace: entry.wish?.grace });
  }

  /** Stops entries that have not ended; resolves when they have. */
  cancelAll(entries: readonly Entry[], reason: string | Error | undefined): Promise<CancelReceipt> {
    const counts = { waiting: 0, stopped: 0, killed: 0, abandoned: 0 };
    let left = entries.length;
    return new Promise((resolve) => {
      const check = (): void => {
        const { abandoned: requested, ...others } = counts;
        if (left === 0) resolve({ ...others, requested });
      };
      // The last first: what has not begun is taken back before what runs is asked to stop, and so cannot begin meanwhile.
      for (const entry of entries.toReversed()) {
        // One may end in consequence of another.
        if (entry.hasEnded) left -= 1;
        else {
          this.cancel(entry, reason, (how) => {
            counts[how] += 1;
            left -= 1;
            check();
          });
        }
      }
      check();
    });
  }

  /** Ends those of these entries that have not begun, with this error. */
  drop(entries: readonly Entry[], error: Error): void {
    // All wishes before the first step: what comes back from a worker because of one entry is not sent out again.
    const wish: Wish = { kind: "drop", error, told: [], grace: undefined };
    const undecided = entries.filter((entry) => !entry.wish);
    for (const entry of undecided) entry.wish = wish;
    for (const entry of undecided) if (!entry.hasEnded && entry.wish === wish) this.#wish(entry, wish);
  }

  /** Entries of which `which` is true and that have not ended, those blocked by others excepted. */
  find(which: (entry: Entry) => boolean): Entry[] {
    const given = this.#dispatcher.lanes.flatMap((lane) => lane.entries());
    return [...given, ...this.#queue.entries(), ...this.#scheduled, ...this.#batches.entries()].filter(which);
  }

  #wish(entry: Entry, wish: Wish): void {
    if (entry.carrier?.state === "running" && isSoft(wish)) return void (entry.wish = undefined);
    entry.wish = wish;
    if (entry.batch) return entry.batch.lane.stop(entry);
    this.#fulfil(entry, wish, "waiting");
  }

  /** Makes a wish come true: ends the entry, or, after a time-out, has it fail. */
  #fulfil(entry: Entry, wish: Wish, how: Stopped): void {
    if (wish.kind === "cancel" || wish.kind === "drop") return this.end(entry, "cancelled", wish.error, how);
    if (wish.kind === "expire") return this.end(entry, "expired", wish.error);
    wish.grace?.cancel();
    entry.wish = undefined;
    if (wish.kind === "timeout") return this.#fail(entry, wish.error, true);
    // What never began has expired.
    if (how === "waiting" && entry.attempt === 1) this.end(entry, "expired", expired(entry, this.idOf(entry)));
    else this.end(entry, "failed", wish.error);
  }

  /** The deadline has come. */
  #overrun(entry: Entry): void {
    if (entry.wish?.kind === "cancel" || entry.wish?.kind === "drop") return;
    const error = overdue(entry, this.idOf(entry), undefined);
    this.#wish(entry, { kind: "deadline", error, told: [], grace: entry.wish?.grace });
  }

  #expire(entry: Entry): void {
    if (entry.attempt > 1 || entry.wish || entry.carrier?.state === "running") return;
    this.#wish(entry, { kind: "expire", error: expired(entry, this.idOf(entry)), told: [], grace: undefined });
  }

  #schedule(entry: Entry, ms: number): void {
    entry.phase = "scheduled";
    this.#scheduled.add(entry);
    entry.extra.wait = this.runtime.after(ms, () => {
      this.#unschedule(entry);
      this.#enqueue(entry);
    });
  }

  #join(parent: Context | Entry): void {
    this.#parents.set(parent, (this.#parents.get(parent) ?? 0) + 1);
  }

  #leave(parent: Context | Entry): void {
    const left = (this.#parents.get(parent) ?? 1) - 1;
    if (left > 0) this.#parents.set(parent, left);
    else this.#parents.delete(parent);
  }

  #unschedule(entry: Entry): void {
    if (!entry.wait) return;
    entry.wait.cancel();
    entry.extra.wait = undefined;
    this.#scheduled.delete(entry);
  }

  #fail(entry: Entry, error: unknown, retryable: boolean): void {
    const { policy, options } = entry.definition;
    const failures = entry.attempt - entry.crashes;
    if (error instanceof SnoozeError && !entry.terms && !entry.isSpent) return this.#snooze(entry, error.afterMs);
    if (!retryable || entry.terms || failures > policy.retries) return this.end(entry, "failed", error);
    if (!wantsRetry(options.retryIf, error)) return this.end(entry, "failed", error);
    // Moved arguments are gone: this failure was the last one.
    if (entry.isSpent) return this.end(entry, "failed", error);
    const wait = backoffMs(policy.backoff, failures, this.runtime.random());
    const { at = Infinity } = entry.deadline ?? {};
    if (this.runtime.elapsed() + wait >= at) return this.end(entry, "failed", overdue(entry, this.idOf(entry), error));
    entry.attempt += 1;
    if (wait > 0) return this.#schedule(entry, wait);
    this.#enqueue(entry);
  }

  /** The carrier of an entry has failed. */
  #batchFailed(entry: Entry, error: unknown): void {
    const { wish } = entry;
    if (wish && !isSoft(wish)) return this.#fulfil(entry, wish, "stopped");
    entry.wish = undefined;
    if (!(error instanceof WorkerDiedError)) return this.#fail(entry, error, true);
    if (entry.crashes >= entry.definition.policy.crashes) return this.end(entry, "failed", error);
    entry.extra.crashes += 1;
    entry.attempt += 1;
    this.#enqueue(entry);
  }

  /** The same attempt, later. It was started, so it does not expire any more. */
  #snooze(entry: Entry, afterMs: number): void {
    entry.expiry?.cancel();
    this.#schedule(entry, afterMs);
  }

  // Maps, and the end of the pool.

  addSource(source: Source): void {
    this.#sources.add(source);
    this.#queue.addFeed(source);
    this.#dispatcher.wake();
  }

  removeSource(source: Source): void {
    if (!this.#sources.delete(source)) return;
    this.#queue.removeFeed(source);
    this.#checkIdle();
  }

  /** A submit begins. */
  submitting(): void {
    this.#dispatcher.submitting();
  }

  /** A source has more to give. */
  wake(): void {
    this.#dispatcher.wake();
  }

  /** Waits until every entry has ended, then ends the workers. */
  async close(): Promise<void> {
    for (const source of this.#sources) source.finish();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    this.#checkIdle();
    await promise;
    await this.#dispatcher.close();
  }

  #checkIdle(): void {
    if (this.#live === 0 && this.#sources.size === 0) this.#onIdle?.();
  }

  /** Fails what waits for a worker. */
  #failWaiting(error: (definition: Definition) => Error, record?: TaskRecord): void {
    for (const entry of this.#queue.entries()) {
      if (record === undefined || entry.record === record) this.end(entry, "failed", error(entry.definition));
    }
    for (const source of this.#sources) {
      if (record === undefined || source.record === record) source.fail(error(source.definition));
    }
  }

  // What lanes tell.

  hasRoom(_lane: Lane, isNew: boolean): void {
    if (!isNew) this.#dispatcher.worked();
    this.#dispatcher.wake();
  }

  outcome(entry: Entry, kind: PayloadKind, data: unknown): void {
    if (entry.isUndoing) entry.extra.isUndoing = false;
    const { wish } = entry;
    if (wish && !isSoft(wish)) {
      const error = kind === failed ? decodeThrown(data as string) : undefined;
      // That steps could not be undone must be seen.
      if (error instanceof UndoError) return this.end(entry, "failed", error, "stopped");
      return this.#fulfil(entry, wish, "stopped");
    }
    entry.wish = undefined;
    if (kind === failed || kind === refused) return this.#fail(entry, decodeThrown(data as string), kind === failed);
    let value: unknown;
    try {
      value = entry.terms?.asText ? textOf(kind, data) : valueOf(kind, data);
    } catch (error) {
      return this.end(entry, "failed", error);
    }
    this.end(entry, "done", value);
  }

  returned(entries: readonly Entry[]): void {
    const again: Entry[] = [];
    for (const entry of entries) {
      if (entry.wish) this.#fulfil(entry, entry.wish, "waiting");
      else if (entry.isSpent) this.end(entry, "failed", spent(entry, this.idOf(entry), this.crew.noun, undefined));
      else again.push(entry);
    }
    if (again.length === 0) return;
    this.#queue.putBack(again);
    this.#dispatcher.wake();
  }

  killed(entry: Entry): void {
    if (entry.wish) this.#fulfil(entry, entry.wish, this.crew.overdue);
  }

  crashed(entry: Entry, death: Death): void {
    if (entry.isUndoing) entry.extra.isUndoing = false;
    const { crew } = this;
    entry.wish = undefined;
    const id = this.idOf(entry);
    if (death.importing && ++entry.record.importDeaths > mostImportDeaths) {
      this.#failWaiting((definition) => importsDie(definition, crew.noun, death), entry.record);
      return this.end(entry, "failed", importsDie(entry.definition, crew.noun, death));
    }
    const limit = entry.terms ? 0 : entry.definition.policy.crashes;
    if (entry.crashes >= limit) return this.end(entry, "failed", died(entry, id, crew.noun, death));
    if (entry.isSpent) return this.end(entry, "failed", spent(entry, id, crew.noun, death));
    entry.extra.crashes += 1;
    entry.attempt += 1;
    this.#queue.putBack([entry]);
    this.#dispatcher.wake();
  }

  overran(entry: Entry, limitMs: number, isImporting: boolean): void {
    const error = isImporting ? importTimedOut(entry, limitMs) : timedOut(entry, this.idOf(entry), limitMs);
    entry.wish = { kind: "timeout", error, told: [], grace: undefined };
  }

  unguarded(entries: readonly Entry[], error: unknown): void {
    for (const entry of entries) this.end(entry, "failed", error);
    // It came so late that no call waits for this worker any more, but the next worker will do the same.
    if (entries.length === 0 && error instanceof Error) process.emitWarning(error.message);
  }

  report(entry: Entry, message: LogMessage | ProgressMessage): void {
    if (message[0] === log) {
      const [, , , line] = message;
      if (entry.terms?.onLog) entry.terms.onLog(line);
      else process.stderr.write(`${entry.definition.name} ${this.idOf(entry)}: ${line}\n`);
      return;
    }
    const [, , , fraction, note] = message;
    entry.extra.progress = { fraction, note };
    entry.terms?.onProgress?.(fraction, note);
  }

  asked(entry: Entry, [, , , no, what, text]: AskMessage, tell: (message: AnswerMessage) => void): void {
    const questions = (entry.extra.questions ??= questionsOf(entry, this.#answerer));
    // What is being undone is not cut off half-way.
    if (what === "undoing") {
      entry.extra.isUndoing = true;
      entry.wish?.grace?.cancel();
    }
    if (what === "left") entry.extra.isLeft = true;
    const args = decode(text) as unknown[];
    if (what === "stopped") this.cancel(entry, args[0] as Error, () => undefined);
    const waits = what === "await" || what === "next";
    if (waits) {
      // Meanwhile it does not take up the room.
      this.#join(entry);
      this.#dispatcher.wake();
    }
    questions
      .answer(what, args)
      .then((value) => tell([answer, no, true, encode(value, "answer")]))
      .catch((error: unknown) => tell([answer, no, false, encodeThrown(error)]))
      .finally(() => {
        if (waits) this.#leave(entry);
      });
  }

  died(lane: Lane, death: Death, how: { readonly failedToStart: boolean; readonly wasIdle: boolean }): void {
    if (how.wasIdle) {
      // Nobody waits for this worker, so nobody else would hear of it.
      const what = death.cause instanceof Error ? (death.cause.stack ?? death.cause.message) : String(death.detail);
      process.emitWarning(`A ${this.crew.noun} of a pool died between tasks (${death.reason}: ${what}). It is replaced.`);
    }
    this.#dispatcher.died(lane, death, how.failedToStart);
  }
}
