// The entry of a pool's process: a runner on the main thread, connected to the pool by the relay thread. Before the process ends by
// itself it says what it was doing, so that the pool need not guess; after a SIGKILL it cannot.
//
// SIGINT and SIGTERM are ignored: a Ctrl-C or a service manager reaches the whole group of processes, and it is the pool's program
// that decides what becomes of running tasks. When that program is gone, so is this process.
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { systemRuntime } from "../../core/runtime.ts";
import { becomeWorker } from "../../task/load.ts";
import { encodeThrown } from "../../task/thrown.ts";
import { Claims } from "../claims.ts";
import type { AbortMessage, AnswerMessage, FromWorker, GiveMessage, ToWorker } from "../wire.ts";
import { end, hello, results, unguarded } from "../wire.ts";
import { Linger } from "../worker/linger.ts";
import { Runner } from "../worker/runner.ts";
import { Turn } from "../worker/turn.ts";
import type { Header } from "./frames.ts";
import { exitFrame, messageFrame } from "./frames.ts";
import type { FromMain, RelayData } from "./relay-data.ts";
import { deserialize, serialize } from "./serialize.ts";

/** The longest wait for the last frame to be written. The relay needs a moment, and on a machine that is overloaded a long one. */
const lastWordsMs = 15_000;

const [, , idPrefix = "", title = ""] = process.argv;
const { port1: port, port2 } = new MessageChannel();
const claims = new Claims();
const left = new Int32Array(new SharedArrayBuffer(4));
let uncaught: string | undefined;

function startRelay(): void {
  const entry = new URL(`./relay${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url);
  const data: RelayData = { port: port2, claims: claims.memory as SharedArrayBuffer, left: left.buffer };
  // Options of the pool's program, such as a module to preload, are for the main thread and were heeded there.
  const relay = new Worker(entry, { workerData: data, transferList: [port2], execArgv: [], name: "manyhands relay" });
  relay.on("error", (error) => {
    process.stderr.write(`manyhands: the relay of a pool's process failed: ${error instanceof Error ? error.stack : error}\n`);
    process.kill(process.pid, "SIGKILL");
  });
}

function write(header: Header, message: unknown, finished: number = -1, isLast: boolean = false): void {
  const bytes = serialize(message);
  const buffer = bytes.buffer as ArrayBuffer;
  const frame: FromMain = { header, bytes: buffer, length: bytes.length, finished, clock: systemRuntime.elapsed(), isLast };
  port.postMessage(frame, [buffer]);
}

function send(message: FromWorker): void {
  write({ op: messageFrame }, message, message[0] === results && message[7] ? message[1] : -1);
}

/** Says what was running, and waits until it has been written. */
function lastWords(): void {
  runner.flush();
  const header = { op: exitFrame, a: runner.begunIn(0), b: runner.begunIn(1), value: runner.isImporting ? 1 : 0 };
  write(header, uncaught, -1, true);
  Atomics.wait(left, 0, 0, lastWordsMs);
}

startRelay();
if (title !== "") process.title = title;
function read(bytes: ArrayBuffer): GiveMessage | AbortMessage | AnswerMessage {
  const message = deserialize(new Uint8Array(bytes)) as ToWorker;
  if (message[0] === end) process.exit(0);
  return message;
}

const linger = new Linger(claims, systemRuntime, () => {
  const received = receiveMessageOnPort(port);
  return received && read(received.message as ArrayBuffer);
});
const runner = new Runner({
  port: { results: send, report: send, next: () => linger.next() },
  claims,
  runtime: systemRuntime,
  turn: new Turn(systemRuntime),
  crossing: "process",
  idPrefix,
});

const abort = process.abort.bind(process);
process.abort = () => {
  lastWords();
  return abort();
};
process.on("uncaughtExceptionMonitor", (error) => {
  uncaught = encodeThrown(error);
});
process.on("exit", lastWords);
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

becomeWorker((error) => send([unguarded, encodeThrown(error)]));
port.on("message", (bytes: ArrayBuffer) => {
  linger.woken();
  runner.receive(read(bytes));
});
send([hello, systemRuntime.elapsed()]);
