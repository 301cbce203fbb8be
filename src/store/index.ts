// Where jobs are kept: the contract, and the stores there are. (Those that need a server are loaded by URL: see fleet/open.ts.)
export { memoryStore } from "./memory/store.ts";
export { sqliteStore } from "./sqlite/store.ts";
export { openLease } from "./lease.ts";
export type { ClaimedJob, NewJob, Outcome } from "./job.ts";
export type { JobFilter, Store, Want } from "./store.ts";
