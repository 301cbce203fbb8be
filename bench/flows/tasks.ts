// The tasks of the flow rows. A job tells when it runs to whoever measures in the same process.
import { manyhands } from "../manyhands.ts";

const { task } = manyhands;

let onStart: (n: number) => void = () => undefined;

/** Who is told of each run of `step` and `join`. */
export function watchRuns(told: (n: number) => void): void {
  onStart = told;
}

/** Gives what it gets. */
export const step = task("flows.step", (n: number): number => {
  onStart(n);
  return n;
});

/** Counts what it gets. */
export const join = task("flows.join", (members: readonly number[]): number => {
  onStart(-1);
  return members.length;
});
