// Recursive fan-out and fan-in. `sorted` only describes the work: a call whose arguments are calls, whose arguments are calls
// again. Submitting the outermost one runs the whole tree, leaves first, each call as soon as those it needs are done.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { call } from "manyhands";
import type { Call } from "manyhands";
import { ThreadPool } from "manyhands/pool";
import { merge, sortPart } from "./mergesort/tasks.ts";
import type { Range } from "./mergesort/tasks.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    grain: { type: "string", default: "65536" },
    threads: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node examples/mergesort.ts [--count 1000000] [--grain 65536] [--threads one a core]");
  process.exit();
}
const count = Number(values.count);
const grain = Math.max(1, Number(values.grain));

const numbers = new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));
for (let i = 0; i < count; i++) numbers[i] = Math.random();
const reference = Float64Array.from(numbers);

let calls = 0;
function sorted(part: Range): Call<Range> {
  calls += 1;
  if (part.to - part.from <= grain) return call(sortPart, numbers, part);
  const middle = (part.from + part.to) >>> 1;
  return call(merge, numbers, sorted({ from: part.from, to: middle }), sorted({ from: middle, to: part.to }));
}

const graph = sorted({ from: 0, to: count });
await using pool = new ThreadPool({ size: Number(values.threads) });
const start = performance.now();
await pool.submit(graph);
const tookMs = performance.now() - start;

const plainStart = performance.now();
reference.sort();
const plainMs = performance.now() - plainStart;

const wrong = numbers.findIndex((number, index) => number !== reference[index]);
if (wrong >= 0) throw new Error(`Not sorted: position ${wrong} holds ${numbers[wrong]}, not ${reference[wrong]}.`);
console.log(`${count} numbers, sorted by ${calls} calls on ${values.threads} threads; every one is in its place`);
console.log(`tree of calls on the pool, start-up included  ${tookMs.toFixed(0).padStart(6)} ms`);
console.log(`Float64Array.sort() on one core               ${plainMs.toFixed(0).padStart(6)} ms`);
