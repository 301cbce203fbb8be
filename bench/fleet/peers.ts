// Who takes part in the fleet rows, with what settings. "Tuned" are those that did best in a search on two cores.
import type { Contender } from "./contract.ts";

/** A contender as it is entered into rows. */
export interface Peer {
  readonly name: string;
  readonly from: string;
  readonly settings: string;
  readonly contender: Contender["contender"];
  readonly options?: Contender["options"];
  /** By work: at most so many jobs, where all would take minutes. */
  readonly most?: Readonly<Record<string, number>>;
}

export const hands: Peer = {
  name: "manyhands",
  from: "manyhands",
  settings: "connect(url) and everything by default: 50 at a time in a worker, results kept for 7 days",
  contender: "manyhands",
};

export const graphile: Peer = {
  name: "graphile-worker, tuned",
  from: "graphile-worker",
  settings:
    "concurrency 24, localQueue 1000, completeJobBatchDelay and failJobBatchDelay 0; it keeps no results; 5,000 jobs at most in flight, for time's sake",
  contender: "graphile",
  most: { submit: 5000 },
  options: {
    worker: { concurrentJobs: 24, localQueue: { size: 1000 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  },
};

export const graphileDefault: Peer = {
  name: "graphile-worker, default",
  from: "graphile-worker",
  settings: "as it comes: concurrency 1, a job at a time from the database; 5,000 jobs at most, for time's sake",
  contender: "graphile",
  most: { drain: 5000 },
};

export const pgBoss: Peer = {
  name: "pg-boss, tuned",
  from: "pg-boss",
  settings:
    "batchSize 1000, burstWhenBatchFull, NOTIFY on, a result for each job; results kept; 5,000 jobs at most in flight, for time's sake",
  contender: "pg-boss",
  most: { submit: 5000 },
  options: { notify: true, work: { batchSize: 1000, burstWhenBatchFull: true } },
};

export const pgBossDefault: Peer = {
  name: "pg-boss, default",
  from: "pg-boss",
  settings: "as it comes: one job every 2 s; results kept; 6 jobs, for time's sake",
  contender: "pg-boss",
  most: { drain: 6 },
};

export const bullmq: Peer = {
  name: "BullMQ, tuned",
  from: "bullmq",
  settings: "concurrency 50; results kept for ever, its default",
  contender: "bullmq",
  options: { worker: { concurrency: 50 } },
};

export const bullmqAsOurs: Peer = {
  name: "BullMQ, tuned, keeps 7 days",
  from: "bullmq",
  settings: "the same with removeOnComplete: { age: 7 days }, as manyhands keeps results",
  contender: "bullmq",
  options: { worker: { concurrency: 50, removeOnComplete: { age: 7 * 24 * 3600 } } },
};

export const bullmqDefault: Peer = {
  name: "BullMQ, default",
  from: "bullmq",
  settings: "as it comes: concurrency 1, results kept for ever; 10,000 jobs at most, for time's sake",
  contender: "bullmq",
  most: { drain: 10_000 },
};
