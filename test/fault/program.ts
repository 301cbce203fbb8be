// A worker of the fault suite: node program.ts <store url> <history file> <lease in ms>. Prints "ready" when it has joined. It ends in
// order when its standard input ends, and with code 3 when it could not begin or end in order for the store's sake, which a run that breaks
// its network must expect.
import { Hands } from "../../src/fleet/hands.ts";
import { openStore } from "../../src/fleet/open.ts";
import { StoreError } from "../../src/index.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { Recorder } from "./recorder.ts";
import { all, recording } from "./tasks.ts";

const [url = "", history = "", leaseMs] = process.argv.slice(2);

async function begin(): Promise<Hands> {
  const recorder = new Recorder(history);
  recording.by = recorder;
  const store = await openStore(url, { runtime: systemRuntime, unavailableAfter: "5s" });
  const hands = new Hands(recorder.watch(store), systemRuntime);
  const worker = hands.work({
    tasks: all,
    lease: Number(leaseMs),
    report: (event) => recorder.report(event),
  });
  await worker.ready;
  return hands;
}

process.stdin.resume();
const ended = new Promise((resolve) => process.stdin.once("end", resolve));
try {
  const hands = await begin();
  console.log("ready");
  await ended;
  await hands.close();
  process.exitCode = 0;
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  console.error(error.message);
  process.exit(3);
}
