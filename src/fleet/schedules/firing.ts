// A worker's part in the schedules. Every worker keeps them in memory and sleeps until the next tick; whoever is first moves the
// schedule on and adds the job in one step of the store, and the others find it done. So no worker is special, and none has to live.
//
// It asks the store for the schedules when one of the store's own records was written, and every few seconds in case nobody said so. Who fired a schedule last
// fires it again without delay; the others give it a moment, so that a fleet of many does not try each tick as often as it has workers.
import { ClosedError, StoreLostError, StoreUnavailable } from "../../core/errors.ts";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { NewJob } from "../../store/job.ts";
import type { Added, Store } from "../../store/store.ts";
import { isFinal } from "../../task/state.ts";
import { tickId } from "../../task/scheduled.ts";
import { notUnderstood, readAll, replace } from "./ledger.ts";
import type { Entry } from "./ledger.ts";
import type { Stored } from "./record.ts";
import { writeRecord } from "./record.ts";
import type { Rhythm } from "./rhythm.ts";
import { rhythmOf } from "./rhythm.ts";
import type { Step } from "./step.ts";
import { stepOf } from "./step.ts";
import { jobsOf } from "./template.ts";

/** Several records written in a row are looked at together. */
const gatherMs = 50;
/** So often at most, however much is written. */
const pauseMs = 150;
const reloadMs = 10_000;
/** How long workers that did not fire a schedule last leave its ticks to the one that did: from this on, and up to twice as long. */
const leaveMs = 50;

/** What firing needs of its worker. */
export interface FiringHost {
  readonly store: Store;
  readonly runtime: Runtime;
  /** These running jobs are to be cancelled. */
  cancel(ids: readonly string[]): void;
  /** The store failed; it is tried again. */
  storeFailed(error: Error): void;
  /** A schedule cannot fire; it is tried again. */
  scheduleFailed(name: string, error: Error): void;
}

interface Known {
  readonly name: string;
  text: string;
  stored: Stored;
  rhythm: Rhythm | undefined;
  /** This worker fired it last. */
  isMine: boolean;
  /** How long this one leaves a tick to others. */
  readonly leaveMs: number;
  /** It waits for the next look, since the last try failed. */
  hasFailed: boolean;
  /** What it has been said to fail with. */
  told: string | undefined;
}

/** Fires the ticks of a store's schedules until stopped. */
export class Firing {
  readonly #host: FiringHost;
  #known: ReadonlyMap<string, Known> = new Map();
  readonly #unreadable = new Set<string>();
  #isStale = true;
  #loadedAt = -Infinity;
  /** Jobs have ended for which queued ticks may wait. */
  #hasEnded = false;
  #timer: Timer | undefined;
  #at = Infinity;
  #turn: Promise<void> | undefined;
  #stopped = false;

  constructor(host: FiringHost) {
    this.#host = host;
    this.#wakeIn(0);
  }

  /** One of the store's own records was written somewhere. */
  written(): void {
    this.#isStale = true;
    this.#wakeIn(this.#untilLoad());
  }

  /** Jobs have ended somewhere. */
  ended(): void {
    if (!this.#known.values().some(({ isMine, stored }) => isMine && stored.queued.length > 0)) return;
    this.#hasEnded = true;
    this.#wakeIn(gatherMs);
  }

  /** To be called now and then: the clock may have jumped, and word of a change may have been lost. */
  look(): void {
    if (this.#host.runtime.elapsed() - this.#loadedAt >= reloadMs) this.#isStale = true;
    this.#hasEnded = true;
    for (const known of this.#known.values()) known.hasFailed = false;
    this.#wakeIn(this.#isStale ? 0 : this.#untilNext());
  }

  /** Ends it; resolves when what is under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#turn;
  }

  #wakeIn(ms: number): void {
    const at = this.#host.runtime.elapsed() + Math.max(0, ms);
    if (this.#stopped || at >= this.#at) return;
    this.#at = at;
    if (!this.#turn) this.#setTimer();
  }

  #setTimer(): void {
    this.#timer?.cancel();
    if (this.#at === Infinity) return;
    this.#timer = this.#host.runtime.after(Math.max(0, this.#at - this.#host.runtime.elapsed()), () => {
      this.#at = Infinity;
      this.#turn = this.#round().finally(() => {
        this.#turn = undefined;
        if (!this.#stopped) this.#setTimer();
      });
    });
  }

  #untilLoad(): number {
    return Math.max(gatherMs, this.#loadedAt + pauseMs - this.#host.runtime.elapsed());
  }

  /** In ms, when the first of the schedules wants to be looked at; less than 0 when it is late. */
  #untilNext(): number {
    const now = this.#host.store.now();
    let least = Infinity;
    for (const known of this.#known.values()) least = Math.min(least, this.#wakeAt(known) - now);
    return least;
  }

  #wakeAt({ stored, isMine, hasFailed, leaveMs: leave }: Known): number {
    if (stored.paused || hasFailed) return Infinity;
    if (this.#hasEnded && stored.queued.length > 0) return -Infinity;
    return stored.next === null ? Infinity : stored.next + (isMine ? 0 : leave);
  }

  async #round(): Promise<void> {
    try {
      if (this.#isStale) await this.#load();
      const now = this.#host.store.now();
      const due = [...this.#known.values()].filter((known) => this.#wakeAt(known) <= now);
      this.#hasEnded = false;
      // All at once: their steps share a commit.
      const attended = await Promise.allSettled(due.map((known) => this.#attend(known)));
      for (const each of attended) if (each.status === "rejected") throw each.reason;
      this.#wakeIn(this.#isStale ? this.#untilLoad() : this.#untilNext());
    } catch (error) {
      // The next look tries again.
      this.#isStale = true;
      if (!(error instanceof ClosedError)) this.#host.storeFailed(error as Error);
    }
  }

  async #load(): Promise<void> {
    this.#isStale = false;
    const entries = await readAll(this.#host.store);
    this.#loadedAt = this.#host.runtime.elapsed();
    this.#known = new Map(entries.flatMap((entry) => this.#meet(entry)).map((known) => [known.name, known] as const));
  }

  #meet(entry: Entry): Known[] {
    const { name, text, stored } = entry;
    const known = this.#known.get(name);
    if (known?.text === text) return [known];
    if (stored) {
      const isSameRhythm = known !== undefined && JSON.stringify(known.stored.when) === JSON.stringify(stored.when);
      const rhythm = isSameRhythm ? known.rhythm : undefined;
      const leave = leaveMs * (1 + this.#host.runtime.random());
      return [{ name, text, stored, rhythm, isMine: false, leaveMs: leave, hasFailed: false, told: known?.told }];
    }
    if (!this.#unreadable.has(text)) this.#host.scheduleFailed(name, notUnderstood(entry));
    this.#unreadable.add(text);
    return [];
  }

  /** Fires what is due of a schedule. */
  async #attend(known: Known): Promise<void> {
    try {
      known.rhythm ??= await rhythmOf(known.stored.when);
      while (!this.#stopped) {
        const living = await this.#livingOf(known.stored);
        const step = stepOf(known.name, known.stored, known.rhythm, this.#host.store.now(), living);
        if (!step) return;
        if (await this.#take(known, step)) continue;
        // Someone else has moved it on.
        this.#isStale = true;
        return;
      }
    } catch (error) {
      if (error instanceof StoreUnavailable || error instanceof StoreLostError || error instanceof ClosedError) throw error;
      const { message } = error as Error;
      if (known.told !== message) this.#host.scheduleFailed(known.name, error as Error);
      known.told = message;
      known.hasFailed = true;
    }
  }

  /** The jobs of a schedule that have not ended, where that matters. */
  async #livingOf({ overlap, live }: Stored): Promise<string[]> {
    if (overlap === "allow" || live.length === 0) return [];
    const found = await this.#host.store.get(live);
    const living = new Set(found.filter(({ state }) => !isFinal(state)).map(({ id }) => id));
    return live.filter((id) => living.has(id));
  }

  /** Takes a step, unless the schedule is no longer as it was; gives whether it did. */
  async #take(known: Known, { to, fires, cancels }: Step): Promise<boolean> {
    const { store } = this.#host;
    if (cancels.length > 0) {
      const reason = `Replaced by the next tick of schedule "${known.name}".`;
      this.#host.cancel((await store.cancel({ ids: cancels }, reason, store.now())).requested);
    }
    const ids = fires.map((tick) => tickId(known.name, tick));
    const added = await this.#add(known, to, ids);
    if (added === null) return false;
    known.isMine = true;
    known.told = undefined;
    const dropped = new Set(added.filter(({ existing }) => existing !== null).map(({ id }) => id));
    await this.#countDropped(
      known,
      ids.filter((id) => dropped.has(id)),
    );
    return true;
  }

  async #add(known: Known, to: Stored, ids: readonly string[]): Promise<readonly Added[] | null> {
    const { store } = this.#host;
    const jobs = (chosen: readonly string[]): NewJob[] => chosen.flatMap((id) => jobsOf(to.jobs, id, store.now()));
    const step = (chosen: readonly string[]) => replace(store, known.name, known.text, { to, jobs: jobs(chosen) });
    const added = await step(ids).catch(async (error: unknown) => {
      // A tick that this name had before, when it was another schedule or the clock was ahead: it has its job already.
      const there = new Set((await store.get(ids)).map(({ id }) => id));
      if (there.size === 0) throw error;
      return step(ids.filter((id) => !there.has(id)));
    });
    if (added !== null) [known.stored, known.text] = [to, writeRecord(to)];
    return added;
  }

  /** Ticks whose unique key belonged to another live job made none. Who dies before this leaves them counted as fired. */
  async #countDropped(known: Known, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { stored } = known;
    const live = stored.live.filter((id) => !ids.includes(id));
    const to = { ...stored, live, fired: stored.fired - ids.length, skipped: stored.skipped + ids.length };
    if ((await replace(this.#host.store, known.name, known.text, { to })) === null) this.#isStale = true;
    else [known.stored, known.text] = [to, writeRecord(to)];
  }
}
