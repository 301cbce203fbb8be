// What every queue on a server is reduced to before it is measured, so that one piece of code times them all. A job carries
// { n } and, where the contender keeps results, ends with { n }.

/** What a job does in a worker. */
export type Run = (n: number) => unknown;

/** The job's payload, and its result. */
export interface Numbered {
  readonly n: number;
}

/** A contender connected to its server. */
export interface Fleet {
  /** Makes one job; resolves when the server has acknowledged it. */
  readonly add: (n: number) => Promise<unknown>;
  /** Makes the jobs from..from + size - 1, the fastest way it has; resolves when all are acknowledged. */
  readonly addMany: (from: number, size: number) => Promise<unknown>;
  /** Makes one job; resolves with its result. Absent where the contender tells none. */
  readonly result?: (n: number) => Promise<unknown>;
  /** How many jobs are not recorded as done. */
  readonly unfinished: () => Promise<number>;
  /** Every result it keeps. Absent where it keeps none. */
  readonly results?: () => Promise<readonly Numbered[]>;
  /** Becomes a worker; resolves when it takes jobs. */
  readonly work: (run: Run) => Promise<{ readonly stop: () => Promise<unknown> }>;
  readonly close: () => Promise<unknown>;
}

/** What was set; each contender has its own. */
export type Options = Readonly<Record<string, unknown>>;

/** Connects a contender. */
export type OpenFleet = (url: string, options: Options) => Promise<Fleet>;

/** Which contender, and where. */
export interface Contender {
  readonly contender: "manyhands" | "graphile" | "pg-boss" | "bullmq";
  readonly options: Options;
  readonly url: string;
}
