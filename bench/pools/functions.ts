// The work itself, the same functions for every contender: each contender's worker imports this module.

/** A no-op: gives back what it was given, `{ n }` or an integer. */
export function echo(value: unknown): unknown {
  return value;
}

/** About 3 ms of pure computing for n = 27. */
export function fib(n: number): number {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/** Reads every element: the hand-over and the work. */
export function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] ?? 0;
  return total;
}

/** Reads two elements: the hand-over alone. */
export function ends(values: Float64Array): number {
  return (values[0] ?? 0) + (values[values.length - 1] ?? 0);
}

/** The tasks a contender can be asked to run, by name. */
export const functions: Readonly<Record<TaskName, (input: never) => unknown>> = { echo, fib, sum, ends };

/** A task's name. */
export type TaskName = "echo" | "fib" | "sum" | "ends";
