// What becomes of a schedule's ticks, in one place: a pure function of what is stored, the time, and which of its jobs live. The
// tables of docs/guide/schedules.md say the same in words.
//
//   ticks that are due ── catchUp ──► those that count ── overlap ──► fire now │ wait in `queued` │ are dropped
//
// A tick is missed when it is late by more than `onTimeMs`: no worker was there for it. Clocks may jump: a tick that has fired lies
// behind `next` and does not fire again when the clock goes back, and ticks that a clock jumped over are late like any others.
import { tickId } from "../../task/scheduled.ts";
import type { Stored } from "./record.ts";
import type { Rhythm } from "./rhythm.ts";

/** A tick later than this was missed. */
export const onTimeMs = 10_000;
/** How many ticks wait for the end of those before, where overlap is `queue`; and how many missed ticks are caught up on. */
export const mostQueued = 100;
export const mostCaughtUp = 1000;
/** With so many jobs of ticks a step is full; the next follows at once. */
const mostAtOnce = 100;

/** What is to be done, at once or not at all. */
export interface Step {
  readonly to: Stored;
  /** The ticks that become jobs. */
  readonly fires: readonly number[];
  /** Jobs to cancel first. */
  readonly cancels: readonly string[];
}

/** The ticks from `first` on that are due, oldest first, at most the last `mostCaughtUp`; and the one after them. */
function dueTicks(first: number, rhythm: Rhythm, now: number): { readonly due: readonly number[]; readonly next: number | null } {
  const due: number[] = [];
  // The stored tick counts, also where another version of the time zone data would not have it.
  let tick: number | null = first;
  for (; tick !== null && tick <= now; tick = rhythm.after(tick)) {
    if (due.length === mostCaughtUp) return { due: rhythm.until(now, mostCaughtUp), next: rhythm.after(now) };
    due.push(tick);
  }
  return { due, next: tick };
}

/** Those of the due ticks that count. */
function countingTicks(due: readonly number[], { catchUp, windowMs }: Stored, now: number): readonly number[] {
  const onTime = due.filter((tick) => now - tick <= onTimeMs);
  if (catchUp === "none") return onTime;
  const reachable = due.filter((tick) => now - tick <= Math.max(onTimeMs, windowMs ?? Infinity));
  if (catchUp === "all") return reachable;
  return onTime.length > 0 ? onTime : reachable.slice(-1);
}

interface Course {
  readonly queued: readonly number[];
  readonly fires: readonly number[];
  readonly cancels: readonly string[];
  readonly skipped: number;
}

/** What overlap makes of ticks that count while these jobs live. */
function course(ticks: readonly number[], { overlap, queued }: Stored, living: readonly string[]): Course {
  const all = [...queued, ...ticks];
  const free = living.length === 0;
  const first = free ? all.slice(0, 1) : [];
  switch (overlap) {
    case "allow":
      return { queued: [], fires: all, cancels: [], skipped: 0 };
    case "skip": {
      // Those that have waited since another rule held go on waiting; no tick joins them.
      const rest = free ? queued.slice(1) : queued;
      return { queued: rest, fires: first, cancels: [], skipped: all.length - first.length - rest.length };
    }
    case "queue": {
      const rest = free ? all.slice(1) : all;
      return { queued: rest.slice(0, mostQueued), fires: first, cancels: [], skipped: Math.max(0, rest.length - mostQueued) };
    }
    case "cancelOther": {
      const last = all.slice(-1);
      const skipped = all.length - last.length;
      if (free) return { queued: [], fires: last, cancels: [], skipped };
      return { queued: last, fires: [], cancels: ticks.length > 0 ? living : [], skipped };
    }
  }
}

/** The next step of a schedule, or null when there is nothing to do. `living` are those of `live` that have not ended. */
export function stepOf(name: string, stored: Stored, rhythm: Rhythm, now: number, living: readonly string[]): Step | null {
  if (stored.paused) return null;
  const { due, next } = stored.next === null ? { due: [], next: null } : dueTicks(stored.next, rhythm, now);
  const counting = countingTicks(due, stored, now);
  const ticks = stored.overlap === "cancelOther" ? counting : counting.slice(0, mostAtOnce);
  const left = counting[ticks.length];
  const { queued, fires, cancels, skipped } = course(ticks, stored, living);
  if (due.length === 0 && fires.length === 0) return null;
  const ids = fires.map((tick) => tickId(name, tick));
  const to = {
    ...stored,
    next: left ?? next,
    last: fires.at(-1) ?? stored.last,
    live: stored.overlap === "allow" ? (fires.length > 0 ? ids.slice(-1) : stored.live) : [...living, ...ids],
    queued,
    fired: stored.fired + fires.length,
    skipped: stored.skipped + skipped,
    missed: stored.missed + due.length - counting.length,
  };
  return { to, fires, cancels };
}
