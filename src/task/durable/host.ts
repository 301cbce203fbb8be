// What durable steps need of those who run the attempt: a fleet's worker, or a pool, and in a thread or process whoever asks them.
import type { Runtime } from "../../core/runtime.ts";

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

/**
 * What an attempt awaits that has lost its job, or was suspended: it is called back never. A new promise each time, as one for all would
 * hold all that ever awaited it.
 */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}
