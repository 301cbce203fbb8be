// What a row of the benchmark is: one piece of work, the contenders that do it, and what manyhands has to reach.

/** Named numbers that a contender's process gives back. */
export type Figures = Readonly<Record<string, number>>;

/** A private server, started for a process that is measured and ended with it; its URL is told as `url`. */
export interface ServerNeed {
  readonly kind: "postgres" | "redis";
  /** Settings besides those of the durability, which are the same for all. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** One contender in one row, run in a process of its own. */
export interface Entry {
  readonly name: string;
  /** The package it comes from; "manyhands" and "node" are always there. */
  readonly from: string;
  /** What was set, for the reader. */
  readonly settings: string;
  /** The program that measures it, relative to this folder, and what it is told. */
  readonly script: string;
  readonly told: Readonly<Record<string, unknown>>;
  readonly runtime?: "node" | "bun";
  readonly server?: ServerNeed;
}

/** One column of a row's table. */
export interface Column {
  readonly key: string;
  readonly label: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly digits?: number;
}

/** What the row must reach: a ratio to the best of some contenders, or a bound on manyhands' own figure. */
export interface Target {
  readonly text: string;
  /** True for what is aimed at, not demanded. */
  readonly aim?: boolean;
  readonly column: string;
  /** The entry that is judged. */
  readonly ours: string;
  /** With `against`: the least ratio to the best of them, counted so that more is better. Without: the bound itself. */
  readonly bound: number;
  readonly against?: readonly string[];
}

/** A row: the same work by every contender, in rounds that alternate between them. */
export interface Row {
  readonly id: string;
  readonly group: "pools" | "durable" | "fleet" | "flows";
  readonly title: string;
  readonly work: string;
  readonly rounds: number;
  /** No further round is begun after this long. */
  readonly limitMs: number;
  /** A process that takes longer is stopped. Default two minutes. */
  readonly processLimitMs?: number;
  /** The first column is the one that ratios are printed for. */
  readonly columns: readonly [Column, ...Column[]];
  readonly entries: readonly Entry[];
  /** The program that measures all contenders in turns, where they are too close for a process each. */
  readonly together?: string;
  /** What that program is told besides. */
  readonly sizes?: Readonly<Record<string, number | string>>;
  readonly targets: readonly Target[];
}

/** What one contender gave in one row: its figures round by round, or why it has none. */
export interface Measured {
  readonly entry: Entry;
  readonly rounds: readonly (Figures | undefined)[];
  readonly skipped: string | undefined;
}

/** A target with what was found; `value` is NaN when it could not be judged. */
export interface Judged {
  readonly target: Target;
  readonly value: number;
  readonly met: boolean | undefined;
}

/** A measured row. */
export interface Outcome {
  readonly row: Row;
  readonly measured: readonly Measured[];
  readonly judged: readonly Judged[];
}
