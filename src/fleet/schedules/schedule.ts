// One schedule of a fleet, as people and programs steer it.
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import { checkInteger } from "../../core/suggest.ts";
import type { Future } from "../../pool/future.ts";
import type { Added, Store } from "../../store/store.ts";
import { nameOf } from "../../task/requires.ts";
import { decode } from "../../task/codec.ts";
import { triggeredId } from "../../task/scheduled.ts";
import { setPaused } from "./define.ts";
import type { Entry } from "./ledger.ts";
import { change, notUnderstood, readOne, understood } from "./ledger.ts";
import type { CatchUp, Overlap, Stored } from "./record.ts";
import { rhythmOf } from "./rhythm.ts";
import { jobsOf } from "./template.ts";
import type { StoredWhen } from "./when.ts";

/** A schedule as stored. Times are ms since 1970. */
export interface ScheduleInfo {
  readonly name: string;
  readonly when: StoredWhen;
  readonly catchUp: CatchUp;
  /** How late a missed tick may be and still be caught up on, in ms; null for any time. */
  readonly windowMs: number | null;
  readonly overlap: Overlap;
  readonly paused: boolean;
  /** The task of a tick's outermost call, its queue, and its arguments; results of other calls show as null. */
  readonly task: string;
  readonly queue: string;
  readonly args: readonly unknown[];
  /** The tick that fires next; null when there is none, or while it is paused. */
  readonly next: number | null;
  /** The last tick that made a job. */
  readonly last: number | null;
  /** Ticks that wait for the end of the jobs before them. */
  readonly queued: readonly number[];
  /** How many ticks made a job. */
  readonly fired: number;
  /** How many were dropped because a job before them lived, or one with the same unique key. */
  readonly skipped: number;
  /** How many were missed and not caught up on. After a very long absence only the last thousand ticks are counted. */
  readonly missed: number;
  readonly problem: undefined;
}

/** A stored schedule that this program cannot read: of its fields it has the name alone. */
export type UnreadableSchedule = {
  readonly name: string;
  /** What is wrong, and what to do: it is sealed by middleware or with a key that is not there, of another version, or damaged. */
  readonly problem: string;
} & { readonly [Field in Exclude<keyof ScheduleInfo, "name" | "problem">]?: undefined };

/** What a schedule needs of its fleet. */
export interface ScheduleHost {
  readonly store: Store;
  /** A text that no other call gives. */
  mark(): string;
  /** The future of a job that is being added. */
  follow(id: string, adding: Promise<Added>): Future<unknown>;
}

/** The schedule for people and programs. */
export function scheduleInfo(name: string, stored: Stored): ScheduleInfo {
  const { v: _v, jobs, live: _live, ...facts } = stored;
  const root = jobs.at(-1) as Stored["jobs"][number];
  const args = decode(
    root.args,
    root.dependsOn.map(() => null),
  ) as readonly unknown[];
  return { name, ...facts, task: nameOf(root.task), queue: root.queue, args, problem: undefined };
}

/** The schedule as one of a list, in which one that cannot be read must not hide the others. */
export function listedSchedule(entry: Entry): ScheduleInfo | UnreadableSchedule {
  const { name, stored } = entry;
  if (!stored) return { name, problem: notUnderstood(entry).message };
  try {
    return scheduleInfo(name, stored);
  } catch (error) {
    return { name, problem: `Schedule "${name}" cannot be read: ${(error as Error).message}` };
  }
}

/** A schedule by its name. Made by `hands.schedule()`; its verbs reject with a UsageError when no schedule of that name is stored. */
export class Schedule {
  readonly name: string;
  readonly #host: ScheduleHost;

  /** Made by `hands.schedule()`. */
  constructor(name: string, host: ScheduleHost) {
    this.name = name;
    this.#host = host;
  }

  /** It fires no more until `resume()`; jobs it has made go on. Ticks of the pause are dropped. */
  pause(): Promise<void> {
    return this.#setPaused(true);
  }

  /** It fires again, from the first tick after now. */
  resume(): Promise<void> {
    return this.#setPaused(false);
  }

  /** Runs its call now, outside the rhythm: also while it is paused, and whatever lives. Later ticks take the job for one before them. */
  trigger(): Future<unknown> {
    const { store } = this.#host;
    const now = store.now();
    const id = triggeredId(this.name, now, this.#host.mark());
    const adding = change(store, this.name, (entry) => {
      const stored = this.#there(entry && understood(entry));
      const live = stored.overlap === "allow" ? [id] : [...stored.live, id];
      return { to: { ...stored, live }, jobs: jobsOf(stored.jobs, id, now) };
    });
    return this.#host.follow(
      id,
      adding.then((added) => added?.at(-1) as Added),
    );
  }

  /** Its next `n` ticks (default 10); none while it is paused, fewer when it ends. */
  async next(n: number = 10): Promise<readonly Date[]> {
    checkInteger(n, "next()", 1, 10_000);
    const stored = this.#there(await this.#read());
    const rhythm = await rhythmOf(stored.when);
    const ticks: Date[] = [];
    for (let tick = stored.next; tick !== null && ticks.length < n; tick = rhythm.after(tick)) ticks.push(new Date(tick));
    return ticks;
  }

  /** Deletes it; jobs it has made go on, ticks that wait for them are dropped. False when there was none. */
  async remove(): Promise<boolean> {
    const removed = await change(this.#host.store, this.name, (entry) => (entry ? { to: null } : undefined));
    return removed !== undefined;
  }

  /** What is stored of it, or undefined when there is none of this name. Rejects when it cannot be read, as all verbs do but `remove`. */
  async info(): Promise<ScheduleInfo | undefined> {
    const stored = await this.#read();
    return stored && scheduleInfo(this.name, stored);
  }

  async #read(): Promise<Stored | undefined> {
    const entry = await readOne(this.#host.store, this.name);
    return entry && understood(entry);
  }

  #there(stored: Stored | undefined): Stored {
    if (stored) return stored;
    throw new UsageError(`There is no schedule ${show(this.name)} in this store. Define it: schedule(name, when, call).`);
  }

  async #setPaused(paused: boolean): Promise<void> {
    const { store } = this.#host;
    await change(store, this.name, async (entry) => {
      const stored = this.#there(entry && understood(entry));
      const to = setPaused(stored, paused, await rhythmOf(stored.when), store.now());
      return to === stored ? undefined : { to };
    });
  }
}
