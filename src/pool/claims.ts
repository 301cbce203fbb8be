// Who runs which element of a batch, decided without a message. A lane has two slots, one for each batch that may be outstanding.
// A slot is one word that packs `next` (the first element not begun) and `end` (the first that is no longer the worker's).
// The worker begins an element by raising `next`; the parent takes unbegun elements back by lowering `end`; both by
// compare-and-exchange, so each element has one owner. Elements are only ever taken from the tail.
//
// Beside the slots stands the time at which the current element began, on the worker's clock. It is written before the
// claim: a reader that sees the claim sees this time or a later one, and so never takes an element for older than it is.
// While the element's module is being imported, the time is negative.
//
// A bell beside them wakes a worker that waits for its next message without going through its event loop.
//
// A slot is opened again only after the worker has said that it is done with it; so words are never confused.

/** Batches that may be outstanding with one worker: one being run, one waiting, so that the worker never stands idle between. */
export const slotCount = 2;

/** The largest batch: `next` and `end` are 15 bits each. */
export const largestBatch = 0x7fff;

const bell = slotCount;
const listening = slotCount + 1;
const stampAt = 16;
/** Bytes that the words and the time take. */
export const claimBytes = 24;

/** Where a worker stands in a batch. */
export interface Standing {
  /** Elements begun so far. */
  readonly next: number;
  /** Elements from here on are the parent's again. */
  readonly end: number;
  /** When the current element began, or began to wait for its module, on the worker's clock. */
  readonly since: number;
  /** The module of the current element is being imported. */
  readonly isImporting: boolean;
}

/** The claim words of one lane, over memory that worker and parent share. */
export class Claims {
  /** The memory: hand it to the other side. */
  readonly memory: ArrayBufferLike;
  readonly #words: Int32Array;
  readonly #stamp: Float64Array;

  /** `memory` from the other side, or none to make it. */
  constructor(memory: ArrayBufferLike = new SharedArrayBuffer(claimBytes)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, slotCount + 2);
    this.#stamp = new Float64Array(memory, stampAt, 1);
  }

  /** How often the bell was rung. */
  get rings(): number {
    return Atomics.load(this.#words, bell);
  }

  /** Wakes the worker, if it listens. */
  ring(): void {
    Atomics.add(this.#words, bell, 1);
    // Waking costs a call of the system, even where nobody sleeps.
    if (Atomics.load(this.#words, listening) === 1) Atomics.notify(this.#words, bell, 1);
  }

  /** The worker waits, at most `ms`, until the bell has been rung more than `rings` times. Gives false when it was not. */
  listen(rings: number, ms: number): boolean {
    Atomics.store(this.#words, listening, 1);
    const found = Atomics.wait(this.#words, bell, rings, ms);
    Atomics.store(this.#words, listening, 0);
    return found !== "timed-out";
  }

  /** Begins a batch of `count` elements in a slot. */
  open(slot: number, count: number): void {
    Atomics.store(this.#words, slot, count);
  }

  /** The worker begins the next element: its index, or -1 when none is left. `since` is when; negative when its module must be imported first. */
  claim(slot: number, since: number): number {
    this.#stamp[0] = since;
    for (;;) {
      const word = Atomics.load(this.#words, slot);
      const next = word >>> 16;
      if (next >= (word & 0xffff)) return -1;
      if (Atomics.compareExchange(this.#words, slot, word, word + 0x10000) === word) return next;
    }
  }

  /** How many elements have begun. */
  begun(slot: number): number {
    return Atomics.load(this.#words, slot) >>> 16;
  }

  /** The element that `claim` would give, or -1. */
  upcoming(slot: number): number {
    const word = Atomics.load(this.#words, slot);
    const next = word >>> 16;
    return next < (word & 0xffff) ? next : -1;
  }

  /** The worker has loaded what the claimed element needs and starts it now. */
  started(since: number): void {
    this.#stamp[0] = since;
  }

  /**
   * The parent takes back unbegun elements: those from index `from` on, but the worker keeps the share `keep` (0 to 1) of
   * what it has not begun. Gives where the worker stands after that.
   */
  take(slot: number, from: number, keep: number): Standing {
    for (;;) {
      const word = Atomics.load(this.#words, slot);
      const next = word >>> 16;
      const end = word & 0xffff;
      const kept = next + Math.floor((end - next) * keep);
      const lowered = Math.max(next, Math.min(end, Math.max(from, kept)));
      const taken = lowered === end || Atomics.compareExchange(this.#words, slot, word, (next << 16) | lowered) === word;
      const stamp = this.#stamp[0] as number;
      if (taken) return { next, end: lowered, since: Math.abs(stamp), isImporting: stamp < 0 };
    }
  }
}
