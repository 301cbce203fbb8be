// A module of tasks that looks like a promise to whoever imports it: one that never settles.
import { task } from "../../../src/index.ts";

export const thenable = task("thenable.task", (n: number) => n + 1);
// oxlint-disable-next-line unicorn/no-thenable -- that is the point
export function then(): void {}
