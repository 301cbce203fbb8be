// Who runs which element of a batch, decided without a message. A lane has two slots, one for each batch that may be outstanding.
// A slot is one word that packs `next` (the first element not begun) and `end` (the first that is no longer the worker's).
// The worker begins an element by raising `next`; the parent takes unbegun elements back by lowering `end`; both by
// compare-and-exchange, so each element has one owner. Elements are only ever taken from the tail.
//
// Beside the slots stands the time at which the current element began, on the worker's clock. It is written before the
// claim: a reader that sees the claim sees this time or a later one, and so never takes an element for older than it is.
//
// A slot is opened again only after the worker has said that it is done with it; so words are never confused.

/** Batches that may be outstanding with one worker: one being run, one waiting, so that the worker never stands idle between. */
export const slotCount = 2;

/** The largest batch: `next` and `end` are 15 bits each. */
export const largestBatch = 0x7fff;

const stampAt = 8;

/** Where a worker stands in a batch. */
export interface Standing {
  /** Elements begun so far. */
  readonly next: number;
  /** Elements from here on are the parent's again. */
  readonly end: number;
  /** When the current element began, on the worker's clock; 0 while its module is being loaded. */
  readonly since: number;
}

/** The claim words of one lane, over memory that worker and parent share. */
export class Claims {
  /** The memory: hand it to the other side. */
  readonly memory: ArrayBufferLike;
  readonly #words: Int32Array;
  readonly #stamp: Float64Array;

  /** `memory` from the other side, or none to make it. */
  constructor(memory: ArrayBufferLike = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, slotCount);
    this.#stamp = new Float64Array(memory, stampAt, 1);
  }

  /** Begins a batch of `count` elements in a slot. */
  open(slot: number, count: number): void {
    Atomics.store(this.#words, slot, count);
  }

  /** The worker begins the next element: its index, or -1 when none is left. `since` is when, or 0 while it must be loaded. */
  claim(slot: number, since: number): number {
    this.#stamp[0] = since;
    for (;;) {
      const word = Atomics.load(this.#words, slot);
      const next = word >>> 16;
      if (next >= (word & 0xffff)) return -1;
      if (Atomics.compareExchange(this.#words, slot, word, word + 0x10000) === word) return next;
    }
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
      if (taken) return { next, end: lowered, since: this.#stamp[0] as number };
    }
  }
}
