// The worker's way back to its pool: a thread's message port, a process's relay, or, inline, a function call.
import type { AbortMessage, AnswerMessage, FromWorker, GiveMessage, ResultsMessage } from "../wire.ts";

export interface RunnerPort {
  /** Sends outcomes. `moves` are buffers in them that the task gave away with `transfer()`. */
  results(message: ResultsMessage, moves: readonly ArrayBuffer[]): void;
  /** Sends anything else. */
  report(message: FromWorker): void;
  /** The next message, waited for a moment where the worker may be blocked. */
  next?(): GiveMessage | AbortMessage | AnswerMessage | undefined;
}
