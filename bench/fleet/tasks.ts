// The one task of the fleet rows. What it does is set by the worker's program.
import type { Task } from "../../src/task/task.ts";
import { manyhands } from "../manyhands.ts";
import type { Numbered, Run } from "./contract.ts";

let behaviour: Run = () => undefined;

/** Sets what the task does in this process. */
export function behave(run: Run): void {
  behaviour = run;
}

/** Takes { n }, and returns what the behaviour says. */
export const job: Task<readonly [input: Numbered], unknown> = manyhands.task("job", ({ n }) => behaviour(n));
