// The contract between a pool and what runs its tasks: a few methods, implemented inline, over threads and over processes.
// A link is one worker as its pool sees it. It carries batches there and outcomes back; every policy is above it.
//
// What a link guarantees: outcomes arrive in the order in which they were sent; `died` is called exactly once, after every
// outcome that could still be received, and nothing is called after it.
import type { DeathReason } from "../core/errors.ts";
import type {
  AbortMessage,
  AnswerMessage,
  AskMessage,
  GiveMessage,
  LogMessage,
  ProgressMessage,
  ResultsMessage,
} from "./wire.ts";

/** Where a worker stands in a batch. */
export interface Place {
  /** Elements begun so far. */
  readonly next: number;
  /** Elements from here on are the parent's again. */
  readonly end: number;
  /** How long the current element has been running, or waiting for its module, in ms. */
  readonly runningMs: number;
  /** The module of the current element is being imported. */
  readonly isImporting: boolean;
}

/** Why a worker ended. */
export interface Death {
  readonly reason: DeathReason;
  readonly detail: string | number | undefined;
  /** What was not caught, where that ended it. */
  readonly cause: unknown;
  /** How many elements of each slot it had begun; undefined where that cannot be known, as after a SIGKILL. */
  readonly begun: readonly number[] | undefined;
  /** It was importing the module of a task. */
  readonly importing: boolean;
}

/** What a link tells its lane. */
export interface LinkEvents {
  /** The worker has started. */
  ready(): void;
  results(message: ResultsMessage): void;
  report(message: LogMessage | ProgressMessage | AskMessage): void;
  /** An element has been seen running, by a link that cannot look at any time. */
  seen(slot: number, index: number): void;
  /** The worker imported a module that starts work of its own: it must be given up, and its calls fail with this. */
  unguarded(error: unknown): void;
  died(death: Death): void;
}

/** One worker. */
export interface Link {
  /** Sends a batch. `moves` are buffers in it that are handed over. */
  give(message: GiveMessage, moves: readonly ArrayBuffer[]): void;
  /**
   * Takes unbegun elements of a slot back: those from index `from` on, but the share `keep` of them stays with the worker.
   * `from` beyond the batch only looks. `then` may be called at once, later, or, when the worker dies first, never.
   */
  take(slot: number, from: number, keep: number, then: (place: Place) => void): void;
  /** How many elements of a slot's batch have begun, where that can be seen at any time. */
  begun?(slot: number): number;
  /** Receives what has arrived without waiting for the event loop, where that can be done. */
  poll?(): void;
  /** Aborts the signal of an element, if it is the one running. */
  abort(message: AbortMessage): void;
  /** Answers a question of a running element. */
  answer(message: AnswerMessage): void;
  /** Asks an idle worker to end itself. */
  end(): void;
  /** Ends the worker now, whatever it does; `died` follows when it has ended. */
  kill(): void;
  /** Whether the worker keeps the program alive. */
  hold(on: boolean): void;
}

/** Starts a worker. It must not call an event before it has returned. */
export type OpenLink = (events: LinkEvents) => Link;
