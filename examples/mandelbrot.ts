// Fan-out and fan-in: one call for each row of the picture, and one call that waits for all of them and makes a PNG file.
// `call(picture, width, rows)` takes the calls of the rows where the task takes the rows; the types are checked.
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { call } from "manyhands";
import { ThreadPool } from "manyhands/pool";
import { picture, row } from "./mandelbrot/tasks.ts";
import type { View } from "./mandelbrot/tasks.ts";

const { values } = parseArgs({
  options: {
    width: { type: "string", default: "960" },
    height: { type: "string", default: "640" },
    x: { type: "string", default: "-0.74364" },
    y: { type: "string", default: "0.13183" },
    span: { type: "string", default: "0.00012" },
    iterations: { type: "string", default: "4000" },
    threads: { type: "string", default: String(availableParallelism()) },
    out: { type: "string", default: join(import.meta.dirname, "out", "mandelbrot.png") },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node examples/mandelbrot.ts [--width 960] [--height 640] [--x=-0.74364] [--y=0.13183] [--span 0.00012]");
  console.log("                            [--iterations 4000] [--threads one a core] [--out examples/out/mandelbrot.png]");
  process.exit();
}
const view: View = {
  x: Number(values.x),
  y: Number(values.y),
  span: Number(values.span),
  width: Number(values.width),
  height: Number(values.height),
  iterations: Number(values.iterations),
};

const start = performance.now();
await using pool = new ThreadPool({ size: Number(values.threads) });
const rows = Array.from({ length: view.height }, (_, y) => call(row, y, view));
const bytes = await pool.submit(picture, view.width, rows);
const tookMs = performance.now() - start;

mkdirSync(dirname(values.out), { recursive: true });
writeFileSync(values.out, bytes);
console.log(
  `${view.width} x ${view.height} pixels, ${view.height} rows on ${values.threads} threads: ${(tookMs / 1000).toFixed(1)} s`,
);
console.log(`written to ${values.out} (${(bytes.length / 1024).toFixed(0)} KiB)`);
