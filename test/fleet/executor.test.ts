// The fleet passes the executor suite, with its tasks in threads and in processes of a worker in this program.
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { connect } from "../../src/index.ts";
import type { Hands } from "../../src/index.ts";
import type { Definition } from "../../src/task/task.ts";
import { definitionOf, isTask, taskOf } from "../../src/task/task.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import type { ExecutorWish } from "../../src/testing/executor-suite.ts";
import * as suite from "../../src/testing/executor-suite/tasks.ts";

const folder = mkdtempSync(join(tmpdir(), "manyhands-fleet-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const placed = (on: "thread" | "process"): object[] =>
  Object.values(suite)
    .filter(isTask)
    .map((task): Definition => definitionOf(task))
    .map((definition) => taskOf({ ...definition, policy: { ...definition.policy, on } }));

async function fleet(url: string, on: "thread" | "process", { size }: ExecutorWish): Promise<Hands> {
  const hands = await connect(url);
  hands.work({ tasks: placed(on), threads: size, processes: size });
  return hands;
}

const noMemory = {
  reason: "Jobs are stored: there is no memory to share or to move.",
  tests: ["shared memory passes by reference", "moved memory is gone here"],
};

const noCode = {
  reason: "`retryIf` is code and is not stored: the one of the worker's own definition holds, not one given at submit.",
  tests: ["retryIf decides, and its own failure ends the task"],
};

executorConformance("Hands on memory, in threads", (wish) => fleet("memory:", "thread", wish), { skip: [noMemory, noCode] });
const lastWords = {
  reason: "Known fault of the ProcessPool under heavy load: see test/pool/processes.test.ts.",
  tests: ["the neighbours of a task that ends its worker run exactly once"],
};

executorConformance(
  "Hands on SQLite, in processes",
  (wish) => fleet(`sqlite:${join(folder, `${files++}.db`)}`, "process", wish),
  {
    skip: [noMemory, noCode, lastWords],
  },
);
