// CPU-bound work on all cores: the same numbers first in a plain loop, then on a ThreadPool.
// A task is still the plain function, so the loop calls the very same `fib`.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ThreadPool } from "manyhands/pool";
import { fib } from "./fib/tasks.ts";

const { values } = parseArgs({
  options: {
    n: { type: "string", default: "32" },
    count: { type: "string", default: "60" },
    threads: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node examples/fib.ts [--n 32] [--count 60] [--threads one a core]");
  process.exit();
}
const inputs = Array.from({ length: Number(values.count) }, () => Number(values.n));

const loopStart = performance.now();
const expected = inputs.map((n) => fib(n));
const loopMs = performance.now() - loopStart;

// Starting the threads is part of the price, so the clock runs from before the pool is made.
const poolStart = performance.now();
await using pool = new ThreadPool({ size: Number(values.threads) });
const numbers = await pool.map(fib, inputs);
const poolMs = performance.now() - poolStart;

const same = numbers.every((number, index) => number === expected[index]);
console.log(`fib(${values.n}) = ${numbers[0]}, ${inputs.length} times`);
console.log(`plain loop, one core      ${loopMs.toFixed(0).padStart(6)} ms`);
console.log(`ThreadPool, ${values.threads.padEnd(3)} threads   ${poolMs.toFixed(0).padStart(6)} ms, start-up included`);
console.log(`speed-up                  ${(loopMs / poolMs).toFixed(2).padStart(6)} times`);
if (!same) throw new Error("The pool gave other numbers than the loop.");
