// The tasks of the durable rows. Each says when it starts, in this process, so that a row can time it without asking the store.
import type { Task } from "../../src/task/task.ts";
import { manyhands } from "../manyhands.ts";

/** Called at each start with the number the task was given. */
type OnStart = (n: number) => void;

let onStart: OnStart = () => undefined;

/** Sets who is told of each start in this process. */
export function watchStarts(listener: OnStart): void {
  onStart = listener;
}

/** A no-op: takes { n } and returns it. */
export const echo: Task<readonly [input: { readonly n: number }], { readonly n: number }> = manyhands.task("echo", (input) => {
  onStart(input.n);
  return input;
});

/** Says when it started, on the clock that all processes of a machine share. */
export const stamp: Task<readonly [input: { readonly n: number }], string> = manyhands.task("stamp", () =>
  String(process.hrtime.bigint()),
);

// The worker that will be killed is told so in its arguments.
const firstWorker = process.argv.includes("first");

/** Never ends in the worker that will be killed; ends at once in any other. */
export const hold: Task<
  readonly [input: { readonly n: number }],
  { readonly n: number },
  Promise<{ readonly n: number }>
> = manyhands.task("hold", async (input) => {
  onStart(input.n);
  if (firstWorker) await new Promise<never>(() => undefined);
  return input;
});
