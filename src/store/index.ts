// Where jobs are kept: the contract, and the stores there are.
export { memoryStore } from "./memory/store.ts";
export type { SqliteOptions } from "./sqlite/store.ts";
export { sqliteStore } from "./sqlite/store.ts";
export type { OpenLease } from "./lease.ts";
export { openLease } from "./lease.ts";
export type { ClaimedJob, Ended, Job, NewJob, Outcome } from "./job.ts";
export type {
  Added,
  Cancelled,
  JobFilter,
  NewWorker,
  Page,
  QueueStats,
  Settled,
  Store,
  StoredWorker,
  StoreEvent,
  StoreInfo,
  Tended,
  Want,
} from "./store.ts";
