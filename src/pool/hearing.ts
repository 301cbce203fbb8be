// What running calls say and ask: lines for the log, their progress, and what durable steps and children need (`asked.ts`).
import type { Runtime } from "../core/runtime.ts";
import { decode, encode } from "../task/codec.ts";
import { encodeThrown } from "../task/thrown.ts";
import type { Answerer } from "./asked.ts";
import { poolAnswerer, Questions } from "./asked.ts";
import type { Entry } from "./entry.ts";
import type { Intake } from "./intake.ts";
import { Parts } from "./parts.ts";
import type { AnswerMessage, AskMessage, LogMessage, ProgressMessage } from "./wire.ts";
import { answer, log } from "./wire.ts";

/** What hearing needs of its engine. */
export interface HearingHost {
  readonly runtime: Runtime;
  readonly intake: Intake;
  /** The pool's own, for the children of its tasks. */
  submit: Answerer["submit"];
  /** The entry is here to undo, and is stopped. */
  stopped(entry: Entry, error: Error): void;
  /** The entry waits for a child, or goes on. */
  waits(entry: Entry, isWaiting: boolean): void;
}

/** Hears the running calls of one pool. */
export class Hearing {
  readonly #host: HearingHost;
  readonly #answerer: Answerer;

  constructor(host: HearingHost) {
    this.#host = host;
    this.#answerer = poolAnswerer(host.runtime, host.submit);
  }

  report(entry: Entry, message: LogMessage | ProgressMessage): void {
    if (message[0] === log) {
      const [, , , line] = message;
      if (entry.terms?.onLog) entry.terms.onLog(line);
      else process.stderr.write(`${entry.definition.name} ${this.#host.intake.idOf(entry)}: ${line}\n`);
      return;
    }
    const [, , , fraction, note] = message;
    entry.extra.progress = { fraction, note };
    entry.terms?.onProgress?.(fraction, note);
  }

  asked(entry: Entry, [, , , no, what, text]: AskMessage, tell: (message: AnswerMessage) => void): void {
    const questions = (entry.extra.questions ??= this.#questionsOf(entry));
    // What is being undone is not cut off half-way.
    if (what === "undoing") {
      entry.extra.isUndoing = true;
      entry.wish?.grace?.cancel();
    }
    if (what === "left") entry.extra.isLeft = true;
    const args = decode(text) as unknown[];
    if (what === "stopped") this.#host.stopped(entry, args[0] as Error);
    const waits = what === "await" || what === "next";
    if (waits) this.#host.waits(entry, true);
    questions
      .answer(what, args)
      .then((value) => tell([answer, no, true, encode(value, "answer")]))
      .catch((error: unknown) => tell([answer, no, false, encodeThrown(error)]))
      .finally(() => {
        if (waits) this.#host.waits(entry, false);
      });
  }

  #questionsOf(entry: Entry): Questions {
    const keep = (text: string): void => (entry.extra.parts ??= new Parts()).add(entry.attempt, text);
    return new Questions(entry.terms?.answerer ?? this.#answerer, keep);
  }
}
