// One call on its way through a pool. Entries are made by the hundred thousand, so they are flat, and what few of them need
// (timers, a wish to stop, a report of progress) is made only then.
//
//   blocked ──dependencies done──► scheduled ──due──► ready ──► given to a worker ──► done | failed
//                                     ▲  (no wait: at once)          │     │
//                                     └──── retry, after a wait ─────┘     └─ taken back, or the worker died: ready again
//   from every state but the last ones ──► cancelled;  before the first start ──► expired
import type { Answerer, Questions } from "./asked.ts";
import type { Timer } from "../core/runtime.ts";
import type { Context } from "../task/context.ts";
import type { FinalState, JobState } from "../task/state.ts";
import { isFinal } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import type { CancelReceipt, Progress } from "./future.ts";
import type { Shape } from "./flat.ts";
import { Parts } from "./parts.ts";
import type { Packed, PayloadKind } from "./payload.ts";
import { flat } from "./payload.ts";
import type { TaskRecord } from "./record.ts";

/** How a stopped entry ended. */
export type Stopped = "waiting" | "stopped" | "killed" | "abandoned";

/** Someone or something wants an entry to stop. It takes effect at the entry's next step, whatever that is. */
export interface Wish {
  /** `expire` and `drop` are void when the entry has begun. */
  readonly kind: "cancel" | "timeout" | "deadline" | "expire" | "drop";
  readonly error: Error;
  /** Told once, when the entry has ended in consequence. */
  readonly told: ((how: Stopped) => void)[];
  /** Ends the worker when the entry does not stop by itself. */
  grace: Timer | undefined;
}

/** What differs from the task's own policy for one attempt run on behalf of someone else. */
export interface AttemptTerms {
  readonly id: string;
  readonly timeoutMs: number | undefined;
  /** The result is wanted as the codec's text. */
  readonly asText: boolean;
  readonly onProgress: ((fraction: number, note: string | undefined) => void) | undefined;
  readonly onLog: ((message: string) => void) | undefined;
  /** Answers what the task asks; else the pool does. */
  readonly answerer: Answerer | undefined;
}

/** True for a wish that holds only as long as the entry has not begun. */
export function isSoft(wish: Wish): boolean {
  return wish.kind === "expire" || wish.kind === "drop";
}

/** What only few entries need: kept apart, because every word of an entry counts a hundred thousand times. */
class Extra {
  moves: readonly ArrayBuffer[] | undefined = undefined;
  crashes = 0;
  /** It goes alone: it may have killed a worker, or its arguments are moved and cannot be taken back. */
  alone = false;
  /** It undoes its steps, and is not stopped half-way. */
  isUndoing = false;
  /** Its task was left to itself: its worker is ended after it. */
  isLeft = false;
  wish: Wish | undefined = undefined;
  /** The wait for a due time or the next attempt. */
  wait: Timer | undefined = undefined;
  expiry: Timer | undefined = undefined;
  /** When it must have ended, on the monotonic clock. */
  deadline: { readonly at: number; readonly timer: Timer } | undefined = undefined;
  progress: Progress | undefined = undefined;
  terms: AttemptTerms | undefined = undefined;
  questions: Questions | undefined = undefined;
  parts: Parts | undefined = undefined;
  /** The running task of the same pool that made this call. */
  parent: Context | undefined = undefined;
  cancelling: Promise<CancelReceipt> | undefined = undefined;
  /** The entry that carries it to a worker together with others. */
  carrier: Entry | undefined = undefined;
}

export abstract class Entry {
  readonly definition: Definition;
  readonly record: TaskRecord;
  /** Counts the calls of a pool; what its id is made of. */
  readonly number: number;
  kind: PayloadKind = flat;
  /** Of flat arguments; then `data` is the only primitive there is, or the list of all. */
  shape: Shape | undefined = undefined;
  data: unknown = undefined;
  /** As the pool sees it; `state` tells more. */
  phase: Exclude<JobState, "running" | "waiting"> = "ready";
  /** While given to a worker: the batch, and the place in it. */
  batch: Batch | undefined = undefined;
  index = 0;
  attempt = 1;
  #extra: Extra | undefined = undefined;

  constructor(definition: Definition, record: TaskRecord, number: number) {
    this.definition = definition;
    this.record = record;
    this.number = number;
  }

  /** Where what few entries need is written. */
  get extra(): Extra {
    this.#extra ??= new Extra();
    return this.#extra;
  }

  get moves(): readonly ArrayBuffer[] | undefined {
    return this.#extra?.moves;
  }

  get crashes(): number {
    return this.#extra?.crashes ?? 0;
  }

  get isUndoing(): boolean {
    return this.#extra?.isUndoing ?? false;
  }

  get isLeft(): boolean {
    return this.#extra?.isLeft ?? false;
  }

  get alone(): boolean {
    return this.#extra?.alone ?? false;
  }

  get wish(): Wish | undefined {
    return this.#extra?.wish;
  }

  set wish(wish: Wish | undefined) {
    if (wish || this.#extra) this.extra.wish = wish;
  }

  get wait(): Timer | undefined {
    return this.#extra?.wait;
  }

  get expiry(): Timer | undefined {
    return this.#extra?.expiry;
  }

  get deadline(): Extra["deadline"] {
    return this.#extra?.deadline;
  }

  get progress(): Progress | undefined {
    return this.#extra?.progress;
  }

  get terms(): AttemptTerms | undefined {
    return this.#extra?.terms;
  }

  get carrier(): Entry | undefined {
    return this.#extra?.carrier;
  }

  get partList(): Parts | undefined {
    return this.#extra?.parts;
  }

  get parent(): Context | undefined {
    return this.#extra?.parent;
  }

  /** The state as the submitter sees it: what was given to a worker is ready until it is known to have begun. */
  get state(): JobState {
    const { batch, carrier } = this;
    if (carrier && !this.hasEnded) return carrier.state;
    if (!batch) return this.phase;
    return this.index < batch.lane.begun(batch) ? "running" : "ready";
  }

  /** Sets arguments that are not flat. */
  setArgs({ kind, data, moves }: Packed): void {
    this.kind = kind;
    this.data = data;
    if (!moves) return;
    this.extra.moves = moves;
    this.extra.alone = true;
  }

  get priority(): number {
    return this.definition.policy.priority;
  }

  get hasEnded(): boolean {
    return isFinal(this.phase);
  }

  /** True when its arguments were moved to a worker, and so cannot be sent again. */
  get isSpent(): boolean {
    return this.moves?.some((buffer) => buffer.detached) ?? false;
  }

  get timeoutMs(): number | undefined {
    const { terms } = this;
    return terms ? terms.timeoutMs : this.definition.policy.timeoutMs;
  }

  /** What it yields, also from before it was asked for. */
  readParts(id: string, restarted: (() => void) | undefined): AsyncGenerator<unknown, void> {
    const parts = (this.extra.parts ??= new Parts());
    if (this.hasEnded) parts.end(this.attempt);
    return parts.read(id, restarted);
  }

  /** Called once, when it has ended; `outcome` is the result, or for every other state than `done` the error. */
  abstract ended(state: FinalState, outcome: unknown): void;
}

/** Entries given to a worker together. */
export class Batch {
  readonly lane: Keeper;
  readonly slot: number;
  readonly entries: readonly Entry[];
  /** Those whose outcome has arrived: the first so many. */
  reported = 0;
  /** Those still the worker's: falls when some are taken back. */
  end: number;
  /** How long it should take; Infinity when that is not known. */
  readonly expectedMs: number;
  /** The last element that has been seen running by a link that cannot look at any time; -1 for none. */
  seen = -1;

  constructor(lane: Keeper, slot: number, entries: readonly Entry[]) {
    this.lane = lane;
    this.slot = slot;
    this.entries = entries;
    this.end = entries.length;
    let expected = 0;
    for (const { record } of entries) expected += record.averageMs ?? Infinity;
    this.expectedMs = expected;
  }

  /** How many outcomes are still to come. */
  get left(): number {
    return this.end - this.reported;
  }

  /** Entries whose outcome is still to come. */
  unreported(): readonly Entry[] {
    return this.entries.slice(this.reported, this.end);
  }

  /** True when nothing may be given to the worker beside it. */
  get isAlone(): boolean {
    return this.entries[0]?.alone ?? false;
  }
}

/** The keeper of a given entry: its lane. */
export interface Keeper {
  /** Makes the wish of an entry in one of its batches come true: takes it back, or has its worker stop it. */
  stop(entry: Entry): void;
  /** How many elements of a batch have begun, as far as that is known. */
  begun(batch: Batch): number;
}
