// The entry of a worker thread: a runner connected to its pool by a message port. Outcomes of tasks that have ended are sent
// even when the thread ends itself: the exit event comes before it is gone.
import { workerData } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { systemRuntime } from "../../core/runtime.ts";
import { becomeWorker } from "../../task/load.ts";
import { encodeThrown } from "../../task/thrown.ts";
import { Claims } from "../claims.ts";
import type { FromWorker, ToWorker } from "../wire.ts";
import { end, hello, unguarded } from "../wire.ts";
import { Runner } from "../worker/runner.ts";
import { Turn } from "../worker/turn.ts";

/** What a thread is started with. */
export interface ThreadData {
  readonly manyhands: { readonly port: MessagePort; readonly memory: SharedArrayBuffer; readonly idPrefix: string };
}

const { port, memory, idPrefix } = (workerData as ThreadData).manyhands;
const send = (message: FromWorker, moves?: readonly ArrayBuffer[]): void => port.postMessage(message, moves as ArrayBuffer[]);
const runner = new Runner({
  port: { results: send, report: send },
  claims: new Claims(memory),
  runtime: systemRuntime,
  turn: new Turn(systemRuntime),
  crossing: "thread",
  idPrefix,
});

becomeWorker((error) => send([unguarded, encodeThrown(error)]));
process.on("exit", () => runner.flush());
port.on("message", (message: ToWorker) => {
  if (message[0] === end) process.exit(0);
  runner.receive(message);
});
send([hello, systemRuntime.elapsed()]);
