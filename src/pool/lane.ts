// One worker and the batches outstanding with it: at most two, one being run and one waiting, so that the worker goes from one
// to the next without asking. The lane gives, hears outcomes, takes back what has not begun, has elements stopped, and when its
// worker dies says of each element what became of it. What happens to an entry then is decided by its host, not here.
//
//   starting ──ready──► working ──────► ending (killed, or asked to end) ──died──► dead
import type { Runtime, Timer } from "../core/runtime.ts";
import { encodeThrown } from "../task/thrown.ts";
import { largestBatch } from "./claims.ts";
import { compose } from "./compose.ts";
import { afterArrivals, Deadline } from "./deadline.ts";
import type { Entry, Keeper } from "./entry.ts";
import { Batch, isSoft } from "./entry.ts";
import type { Hearing } from "./hearing.ts";
import type { Death, Link, LinkEvents, OpenLink, Place } from "./link.ts";
import { valueFrom, widthOf } from "./flat.ts";
import type { PayloadKind } from "./payload.ts";
import { flat } from "./payload.ts";
import type { TaskRecord } from "./record.ts";
import type { AskMessage, LogMessage, ProgressMessage, ResultsMessage } from "./wire.ts";
import { abort, ask, at, log } from "./wire.ts";
import type { Wishes } from "./wishes.ts";

/** What a lane tells the pool. */
export interface LaneHost {
  readonly runtime: Runtime;
  readonly graceMs: number;
  /** Hears what running entries say, and what they ask; the answer goes to their worker. */
  readonly hearing: Hearing;
  readonly wishes: Wishes;
  /** The worker has started, or has room again. */
  hasRoom(lane: Lane, isNew: boolean): void;
  outcome(entry: Entry, kind: PayloadKind, data: unknown): void;
  /** Entries that had not begun, or must run again through no fault of theirs. */
  returned(entries: readonly Entry[]): void;
  /** The worker was ended because this entry did not stop. */
  killed(entry: Entry): void;
  /** The worker died while it ran this entry. */
  crashed(entry: Entry, death: Death): void;
  /** The worker has imported a module that starts work of its own. */
  unguarded(entries: readonly Entry[], error: unknown): void;
  /** The lane is dead. `failedToStart`: of itself, before it had done anything. `wasIdle`: of itself, between two tasks. */
  died(lane: Lane, death: Death, how: { readonly failedToStart: boolean; readonly wasIdle: boolean }): void;
}

/** A worker that will be free within this time is given more in advance; it takes a part of it to get there. */
const soonMs = 20;

/**
 * The import of a task's module is no part of an attempt's time, but it must end, too: it may take as long as the time-out, and
 * this long at least, because a module that loads much on a busy machine is no fault.
 */
const leastImportMs = 10_000;

export class Lane implements Keeper, LinkEvents {
  readonly #host: LaneHost;
  readonly #link: Link;
  readonly #known = new Set<TaskRecord>();
  /** Oldest first: the order in which the worker runs them. */
  readonly #batches: Batch[] = [];
  readonly #deadline: Deadline;
  #state: "starting" | "working" | "ending" | "dead" = "starting";
  #hasWorked = false;
  #taking = 0;
  #condemned: Entry | undefined;
  #held = false;
  #ending: Timer | undefined;

  /** Starts the worker. Throws what the engine throws when it cannot be started at all. */
  constructor(host: LaneHost, open: OpenLink) {
    this.#host = host;
    this.#deadline = new Deadline(host.runtime, () => this.#look(this.#batches.length - 1));
    this.#link = open(this);
    this.#hold();
  }

  get isStarting(): boolean {
    return this.#state === "starting";
  }

  get isEnding(): boolean {
    return this.#state === "ending";
  }

  /** How many batches are outstanding. */
  get load(): number {
    return this.#batches.length;
  }

  /** True when a batch can be given. */
  get isOpen(): boolean {
    return this.#state === "working" && this.#batches.length < 2 && !this.#batches[0]?.isAlone;
  }

  /** True when what is outstanding is expected to be over so soon that more should be given now. */
  get isSoonFree(): boolean {
    return (this.#batches[0]?.expectedMs ?? 0) < soonMs;
  }

  /** How many elements could be taken over, at a guess: those that have begun are not known for certain. */
  get spare(): number {
    if (this.#state !== "working" || this.#taking > 0) return 0;
    let count = -1;
    for (const batch of this.#batches) if (!batch.isAlone) count += batch.left;
    return Math.max(0, count);
  }

  give(entries: readonly Entry[]): void {
    const slot = this.#batches[0]?.slot === 0 ? 1 : 0;
    const batch = new Batch(this, slot, entries);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      entry.batch = batch;
      entry.index = i;
    }
    this.#batches.push(batch);
    this.#hold();
    this.#link.give(compose(slot, entries, this.#known), entries[0]?.moves ?? []);
    this.#deadline.watch(batch);
  }

  /** Hears outcomes that have arrived, before the event loop tells of them. */
  poll(): void {
    this.#link.poll?.();
  }

  /** Takes over what has not begun, leaving the worker the share `keep`. */
  takeOver(keep: number): void {
    const most = this.#batches.findLast((batch, place) => !batch.isAlone && batch.left > (place === 0 ? 1 : 0));
    if (most) this.#take(most, 0, keep);
  }

  /** Takes back what has not begun and has a lower priority than `priority`. */
  yieldTo(priority: number): void {
    if (this.#state !== "working") return;
    for (const batch of this.#batches) {
      const first = batch.entries[0];
      if (first && !first.alone && first.priority < priority && batch.left > 0) this.#take(batch, 0, 0);
    }
  }

  stop(entry: Entry): void {
    const { batch } = entry;
    if (!batch || this.#state !== "working") return;
    this.#take(batch, entry.index, 0, () => {
      if (entry.batch !== batch) return;
      // It has begun: an entry that expires has made it in time, any other is asked to stop.
      if (entry.wish && isSoft(entry.wish)) entry.wish = undefined;
      else this.#abort(entry, batch);
    });
  }

  begun(batch: Batch): number {
    return this.#link.begun?.(batch.slot) ?? batch.seen + 1;
  }

  /** Entries outstanding here. */
  entries(): Entry[] {
    return this.#batches.flatMap((batch) => batch.unreported());
  }

  /** Asks the idle worker to end itself, and ends it when it does not. */
  end(): void {
    if (this.#state === "dead" || this.#state === "ending") return;
    const wasStarting = this.#state === "starting";
    this.#state = "ending";
    this.#link.hold(true);
    if (wasStarting) return this.#link.kill();
    this.#link.end();
    this.#ending = afterArrivals(this.#host.runtime, this.#host.graceMs, () => this.#link.kill());
  }

  /** Ends the worker now. What it had goes back, but for the entry because of which it is ended. */
  kill(condemned?: Entry): void {
    if (this.#state === "dead") return;
    this.#condemned = condemned;
    this.#state = "ending";
    this.#link.kill();
  }

  // What the link tells.

  ready(): void {
    if (this.#state !== "starting") return;
    this.#state = "working";
    this.#hold();
    this.#host.hasRoom(this, true);
  }

  results([, slot, from, count, kinds, shape, data, finished, tookMs]: ResultsMessage): void {
    const batch = this.#batchIn(slot);
    if (!batch) return;
    let isLeft = false;
    const width = shape === undefined ? 0 : widthOf(shape);
    for (let i = 0; i < count; i++) {
      const entry = batch.entries[from + i] as Entry;
      entry.batch = undefined;
      isLeft ||= entry.isLeft;
      batch.reported = from + i + 1;
      if (shape === undefined) this.#host.outcome(entry, at(kinds, i), data[i]);
      else this.#host.outcome(entry, flat, valueFrom(shape, data, i * width));
    }
    if (count > 0) measure(batch, from, count, tookMs);
    this.#hasWorked = true;
    if (isLeft) return this.kill();
    if (!finished) return;
    this.#batches.splice(this.#batches.indexOf(batch), 1);
    this.#hold();
    this.#deadline.unwatch(batch);
    this.#host.hasRoom(this, false);
  }

  report(message: LogMessage | ProgressMessage | AskMessage): void {
    const entry = this.#batchIn(message[1])?.entries[message[2]];
    if (message[0] === ask) {
      if (entry?.batch) this.#host.hearing.asked(entry, message, (told) => this.#link.answer(told));
    } else if (entry?.batch || (entry && message[0] === log)) this.#host.hearing.report(entry, message);
  }

  seen(slot: number, index: number): void {
    const batch = this.#batchIn(slot);
    if (batch) batch.seen = Math.max(batch.seen, index);
  }

  unguarded(error: unknown): void {
    const entries = this.entries();
    this.#batches.length = 0;
    for (const entry of entries) entry.batch = undefined;
    this.kill();
    this.#host.unguarded(entries, error);
  }

  died(death: Death): void {
    const wasKilled = this.#state === "ending";
    const wasStarting = this.#state === "starting";
    this.#state = "dead";
    this.#deadline.cancel();
    this.#ending?.cancel();
    const entries = this.entries();
    const culprit = wasKilled ? this.#condemned : culpritOf(this.#batches, death);
    // Nobody can say which one it was: each goes alone from now on, and the next time it is clear.
    if (!wasKilled && culprit === undefined && death.begun === undefined) for (const entry of entries) entry.extra.alone = true;
    this.#batches.length = 0;
    for (const entry of entries) entry.batch = undefined;
    this.#host.returned(entries.filter((entry) => entry !== culprit));
    if (culprit && entries.includes(culprit)) {
      if (culprit.wish && !isSoft(culprit.wish)) this.#host.killed(culprit);
      else this.#host.crashed(culprit, death);
    }
    this.#host.died(this, death, {
      failedToStart: !wasKilled && !this.#hasWorked && culprit === undefined,
      wasIdle: !wasKilled && !wasStarting && entries.length === 0,
    });
  }

  #batchIn(slot: number): Batch | undefined {
    return this.#batches.find((batch) => batch.slot === slot);
  }

  #hold(): void {
    const on = this.#state === "starting" || this.#batches.length > 0;
    if (on !== this.#held) this.#link.hold(on);
    this.#held = on;
  }

  #take(batch: Batch, from: number, keep: number, then?: () => void): void {
    this.#taking += 1;
    this.#link.take(batch.slot, from, keep, ({ end }) => {
      this.#taking -= 1;
      if (end < batch.end && this.#batches.includes(batch)) {
        const taken = batch.entries.slice(end, batch.end);
        batch.end = end;
        for (const entry of taken) entry.batch = undefined;
        this.#host.returned(taken);
      }
      then?.();
    });
  }

  #abort(entry: Entry, batch: Batch): void {
    const { wish } = entry;
    if (!wish || entry.isUndoing) return;
    this.#link.abort([abort, batch.slot, entry.index, encodeThrown(wish.error)]);
    wish.grace ??= afterArrivals(this.#host.runtime, this.#host.graceMs, () => {
      if (entry.batch === batch) this.kill(entry);
    });
  }

  // Time-outs. The parent looks at the claims when the first time-out could be over, and so needs no message for each element.

  #look(place: number): void {
    const batch = this.#batches[place];
    if (!batch || this.#state !== "working") return;
    this.#link.take(batch.slot, largestBatch, 0, (found) => {
      if (this.#state !== "working" || !this.#batches.includes(batch)) return this.#deadline.again();
      if (found.next > batch.reported) this.#judge(batch, found);
      else if (place > 0) this.#look(place - 1);
      else this.#deadline.again();
    });
  }

  #judge(batch: Batch, { next, runningMs, isImporting }: Place): void {
    const entry = batch.entries[next - 1];
    const { timeoutMs } = entry ?? {};
    if (entry === undefined || timeoutMs === undefined || entry.wish || entry.isUndoing) return this.#deadline.again();
    const limit = isImporting ? Math.max(timeoutMs, leastImportMs) : timeoutMs;
    if (runningMs < limit) return this.#deadline.again(limit - runningMs);
    this.#host.wishes.timeOut(entry, limit, isImporting);
    this.#abort(entry, batch);
    this.#deadline.again();
  }
}

/** Tells the tasks of these elements how long they took. Of different tasks in one batch, each is taken to be as long as it was. */
function measure(batch: Batch, from: number, count: number, tookMs: number): void {
  const { record } = batch.entries[from] as Entry;
  const entries = batch.entries;
  let expectedMs = 0;
  let same = true;
  for (let i = from; i < from + count; i++) {
    const other = (entries[i] as Entry).record;
    same &&= other === record;
    expectedMs += other.averageMs ?? 0;
  }
  if (same) return record.measured(count, tookMs);
  for (let i = from; i < from + count; i++) {
    const other = (entries[i] as Entry).record;
    other.measured(1, expectedMs > 0 ? (tookMs * (other.averageMs ?? 0)) / expectedMs : tookMs / count);
  }
}

/** The element that was running when the worker died, where that is known. */
function culpritOf(batches: readonly Batch[], { begun }: Death): Entry | undefined {
  for (const batch of batches.toReversed()) {
    const running = begun ? (begun[batch.slot] ?? 0) - 1 : batch.seen;
    if (running >= batch.reported) return batch.entries[running];
  }
  if (begun) return undefined;
  const left = batches.flatMap((batch) => batch.unreported());
  return left.length === 1 ? left[0] : undefined;
}
