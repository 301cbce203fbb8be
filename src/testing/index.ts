// manyhands/testing: virtual time, deterministic simulation, and the conformance suites for executors and stores.
export { TestClock, seededRandom } from "./clock.ts";
export type { TestClockOptions } from "./clock.ts";
export type { Faults } from "./faults.ts";
export { simulate, SimulationError } from "./simulate.ts";
export type { SimulateOptions, Simulation } from "./simulate.ts";
export { executorConformance } from "./executor-suite.ts";
export type { ExecutorWish, SkippedExecutorCases } from "./executor-suite.ts";
export { storeConformance } from "./store-suite.ts";
export type { SkippedCases } from "./store-suite.ts";
