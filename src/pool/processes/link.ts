// A child process, connected by one pipe. Its memory cannot be seen from here: taking back and looking are questions that its relay
// thread answers, also while its main thread is busy. Outcomes and answers come in one stream, in their order.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Runtime } from "../../core/runtime.ts";
import { decodeThrown } from "../../task/thrown.ts";
import type { Death, Link, LinkEvents, OpenLink, Place } from "../link.ts";
import type { AbortMessage, AnswerMessage, FromWorker, GiveMessage, ToWorker } from "../wire.ts";
import { ask, end, hello, log, progress, results, unguarded } from "../wire.ts";
import { exitFrame, FrameReader, giveFrame, headerOf, messageFrame, seenFrame, takeFrame, takenFrame } from "./frames.ts";
import type { Header } from "./frames.ts";
import { deserialize, serialize } from "./serialize.ts";

/** How processes are started. */
export interface ProcessTerms {
  readonly execArgv: readonly string[];
  readonly env: NodeJS.ProcessEnv | undefined;
  readonly name: string | undefined;
}

/** Where the program's stream goes: a program may have its standard output answer elsewhere, and its tasks' prints go with it. */
function descriptor(stream: { readonly fd?: number }, otherwise: number): number {
  return typeof stream.fd === "number" ? stream.fd : otherwise;
}

/** How long the pipe may stay open after the process has ended, because a process that it started holds it. */
const drainMs = 5000;

// The extension is that of this very file: .ts in the sources, .js in the package.
const entry = fileURLToPath(new URL(`./child${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url));

class ProcessLink implements Link {
  readonly #runtime: Runtime;
  readonly #events: LinkEvents;
  readonly #child: ChildProcess;
  /** Undefined where the process could not be spawned at all: the child's error event tells why. */
  readonly #socket: Socket | undefined;
  readonly #answers = new Map<number, (place: Place) => void>();
  #questions = 0;
  /** What it said before it exited. */
  #lastWords: Pick<Death, "begun" | "importing" | "cause"> | undefined;
  #isImporting = false;
  #isDead = false;

  constructor(runtime: Runtime, terms: ProcessTerms, idPrefix: string, events: LinkEvents) {
    this.#runtime = runtime;
    this.#events = events;
    this.#child = spawn(process.execPath, [...terms.execArgv, entry, idPrefix, terms.name ?? ""], {
      // The program's own output, by number: in a worker thread process.stdout has no descriptor.
      stdio: ["ignore", descriptor(process.stdout, 1), descriptor(process.stderr, 2), "pipe"],
      ...(terms.env && { env: terms.env }),
    });
    // Before all else: a child that could not be spawned has no pipes, and its error is thrown where nobody listens to it.
    this.#child.once("error", (cause) => this.#died({ reason: "uncaught", detail: cause.message, cause, ...this.#standing() }));
    this.#socket = this.#child.stdio?.[3] as Socket | undefined;
    const reader = new FrameReader((header, payload) => this.#receive(header, payload));
    this.#socket?.on("data", (chunk) => reader.push(chunk));
    // A pipe that breaks belongs to a process that is ending; its exit tells all there is to tell.
    this.#socket?.on("error", () => undefined);
    this.#child.once("exit", () => this.#drain());
    this.#child.once("close", (code, signal) => this.#closed(code, signal));
  }

  give(message: GiveMessage): void {
    this.#write({ op: giveFrame, slot: message[1], a: message[2] }, message);
  }

  take(slot: number, from: number, keep: number, then: (place: Place) => void): void {
    const tag = this.#questions++ & 0xffff;
    this.#answers.set(tag, then);
    this.#socket?.write(headerOf({ op: takeFrame, slot, a: from, value: keep, tag }, 0));
  }

  abort(message: AbortMessage): void {
    this.#write({ op: messageFrame }, message);
  }

  answer(message: AnswerMessage): void {
    this.#write({ op: messageFrame }, message);
  }

  end(): void {
    this.#write({ op: messageFrame }, [end]);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  hold(on: boolean): void {
    for (const handle of [this.#child, this.#socket]) {
      if (on) handle?.ref();
      else handle?.unref();
    }
  }

  #write(header: Header, message: ToWorker): void {
    const bytes = serialize(message);
    this.#socket?.cork();
    this.#socket?.write(headerOf(header, bytes.length));
    this.#socket?.write(bytes);
    this.#socket?.uncork();
  }

  #receive(header: Required<Header>, payload: Buffer): void {
    switch (header.op) {
      case messageFrame:
        return this.#message(deserialize(payload) as FromWorker);
      case takenFrame:
        return this.#taken(header);
      case seenFrame:
        this.#isImporting = header.b === 1;
        return this.#events.seen(header.slot, header.a);
      case exitFrame: {
        const uncaught = deserialize(payload) as string | undefined;
        const cause = uncaught === undefined ? undefined : decodeThrown(uncaught);
        this.#lastWords = { begun: [header.a, header.b], importing: header.value === 1, cause };
      }
    }
  }

  #message(message: FromWorker): void {
    switch (message[0]) {
      case results:
        this.#isImporting = false;
        return this.#events.results(message);
      case log:
      case progress:
      case ask:
        return this.#events.report(message);
      case hello:
        return this.#events.ready();
      case unguarded:
        return this.#events.unguarded(decodeThrown(message[1]));
    }
  }

  #taken({ tag, a, b, value }: Required<Header>): void {
    const then = this.#answers.get(tag);
    this.#answers.delete(tag);
    then?.({ next: a, end: b, runningMs: Math.abs(value), isImporting: value < 0 });
  }

  #drain(): void {
    this.#runtime.after(drainMs, () => this.#socket?.destroy(), { background: true });
  }

  #standing(): Pick<Death, "begun" | "importing"> {
    return { begun: this.#lastWords?.begun, importing: this.#lastWords?.importing ?? this.#isImporting };
  }

  #closed(code: number | null, signal: NodeJS.Signals | null): void {
    const standing = this.#standing();
    const cause = this.#lastWords?.cause;
    if (signal === null && cause !== undefined) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      return this.#died({ reason: "uncaught", detail, cause, ...standing });
    }
    if (signal === null) return this.#died({ reason: "exit", detail: code ?? undefined, cause: undefined, ...standing });
    // V8 ends a process whose heap is full by SIGABRT, without a word; a task that aborts the process has said so before.
    const isMemory = signal === "SIGABRT" && !this.#lastWords;
    this.#died({ reason: isMemory ? "out-of-memory" : "signal", detail: signal, cause: undefined, ...standing });
  }

  #died(death: Death): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#answers.clear();
    this.#events.died(death);
  }
}

/** Starts processes. */
export function openProcesses(runtime: Runtime, terms: ProcessTerms, idPrefix: string): OpenLink {
  return (events) => new ProcessLink(runtime, terms, idPrefix, events);
}
