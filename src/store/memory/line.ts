// A line of rows in order of a number, then of a place, which is their seq if nothing else is said: a binary heap from which rows that no longer belong are dropped when they
// come to the head. Leaving a line therefore costs nothing; the price is that entries can outlive their row's stay, so
// a line is swept when most of it may be stale. The same row may stand in a line twice; `belongs` must not mind.
import type { Row } from "./row.ts";

interface Entry {
  readonly order: number;
  readonly place: number;
  readonly row: Row;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.order === b.order ? a.place < b.place : a.order < b.order;
}

const leastSweep = 64;

/** Rows by a number, smallest first. */
export class Line {
  #heap: Entry[] = [];
  #sweepAt: number = leastSweep;
  readonly #belongs: (row: Row, order: number, place: number) => boolean;

  /** `belongs` says whether a row still stands in this line with this number and place. */
  constructor(belongs: (row: Row, order: number, place: number) => boolean) {
    this.#belongs = belongs;
  }

  push(row: Row, order: number, place: number = row.seq): void {
    if (this.#heap.length >= this.#sweepAt) this.#sweep();
    this.#heap.push({ order, place, row });
    this.#rise(this.#heap.length - 1);
  }

  /** The first row and its number; undefined when the line is empty. */
  head(): Entry | undefined {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (this.#belongs(first.row, first.order, first.place)) return first;
      this.shift();
    }
    return undefined;
  }

  /** Takes the first entry away. */
  shift(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  /** Takes rows from the head, while their number is at most `most`, until there are `limit`. */
  takeUpTo(most: number, limit: number): Row[] {
    const taken = new Set<Row>();
    while (taken.size < limit) {
      const first = this.head();
      if (!first || first.order > most) break;
      this.shift();
      taken.add(first.row);
    }
    return [...taken];
  }

  #sweep(): void {
    const seen = new Set<Row>();
    const kept = this.#heap.filter(
      ({ row, order, place }) => this.#belongs(row, order, place) && !seen.has(row) && seen.add(row),
    );
    // A sorted array is a heap.
    this.#heap = kept.sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#sweepAt = Math.max(leastSweep, kept.length * 2);
  }

  #rise(at: number): void {
    const heap = this.#heap;
    const entry = heap[at] as Entry;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(entry, heap[above] as Entry)) break;
      heap[at] = heap[above] as Entry;
      at = above;
    }
    heap[at] = entry;
  }

  #sink(at: number): void {
    const heap = this.#heap;
    const entry = heap[at] as Entry;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Entry, heap[below] as Entry)) below += 1;
      if (!isBefore(heap[below] as Entry, entry)) break;
      heap[at] = heap[below] as Entry;
      at = below;
    }
    heap[at] = entry;
  }
}
