// The bare worker: in a thread or a forked process, a function of one message or of an array of them.
import { parentPort } from "node:worker_threads";
import type { TaskName } from "./functions.ts";
import { functions } from "./functions.ts";

const [task, form] = process.argv.slice(2);
const run = functions[task as TaskName];
const answer = form === "chunked" ? (inputs: never): unknown => (inputs as never[]).map(run) : run;

if (parentPort) {
  const port = parentPort;
  port.on("message", (input: unknown) => port.postMessage(answer(input as never)));
} else {
  process.on("message", (input) => process.send?.(answer(input as never)));
}
