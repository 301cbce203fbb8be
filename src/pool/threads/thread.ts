// The entry of a worker thread: a runner connected to its pool by a message port. Outcomes of tasks that have ended are sent
// even when the thread ends itself: the exit event comes before it is gone.
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { systemRuntime } from "../../core/runtime.ts";
import { becomeWorker } from "../../task/load.ts";
import { encodeThrown } from "../../task/thrown.ts";
import { Claims } from "../claims.ts";
import type { AbortMessage, AnswerMessage, FromWorker, GiveMessage, ToWorker } from "../wire.ts";
import { end, hello, unguarded } from "../wire.ts";
import { Linger } from "../worker/linger.ts";
import { Runner } from "../worker/runner.ts";
import { Turn } from "../worker/turn.ts";

/** What a thread is started with. */
export interface ThreadData {
  readonly manyhands: { readonly port: MessagePort; readonly memory: SharedArrayBuffer; readonly idPrefix: string };
}

const { port, memory, idPrefix } = (workerData as ThreadData).manyhands;
const claims = new Claims(memory);
const send = (message: FromWorker, moves?: readonly ArrayBuffer[]): void => port.postMessage(message, moves as ArrayBuffer[]);

function obey(message: ToWorker): GiveMessage | AbortMessage | AnswerMessage {
  if (message[0] === end) process.exit(0);
  return message;
}

const linger = new Linger(claims, systemRuntime, () => {
  const received = receiveMessageOnPort(port);
  return received && obey(received.message as ToWorker);
});
const runner = new Runner({
  port: { results: send, report: send, next: () => linger.next() },
  claims,
  runtime: systemRuntime,
  turn: new Turn(systemRuntime),
  crossing: "thread",
  idPrefix,
});

becomeWorker((error) => send([unguarded, encodeThrown(error)]));
process.on("exit", () => runner.flush());
port.on("message", (message: ToWorker) => {
  linger.woken();
  runner.receive(obey(message));
});
send([hello, systemRuntime.elapsed()]);
