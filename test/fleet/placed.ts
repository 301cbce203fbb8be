// What the executor suite needs to run on a fleet: its tasks placed in threads or processes of a worker in this program.
import { connect } from "../../src/index.ts";
import type { ConnectOptions, Hands } from "../../src/index.ts";
import type { Definition } from "../../src/task/task.ts";
import { definitionOf, isTask, taskOf } from "../../src/task/task.ts";
import type { ExecutorWish } from "../../src/testing/executor-suite.ts";
import type { SkippedCases } from "../../src/testing/store-suite.ts";
import * as suite from "../../src/testing/executor-suite/tasks.ts";

const placed = (on: "thread" | "process"): object[] =>
  Object.values(suite)
    .filter(isTask)
    .map((task): Definition => definitionOf(task))
    .map((definition) => taskOf({ ...definition, policy: { ...definition.policy, on } }));

/** Hands with a worker. */
export async function fleet(
  url: string,
  on: "thread" | "process",
  { size }: ExecutorWish,
  options: ConnectOptions = {},
): Promise<Hands> {
  const hands = await connect(url, options);
  hands.work({ tasks: placed(on), threads: size, processes: size });
  return hands;
}

/** What no fleet passes. */
export const noMemory: SkippedCases = {
  reason: "Jobs are stored: there is no memory to share or to move.",
  tests: ["shared memory passes by reference", "moved memory is gone here"],
};

export const noCode: SkippedCases = {
  reason: "`retryIf` is code and is not stored: the one of the worker's own definition holds, not one given at submit.",
  tests: ["retryIf decides, and its own failure ends the task"],
};

export const lastWords: SkippedCases = {
  reason: "Known fault of the ProcessPool under heavy load: see test/pool/processes.test.ts.",
  tests: ["the neighbours of a task that ends its worker run exactly once"],
};
