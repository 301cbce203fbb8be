// Recording how attempts ended.
import { isFinal } from "../../task/state.ts";
import type { Ended, Outcome } from "../job.ts";
import type { AttemptEnd } from "../machine.ts";
import { asReported, isHeld } from "../machine.ts";
import type { Settled, Want } from "../store.ts";
import type { Book } from "./book.ts";
import { claim } from "./claim.ts";
import { failAbove, releaseAbove } from "./ends.ts";
import type { Row } from "./row.ts";
import { toEnded } from "./row.ts";

/** Records outcomes, and claims; see `Store.settle`. */
export function settle(book: Book, worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Settled {
  const refused: number[] = [];
  const ended: Ended[] = [];
  const unsuccessful: Row[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const row = book.rows.get(outcome.id);
    if (!row || !isHeld(row.job) || row.job.worker !== worker || row.job.fence !== outcome.fence) {
      refused.push(index);
      continue;
    }
    const state = book.stop(row, endOf(book, outcome), now);
    if (!isFinal(state)) continue;
    if (state === "done") releaseAbove(book, row, now);
    else unsuccessful.push(row);
    if (!asReported(outcome.kind, state)) ended.push(toEnded(row));
  }
  for (const each of failAbove(book, unsuccessful, now)) ended.push(each);
  book.openGates(now);
  const claimed = claim(book, worker, wants, now);
  book.openGates(now);
  return { refused, ended, claimed };
}

function endOf(book: Book, outcome: Outcome): AttemptEnd {
  if (outcome.kind !== "waiting") return outcome;
  const { id, kind, dueAt, seen, waits } = outcome;
  return { kind, dueAt, waits, signalled: book.signals(id) > seen };
}

/** Gives back what a worker runs, as lost or released; returns what ended with it and in consequence. */
export function takeBack(book: Book, rows: Iterable<Row>, kind: "lost" | "released", now: number): Ended[] {
  const inOrder = [...rows].sort((a, b) => a.seq - b.seq);
  const stopped = inOrder.filter((row) => isFinal(book.stop(row, { kind }, now)));
  const ended = stopped.map(toEnded);
  for (const each of failAbove(book, stopped, now)) ended.push(each);
  return ended;
}
