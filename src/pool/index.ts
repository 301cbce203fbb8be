// manyhands/pool: the three pools of one machine.
export { InlinePool } from "./inline/pool.ts";
export type { InlinePoolOptions } from "./inline/pool.ts";
export { ThreadPool } from "./threads/pool.ts";
export type { ThreadPoolOptions } from "./threads/pool.ts";
export { ProcessPool } from "./processes/pool.ts";
export type { ProcessPoolOptions } from "./processes/pool.ts";
export type { PoolOptions } from "./pool.ts";
export type { Size } from "./options.ts";
export type { Executor, MapOptions } from "./executor.ts";
export { Future } from "./future.ts";
export type { CancelReceipt, Progress } from "./future.ts";
export { Results } from "./results.ts";
