// What becomes of a call: the policy of every pool, written once. An entry waits for its time, is given to a worker, and ends,
// or is tried again after a failure (`retries`, `backoff`, `retryIf`) or after the death of its worker (`crashes`). What wants it
// to stop leaves a wish with it (`wishes.ts`).
//
// Invariant: every entry that was begun ends exactly once, and `#live` counts those that have not.
import { SnoozeError, UndoError, WorkerDiedError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Context } from "../task/context.ts";
import { backoffMs } from "../task/options.ts";
import { wantsRetry } from "../task/retry.ts";
import type { FinalState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import { decodeThrown } from "../task/thrown.ts";
import type { Answerer } from "./asked.ts";
import { Batches } from "./batches.ts";
import type { Crew } from "./crew.ts";
import { Dispatcher } from "./dispatcher.ts";
import { died, importsDie, overdue, spent, startsDie } from "./endings.ts";
import type { Entry, Stopped } from "./entry.ts";
import { isSoft } from "./entry.ts";
import { Hearing } from "./hearing.ts";
import { Intake } from "./intake.ts";
import type { Lane, LaneHost } from "./lane.ts";
import type { Death } from "./link.ts";
import { Nesting } from "./nesting.ts";
import type { PayloadKind } from "./payload.ts";
import { failed, refused, text, textOf, valueOf } from "./payload.ts";
import type { Feed } from "./queue.ts";
import { Queue } from "./queue.ts";
import type { TaskRecord } from "./record.ts";
import { Wishes } from "./wishes.ts";

/** How often in a row workers may die importing a module until every call of its tasks fails. */
const mostImportDeaths = 3;

export class Engine implements LaneHost {
  readonly runtime: Runtime;
  readonly graceMs: number;
  readonly crew: Crew;
  readonly intake: Intake;
  readonly wishes: Wishes;
  readonly nesting: Nesting;
  readonly hearing: Hearing;
  readonly #queue = new Queue();
  readonly #dispatcher: Dispatcher;
  /** Entries that wait for a time. */
  readonly #scheduled = new Set<Entry>();
  /** Entries that wait for others to go with, or are carried with them. */
  readonly #batches: Batches;
  #live = 0;
  #onIdle: (() => void) | undefined;

  /** `submit` is the pool's own, for the children of its tasks. */
  constructor(crew: Crew, runtime: Runtime, graceMs: number, submit: Answerer["submit"]) {
    const idPrefix = `${runtime.id()}-`;
    this.crew = crew;
    this.runtime = runtime;
    this.graceMs = graceMs;
    const intake = new Intake(crew, idPrefix);
    this.intake = intake;
    this.nesting = new Nesting(crew.imports ? undefined : idPrefix);
    this.wishes = new Wishes({
      runtime,
      intake,
      end: (...what) => this.end(...what),
      failed: (entry, error) => this.#fail(entry, error, true),
    });
    this.hearing = new Hearing({
      runtime,
      intake,
      submit,
      stopped: (entry, error) => this.wishes.cancel(entry, error, () => undefined),
      waits: (entry, isWaiting) => this.#waits(entry, isWaiting),
    });
    this.#batches = new Batches({
      runtime,
      intake,
      carry: (carrier) => {
        this.begin(carrier, undefined);
        this.#enqueue(carrier);
      },
      stop: (carrier, error) => this.wishes.cancel(carrier, error, () => undefined),
      told: (member, [isResult, told]) => this.outcome(member, isResult ? text : failed, told),
      failed: (member, error) => this.#batchFailed(member, error),
    });
    this.#dispatcher = new Dispatcher({
      queue: this.#queue,
      host: this,
      open: crew.open(idPrefix),
      runtime,
      size: () => crew.size + this.nesting.size,
      isNested: () => this.nesting.size > 0,
      cannotStart: (death) => this.#failWaiting((definition) => startsDie(definition, crew.noun, death)),
    });
  }

  // The life of an entry.

  /** An entry has come to be. It may still be blocked; `start` follows when it is not. */
  begin(entry: Entry, parent: Context | undefined): void {
    this.#live += 1;
    if (parent) {
      entry.extra.parent = parent;
      this.nesting.join(parent);
    }
    this.wishes.watch(entry);
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
    if (entry.parent) this.nesting.leave(entry.parent);
    if (entry.carrier) this.#batches.left(entry);
    entry.ended(state, outcome);
    if (wish?.kind === "cancel") for (const told of wish.told) told(how);
    if (this.#live > 0) return;
    // No worker need be started any more.
    this.#dispatcher.wake();
    this.#checkIdle();
  }

  /** Entries of which `which` is true and that have not ended, those blocked by others excepted. */
  find(which: (entry: Entry) => boolean): Entry[] {
    const given = this.#dispatcher.lanes.flatMap((lane) => lane.entries());
    return [...given, ...this.#queue.entries(), ...this.#scheduled, ...this.#batches.entries()].filter(which);
  }

  #schedule(entry: Entry, ms: number): void {
    entry.phase = "scheduled";
    this.#scheduled.add(entry);
    entry.extra.wait = this.runtime.after(ms, () => {
      this.#unschedule(entry);
      this.#enqueue(entry);
    });
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
    if (error instanceof SnoozeError && !entry.terms && !entry.isSpent) {
      // The same attempt, later. It was started, so it does not expire any more.
      entry.expiry?.cancel();
      return this.#schedule(entry, error.afterMs);
    }
    if (!retryable || entry.terms || failures > policy.retries) return this.end(entry, "failed", error);
    if (!wantsRetry(options.retryIf, error)) return this.end(entry, "failed", error);
    // Moved arguments are gone: this failure was the last one.
    if (entry.isSpent) return this.end(entry, "failed", error);
    const wait = backoffMs(policy.backoff, failures, this.runtime.random());
    const { at = Infinity } = entry.deadline ?? {};
    if (this.runtime.elapsed() + wait >= at) return this.end(entry, "failed", overdue(entry, this.intake.idOf(entry), error));
    entry.attempt += 1;
    if (wait > 0) return this.#schedule(entry, wait);
    this.#enqueue(entry);
  }

  /** An entry waits for a child, or goes on. Meanwhile it does not take up the room. */
  #waits(entry: Entry, isWaiting: boolean): void {
    if (!isWaiting) return this.nesting.leave(entry);
    this.nesting.join(entry);
    this.#dispatcher.wake();
  }

  /** The carrier of an entry has failed. */
  #batchFailed(entry: Entry, error: unknown): void {
    const { wish } = entry;
    if (wish && !isSoft(wish)) return this.wishes.fulfil(entry, wish, "stopped");
    entry.wish = undefined;
    if (!(error instanceof WorkerDiedError)) return this.#fail(entry, error, true);
    if (entry.crashes >= entry.definition.policy.crashes) return this.end(entry, "failed", error);
    entry.extra.crashes += 1;
    entry.attempt += 1;
    this.#enqueue(entry);
  }

  // Maps, and the end of the pool.

  addFeed(feed: Feed): void {
    this.#queue.addFeed(feed);
    this.#dispatcher.wake();
  }

  removeFeed(feed: Feed): void {
    if (this.#queue.removeFeed(feed)) this.#checkIdle();
  }

  /** A submit begins. */
  submitting(): void {
    this.#dispatcher.submitting();
  }

  /** A map has more to give. */
  wake(): void {
    this.#dispatcher.wake();
  }

  /** Waits until every entry has ended, then ends the workers. */
  async close(): Promise<void> {
    for (const feed of this.#queue.feeds()) feed.finish();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    this.#checkIdle();
    await promise;
    await this.#dispatcher.close();
  }

  #checkIdle(): void {
    if (this.#live === 0 && this.#queue.feeds().length === 0) this.#onIdle?.();
  }

  /** Fails what waits for a worker. */
  #failWaiting(error: (definition: Definition) => Error, record?: TaskRecord): void {
    for (const entry of this.#queue.entries()) {
      if (record === undefined || entry.record === record) this.end(entry, "failed", error(entry.definition));
    }
    for (const feed of this.#queue.feeds()) {
      if (record === undefined || feed.record === record) feed.fail(error(feed.definition));
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
      return this.wishes.fulfil(entry, wish, "stopped");
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
      if (entry.wish) this.wishes.fulfil(entry, entry.wish, "waiting");
      else if (entry.isSpent) this.end(entry, "failed", spent(entry, this.intake.idOf(entry), this.crew.noun, undefined));
      else again.push(entry);
    }
    if (again.length === 0) return;
    this.#queue.putBack(again);
    this.#dispatcher.wake();
  }

  killed(entry: Entry): void {
    if (entry.wish) this.wishes.fulfil(entry, entry.wish, this.crew.overdue);
  }

  crashed(entry: Entry, death: Death): void {
    if (entry.isUndoing) entry.extra.isUndoing = false;
    const { crew } = this;
    entry.wish = undefined;
    const id = this.intake.idOf(entry);
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

  unguarded(entries: readonly Entry[], error: unknown): void {
    for (const entry of entries) this.end(entry, "failed", error);
    // It came so late that no call waits for this worker any more, but the next worker will do the same.
    if (entries.length === 0 && error instanceof Error) process.emitWarning(error.message);
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
