// The events of the memory store: a list, as long as it is asked for.
import type { JobState } from "../../task/state.ts";
import type { Job } from "../job.ts";
import { eventsFrom } from "../lost-events.ts";
import type { EventPage, StoredEvent } from "../store.ts";

/** What happened to jobs. */
export class Events {
  readonly #clock: () => number;
  #keepMs = 0;
  #kept: StoredEvent[] = [];
  /** The number of the event before the first that is kept. */
  #lost = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** See `Store.keepEvents`. */
  keep(asked: number | null, ifNone: number): number {
    const keepMs = asked ?? (this.#keepMs || ifNone);
    if (keepMs === this.#keepMs) return keepMs;
    // What happens until they are kept again is missing.
    if (this.#keepMs === 0 || keepMs === 0) this.#drop(this.#kept.length, 1);
    return (this.#keepMs = keepMs);
  }

  /** A job has come from this state to the one it is in, unless that is the same. */
  note({ id, task, queue, state, attempt, worker }: Job, from: JobState | null): void {
    if (this.#keepMs === 0 || state === from) return;
    const cursor = String(this.#lost + this.#kept.length + 1);
    this.#kept.push({ cursor, at: this.#clock(), id, task, queue, state, from, attempt, worker });
  }

  /** See `Store.events`. */
  read(after: string | null, limit: number): EventPage {
    const top = this.#lost + this.#kept.length;
    const first = eventsFrom(after, { keepMs: this.#keepMs, lost: this.#lost, top }) - this.#lost;
    const events = this.#kept.slice(first, first + limit);
    return { events, next: events.at(-1)?.cursor ?? String(this.#lost + first) };
  }

  /** Drops old ones. Those of a clock that was ahead are as old as the first behind them that is not. */
  prune(now: number, limit: number): void {
    const first = this.#kept.findIndex(({ at }) => at <= now);
    const young = this.#kept.findIndex(({ at }, index) => index >= first && at > now - this.#keepMs);
    if (first >= 0 && young !== first) this.#drop(Math.min(limit, young < 0 ? this.#kept.length : young));
  }

  #drop(count: number, missing: number = 0): void {
    this.#kept.splice(0, count);
    this.#lost += count + missing;
  }
}
