// Sorting in shared memory. What travels between threads is which part of the numbers is meant, never the numbers: a typed
// array over a SharedArrayBuffer is passed by reference, and every thread sees the same memory.
import { task } from "manyhands";

/** A part of the numbers, `from` included, `to` not. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Sorts a part in place. */
export const sortPart = task(
  "sortPart",
  (numbers: Float64Array, part: Range): Range => {
    numbers.subarray(part.from, part.to).sort();
    return part;
  },
  { on: "thread" },
);

/** Merges two sorted neighbours in place. No other call touches these parts meanwhile: it waits for both, all others for it. */
export const merge = task(
  "merge",
  (numbers: Float64Array, left: Range, right: Range): Range => {
    // Only the left part is copied aside: the write position never overtakes the reading of the right one.
    const first = numbers.slice(left.from, left.to);
    let a = 0;
    let b = right.from;
    let to = left.from;
    while (a < first.length) {
      const next = first[a] as number;
      const other = b < right.to ? (numbers[b] as number) : Infinity;
      if (next <= other) {
        numbers[to++] = next;
        a += 1;
      } else {
        numbers[to++] = other;
        b += 1;
      }
    }
    return { from: left.from, to: right.to };
  },
  { on: "thread" },
);
