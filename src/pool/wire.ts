// The messages between a pool and its workers. Work goes in batches: a batch is a set of columns, one entry for each element;
// a column whose entries are all the same is that one entry. Messages are tuples, because a structured clone of an object
// with named fields costs twice as much, which shows in the round trip of a single task. Where all elements are flat and of one
// shape, `data` is the list of all their primitives; else each element has one item in it. Threads send messages as they are,
// processes serialize them (processes/frames.ts), an inline worker gets them by reference.
import type { Definition } from "../task/task.ts";
import type { Shape } from "./flat.ts";
import type { PayloadKind } from "./payload.ts";

/** One entry for each element, or the entry that all have. */
export type Column<T extends number> = T | readonly T[];

/** The entry of one element. */
export function at<T extends number>(column: Column<T>, index: number): T {
  return typeof column === "number" ? column : (column[index] as T);
}

/** Ids: the first of consecutive numbers, or one entry for each element; a text is an id given by the caller. */
export type Ids = number | readonly (number | string)[];

/** A task as a worker first hears of it. `definition` only where no boundary is crossed. */
export type Introduction = readonly [number: number, name: string, module: string, definition?: Definition];

export const give = 0;
export const abort = 1;
export const end = 2;
export const answer = 3;

/** Elements to run. */
export type GiveMessage = readonly [
  op: typeof give,
  slot: number,
  count: number,
  /** The number of each element's task. */
  tasks: Column<number>,
  kinds: Column<PayloadKind>,
  /** The shape of all elements; undefined where each has an item of its own. */
  shape: Shape | undefined,
  data: readonly unknown[],
  ids: Ids,
  attempts: Column<number>,
  /** Tasks this worker has not heard of. */
  introduced: readonly Introduction[] | undefined,
];

/** Asks the element, if it is running, to stop; `reason` is the encoded error that becomes `signal.reason`. */
export type AbortMessage = readonly [op: typeof abort, slot: number, index: number, reason: string];

/** Asks the worker to end itself. */
export type EndMessage = readonly [op: typeof end];

/** Answers a question: the encoded value, or the encoded error. */
export type AnswerMessage = readonly [op: typeof answer, no: number, ok: boolean, text: string];

export type ToWorker = GiveMessage | AbortMessage | AnswerMessage | EndMessage;

export const hello = 0;
export const results = 1;
export const log = 2;
export const progress = 3;
export const unguarded = 4;
export const ask = 5;

/** The worker is ready. `clock` is its monotonic clock. */
export type HelloMessage = readonly [op: typeof hello, clock: number];

/** Outcomes of elements `from` on, in the order in which they were run. */
export type ResultsMessage = readonly [
  op: typeof results,
  slot: number,
  from: number,
  count: number,
  kinds: Column<PayloadKind>,
  shape: Shape | undefined,
  data: readonly unknown[],
  /** The worker is done with the slot. */
  finished: boolean,
  /** How long these elements took together, in ms. */
  tookMs: number,
  /** The worker's monotonic clock. */
  clock: number,
];

export type LogMessage = readonly [op: typeof log, slot: number, index: number, message: string];
export type ProgressMessage = readonly [
  op: typeof progress,
  slot: number,
  index: number,
  fraction: number,
  note: string | undefined,
];

/** A running element asks the pool, or whoever it runs the element for; `text` is encoded. */
export type AskMessage = readonly [op: typeof ask, slot: number, index: number, no: number, what: Question, text: string];

/** What a running task asks: see `asked.ts`. */
export type Question =
  | "read"
  | "write"
  | "last"
  | "undoing"
  /** The attempt is here to undo: it is stopped as by a cancellation. */
  | "stopped"
  /** The task was left to itself, so its thread or process is ended after it. */
  | "left"
  | "changed"
  | "submit"
  | "await"
  | "cancel"
  /** The task has let the future of a child go. */
  | "forget"
  /** A part of the output of a generator. */
  | "part"
  /** Begins to read the parts of a child; gives the number of the reader. */
  | "stream"
  /** The next part of a reader. */
  | "next";

/** The worker imported a module that starts work of its own; the encoded error. */
export type UnguardedMessage = readonly [op: typeof unguarded, error: string];

export type FromWorker = HelloMessage | ResultsMessage | LogMessage | ProgressMessage | AskMessage | UnguardedMessage;
