// The work of pools/functions.ts as tasks of manyhands. Pools and workers import this module.
import type { Task } from "../src/task/task.ts";
import { manyhands } from "./manyhands.ts";
import type { TaskName } from "./pools/functions.ts";
import { functions } from "./pools/functions.ts";

/** The tasks by name. */
export const tasks: Readonly<Record<TaskName, Task<readonly [input: never], unknown>>> = {
  echo: manyhands.task("echo", functions.echo),
  fib: manyhands.task("fib", functions.fib),
  sum: manyhands.task("sum", functions.sum),
  ends: manyhands.task("ends", functions.ends),
};
