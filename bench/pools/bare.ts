// The floor: worker threads and forked processes with nothing in between. Replies come in the order of the requests,
// so a queue of promises per worker is all the bookkeeping there is; no ids, no errors, no cancellation.
// "Fed by hand" keeps `inFlight` tasks at each worker and sends the next when one comes back. "Chunked" sends arrays.
import { fork } from "node:child_process";
import { Worker } from "node:worker_threads";
import type { OpenPool, Pool } from "./contract.ts";
import { workerFile } from "./contract.ts";
import type { TaskName } from "./functions.ts";

interface Channel {
  send(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  end(): Promise<unknown>;
}

const chunkSize = 1000;
const chunksAhead = 2;

function openChannel(kind: "thread" | "process", task: TaskName, chunked: boolean, onReply: (reply: unknown) => void): Channel {
  const file = workerFile("bare-worker.ts");
  const given = [task, chunked ? "chunked" : "single"];
  if (kind === "thread") {
    const worker = new Worker(file, { argv: given });
    worker.on("message", onReply);
    return { send: (message, transfer = []) => worker.postMessage(message, transfer), end: () => worker.terminate() };
  }
  const child = fork(file, given, { serialization: "advanced" });
  child.on("message", onReply);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    send: (message) => void child.send(message as object),
    end: () => {
      child.disconnect();
      return ended;
    },
  };
}

interface Request {
  readonly input: unknown;
  readonly transfer: readonly ArrayBuffer[] | undefined;
  readonly resolve: (value: unknown) => void;
}

/** A message for each task, at most `inFlight` at a worker. */
export function bare(kind: "thread" | "process", inFlight: number): OpenPool {
  return (task, size) => {
    const waiting: Request[] = [];
    let taken = 0;
    const feeds: (() => void)[] = [];
    const channels: Channel[] = [];
    for (let i = 0; i < size; i++) {
      const sent: Request[] = [];
      let answered = 0;
      const feed = (): void => {
        while (taken < waiting.length && sent.length - answered < inFlight) {
          const request = waiting[taken] as Request;
          taken += 1;
          sent.push(request);
          channel.send(request.input, request.transfer);
        }
      };
      const channel = openChannel(kind, task, false, (reply) => {
        (sent[answered] as Request).resolve(reply);
        answered += 1;
        feed();
      });
      channels.push(channel);
      feeds.push(feed);
    }
    let next = 0;
    const run: Pool["run"] = (input, transfer) =>
      new Promise((resolve) => {
        waiting.push({ input, transfer, resolve });
        // Without a bound this is round robin; with one, any worker that has room takes it.
        if (inFlight === Infinity) feeds[next++ % size]?.();
        else for (const feed of feeds) feed();
      });
    return Promise.resolve({ run, close: () => Promise.all(channels.map((channel) => channel.end())) });
  };
}

/** Arrays of 1,000 inputs, two of them at each worker. */
export function bareChunked(kind: "thread" | "process"): OpenPool {
  return (task, size) => {
    const listeners: ((reply: unknown) => void)[] = [];
    const channels = Array.from({ length: size }, (_, i) => openChannel(kind, task, true, (reply) => listeners[i]?.(reply)));
    const all = (inputs: Iterable<unknown>): Promise<readonly unknown[]> =>
      new Promise((resolve) => {
        const source = inputs[Symbol.iterator]();
        const results: unknown[] = [];
        let outstanding = 0;
        let begun = 0;
        const send = (channel: Channel): number => {
          const chunk: unknown[] = [];
          while (chunk.length < chunkSize) {
            const step = source.next();
            if (step.done) break;
            chunk.push(step.value);
          }
          if (chunk.length === 0) return -1;
          channel.send(chunk);
          outstanding += 1;
          begun += chunk.length;
          return begun - chunk.length;
        };
        channels.forEach((channel, i) => {
          const places: number[] = [];
          let answered = 0;
          const feed = (): void => {
            const place = send(channel);
            if (place >= 0) places.push(place);
          };
          listeners[i] = (reply) => {
            let place = places[answered] ?? 0;
            answered += 1;
            outstanding -= 1;
            feed();
            for (const value of reply as unknown[]) results[place++] = value;
            if (outstanding === 0) resolve(results);
          };
          for (let ahead = 0; ahead < chunksAhead; ahead++) feed();
        });
      });
    const run: Pool["run"] = async (input) => (await all([input]))[0];
    return Promise.resolve({ run, all, close: () => Promise.all(channels.map((channel) => channel.end())) });
  };
}
