// A worker thread. Claims are in memory that both sides share, so taking back and looking need no message; only batches,
// outcomes and reports are sent. The port does not keep the program alive, the thread does while it is held.
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { MessagePort, ResourceLimits } from "node:worker_threads";
import type { Runtime } from "../../core/runtime.ts";
import { decodeThrown } from "../../task/thrown.ts";
import { Claims, slotCount } from "../claims.ts";
import { ClockOffset } from "../clock-offset.ts";
import { threadExecArgv } from "../exec-argv.ts";
import type { Death, Link, LinkEvents, OpenLink, Place } from "../link.ts";
import type { AbortMessage, AnswerMessage, FromWorker, GiveMessage, ToWorker } from "../wire.ts";
import { ask, end, hello, log, progress, results, unguarded } from "../wire.ts";
import type { ThreadData } from "./thread.ts";

/** How threads are started. */
export interface ThreadTerms {
  readonly resourceLimits: ResourceLimits | undefined;
  readonly env: NodeJS.ProcessEnv | undefined;
  readonly name: string | undefined;
}

// The extension is that of this very file: .ts in the sources, .js in the package.
const entry = new URL(`./thread${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url);

class ThreadLink implements Link {
  readonly #runtime: Runtime;
  readonly #events: LinkEvents;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #claims = new Claims();
  readonly #clock = new ClockOffset();
  #isReceiving = false;
  #uncaught: { readonly error: unknown } | undefined;

  constructor(runtime: Runtime, terms: ThreadTerms, idPrefix: string, events: LinkEvents) {
    this.#runtime = runtime;
    this.#events = events;
    const { port1, port2 } = new MessageChannel();
    const data: ThreadData = { manyhands: { port: port2, memory: this.#claims.memory as SharedArrayBuffer, idPrefix } };
    this.#port = port1;
    const execArgv = threadExecArgv(process.execArgv);
    this.#worker = new Worker(entry, {
      workerData: data,
      transferList: [port2],
      ...(terms.resourceLimits && { resourceLimits: terms.resourceLimits }),
      ...(terms.env && { env: terms.env }),
      ...(execArgv && { execArgv }),
      ...(terms.name !== undefined && { name: terms.name }),
    });
    port1.on("message", (message: FromWorker) => this.#receive(message));
    port1.unref();
    this.#worker.on("error", (error: unknown) => {
      this.#uncaught = { error };
    });
    this.#worker.once("exit", (code) => this.#exited(code));
  }

  give(message: GiveMessage, moves: readonly ArrayBuffer[]): void {
    this.#claims.open(message[1], message[2]);
    this.#send(message, moves);
  }

  take(slot: number, from: number, keep: number, then: (place: Place) => void): void {
    const { next, end, since, isImporting } = this.#claims.take(slot, from, keep);
    then({ next, end, runningMs: this.#clock.age(since, this.#runtime.elapsed()), isImporting });
  }

  poll(): void {
    // What is being received may lead to a submit, and that to a poll.
    if (this.#isReceiving) return;
    for (let next = receiveMessageOnPort(this.#port); next; next = receiveMessageOnPort(this.#port)) {
      this.#receive(next.message as FromWorker);
    }
  }

  begun(slot: number): number {
    return this.#claims.begun(slot);
  }

  abort(message: AbortMessage): void {
    this.#send(message, []);
  }

  answer(message: AnswerMessage): void {
    this.#send(message, []);
  }

  end(): void {
    this.#send([end], []);
  }

  kill(): void {
    void this.#worker.terminate();
  }

  hold(on: boolean): void {
    if (on) this.#worker.ref();
    else this.#worker.unref();
  }

  #send(message: ToWorker, moves: readonly ArrayBuffer[]): void {
    this.#port.postMessage(message, moves as ArrayBuffer[]);
    this.#claims.ring();
  }

  #receive(message: FromWorker): void {
    this.#isReceiving = true;
    try {
      this.#tell(message);
    } finally {
      this.#isReceiving = false;
    }
  }

  #tell(message: FromWorker): void {
    switch (message[0]) {
      case results:
        this.#clock.seen(message[9], this.#runtime.elapsed());
        return this.#events.results(message);
      case log:
      case progress:
      case ask:
        return this.#events.report(message);
      case hello:
        this.#clock.seen(message[1], this.#runtime.elapsed());
        return this.#events.ready();
      case unguarded:
        return this.#events.unguarded(decodeThrown(message[1]));
    }
  }

  #exited(code: number): void {
    // What the thread sent before it ended is still there, though no event will bring it any more.
    this.poll();
    this.#port.close();
    this.#events.died(this.#deathBy(code));
  }

  #deathBy(code: number): Death {
    const claims = Array.from({ length: slotCount }, (_, slot) => this.#claims.take(slot, 0, 1));
    const begun = claims.map(({ next }) => next);
    const importing = claims.some(({ isImporting }) => isImporting) && begun.some((next) => next > 0);
    if (!this.#uncaught) return { reason: "exit", detail: code, cause: undefined, begun, importing };
    const { error } = this.#uncaught;
    const isMemory = (error as { code?: unknown } | null)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    const detail = error instanceof Error ? error.message : String(error);
    return { reason: isMemory ? "out-of-memory" : "uncaught", detail, cause: error, begun, importing };
  }
}

/** Starts threads. */
export function openThreads(runtime: Runtime, terms: ThreadTerms, idPrefix: string): OpenLink {
  return (events) => new ThreadLink(runtime, terms, idPrefix, events);
}
