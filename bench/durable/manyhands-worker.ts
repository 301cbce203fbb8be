// A manyhands worker in a process of its own, with defaults. It tells its parent each start of `hold`, and its idle CPU when asked.
import { manyhands } from "../manyhands.ts";
import { hold, stamp, watchStarts } from "./tasks.ts";

const idleMs = 4000;
const path = process.argv[2] ?? "";

watchStarts((n) => process.send?.(n));
const hands = await manyhands.connect(`sqlite:${path}`);
await hands.work({ tasks: [hold, stamp] }).ready;

process.on("message", () => {
  const before = process.cpuUsage();
  const began = performance.now();
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before);
    process.send?.((user + system) / 10 / (performance.now() - began));
  }, idleMs);
});
process.send?.("ready");
