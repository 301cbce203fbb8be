// The slow way to Fibonacci numbers: nothing but computing, so it says `on: "thread"`. A pool runs every task its own way; the
// option tells a fleet's workers that this one would block their event loop.
import { task } from "manyhands";

function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

export const fib = task("fib", fibonacci, { on: "thread" });
