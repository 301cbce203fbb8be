// The ticks of a schedule as a function of time. Cron texts are read by croner, which is loaded by programs that meet one.
import type { Cron } from "croner";
import type { StoredWhen } from "./when.ts";

/** The ticks of a schedule. Times are ms since 1970. */
export interface Rhythm {
  /** The first tick later than this, or null when there is none. */
  after(time: number): number | null;
  /** The last ticks not later than this, oldest first, at most so many. */
  until(time: number, most: number): number[];
}

function interval(every: number, from: number): Rhythm {
  return {
    after: (time) => (time < from ? from : from + (Math.floor((time - from) / every) + 1) * every),
    until(time, most) {
      const last = Math.floor((time - from) / every);
      const count = Math.max(0, Math.min(most, last + 1));
      return Array.from({ length: count }, (_, i) => from + (last - count + 1 + i) * every);
    },
  };
}

function once(at: number): Rhythm {
  return { after: (time) => (at > time ? at : null), until: (time, most) => (at <= time && most > 0 ? [at] : []) };
}

function ofCron(cron: Cron): Rhythm {
  return {
    after: (time) => cron.nextRun(new Date(time))?.getTime() ?? null,
    // Those before a time, newest first.
    until: (time, most) =>
      cron
        .previousRuns(most, new Date(time + 1))
        .map(Number)
        .toReversed(),
  };
}

/** The rhythm of a schedule. Rejects with an error of croner's for a cron text or a time zone it cannot read. */
export async function rhythmOf(when: StoredWhen): Promise<Rhythm> {
  if ("every" in when) return interval(when.every, when.from);
  if ("at" in when) return once(when.at);
  const { Cron } = await import("croner");
  return ofCron(new Cron(when.cron, { timezone: when.timezone, paused: true }));
}

/** True for a cron text without a tick after now. A single time that is over is a tick that was missed. */
export async function isOver(when: StoredWhen, now: number): Promise<boolean> {
  return "cron" in when && (await rhythmOf(when)).after(now) === null;
}
