// The history of a run: a file to which every worker process adds lines as things happen to it, and which the checker reads when all
// is over. A line is written before its effect can be seen by anyone, and with one write each, so that a killed process leaves whole lines.
// Times are of the machine's monotonic clock, which all its processes share.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { hrtime } from "node:process";
import type { Outcome } from "../../src/store/job.ts";

/** A task began to run: its effect on the world. */
export interface Ran {
  readonly kind: "ran";
  readonly id: string;
  readonly task: string;
  readonly attempt: number;
  readonly fence: number;
  readonly worker: string;
  /** Names this one execution. */
  readonly token: string;
  readonly at: number;
}

/** A step of a task began to run: its effect on the world. */
export interface Stepped {
  readonly kind: "stepped";
  readonly id: string;
  readonly step: string;
  readonly fence: number;
  /** Names this one execution. */
  readonly token: string;
  readonly at: number;
}

/** The store gave a job to a worker. */
export interface Claimed {
  readonly kind: "claimed";
  readonly id: string;
  readonly attempt: number;
  readonly fence: number;
  readonly worker: string;
  readonly at: number;
}

/** The store answered to an outcome. */
export interface Answered {
  readonly kind: "accepted" | "refused";
  readonly id: string;
  readonly fence: number;
  readonly worker: string;
  readonly outcome: Outcome["kind"];
  /** The encoded result, where there is one. */
  readonly result: string | null;
  /** When it was sent; `at` is when the answer came. */
  readonly sentAt: number;
  readonly at: number;
}

/** What a worker says of itself: that it lost its lease, or that its store works again after some time. */
export interface Told {
  readonly kind: "lease-lost" | "store-back";
  readonly worker: string;
  readonly ms: number;
  readonly at: number;
}

export type Line = Ran | Stepped | Claimed | Answered | Told;

/** Ms of a clock that all processes of the machine share and nobody sets. */
export function sharedMs(): number {
  return Number(hrtime.bigint() / 1000n) / 1000;
}

/** Adds lines to a history. */
export class HistoryWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  write(lines: readonly Line[]): void {
    if (lines.length > 0) writeSync(this.#file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads a history; every line must be whole. */
export function readHistory(path: string): readonly Line[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
}
