// A schedule as it is stored: one record of the store's own, with what was defined and how far it has come. Both stand in one
// text, so that whoever fires a tick, and whoever changes or pauses the schedule, find out about each other: each compares the text they
// saw and sets theirs in one step of the store (`addIf`).
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import type { TickJob } from "./template.ts";
import type { StoredWhen } from "./when.ts";

export type CatchUp = "none" | "latest" | "all";
export type Overlap = "allow" | "skip" | "queue" | "cancelOther";

/** What was defined. */
export interface Definition {
  readonly when: StoredWhen;
  readonly catchUp: CatchUp;
  /** Missed ticks older than this are not caught up on; null for all. */
  readonly windowMs: number | null;
  readonly overlap: Overlap;
  /** The jobs of a tick, the outermost call last. */
  readonly jobs: readonly TickJob[];
}

/** A schedule and how far it has come. */
export interface Stored extends Definition {
  /** The layout of this text. */
  readonly v: 1;
  readonly paused: boolean;
  /** The tick that fires next; null when there is none, or while it is paused. */
  readonly next: number | null;
  /** The last tick that made a job. */
  readonly last: number | null;
  /** The jobs of ticks that may not have ended yet; where overlap is allowed, only the last. */
  readonly live: readonly string[];
  /** Ticks that wait for the end of those jobs. */
  readonly queued: readonly number[];
  /** How many ticks made a job; how many were dropped because one before lived, or its unique key did; how many were missed. */
  readonly fired: number;
  readonly skipped: number;
  readonly missed: number;
}

const prefix = "schedule/";

/** Checks the name of a schedule; throws {@link UsageError} otherwise. */
export function checkScheduleName(name: unknown): string {
  if (typeof name === "string" && /^[\w\-.:/]{1,128}$/.test(name)) return name;
  throw new UsageError(`A schedule's name has 1 to 128 letters, digits or _ - . : /, found ${show(name)}.`);
}

/** Under which name of a record a schedule, or with "" all of them, are stored. */
export function recordName(name: string): string {
  return prefix + name;
}

/** The schedule whose record has this name. */
export function nameOfRecord(record: string): string {
  return record.slice(prefix.length);
}

export function writeRecord(stored: Stored): string {
  return JSON.stringify(stored);
}

/** Undefined for a text that this version cannot read. */
export function readRecord(text: string): Stored | undefined {
  try {
    const value = JSON.parse(text) as Partial<Stored> | null;
    return value?.v === 1 && Array.isArray(value.jobs) && value.jobs.length > 0 ? (value as Stored) : undefined;
  } catch {
    // Damaged or foreign: whoever asked says so.
    return undefined;
  }
}
