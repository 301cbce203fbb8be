// Who gets work: starts workers as they are needed, gives batches to those with room, and, when nothing waits and a worker is
// free, has it take over what another has not begun. It looks at the whole picture once in a microtask (`pump`), however many
// things have happened, and, in a long run of submits, between two of them (`submitting`); there is no other way in which work moves.
//
// Workers that end before they have done anything are failed starts. After one, a single worker is tried after a wait that doubles
// from one failure to the next; when several in a row have failed and no other worker is there, what waits fails with the reason.
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Death, OpenLink } from "./link.ts";
import type { LaneHost } from "./lane.ts";
import { Lane } from "./lane.ts";
import type { Queue } from "./queue.ts";

/** From so many failed starts in a row on, calls fail with the reason, unless some worker is working. */
const mostFailedStarts = 3;

/** The wait after the first failed start, and the longest one. */
const firstWaitMs = 50;
const longestWaitMs = 5000;

/** In a run of submits without a pause, how many go by between two looks. */
const submitsPerLook = 4096;

/** What a dispatcher needs to know. */
export interface DispatcherParts {
  readonly queue: Queue;
  readonly host: LaneHost;
  readonly open: OpenLink;
  readonly runtime: Runtime;
  /** At most this many workers, now. */
  size(): number;
  /** True while running tasks wait for calls to these very workers: what stands behind such a task would wait for ever. */
  isNested(): boolean;
  /** No worker can be started. */
  cannotStart(death: Death): void;
}

export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #lanes: Lane[] = [];
  #scheduled = false;
  /** Submits since the last look. */
  #unseen = 0;
  #isGiving = false;
  /** Failed starts since a worker has last done something. */
  #failedStarts = 0;
  #mayStartAt = 0;
  /** The one worker that was started after a failure. */
  #trial: Lane | undefined;
  #startLater: Timer | undefined;
  #closed: (() => void) | undefined;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Something has changed: looks soon. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#pump());
  }

  /**
   * A submit begins. The workers need not wait for the end of a long run of submits: now and then it hears what they have done and gives
   * them more. Nothing else is under way then, but perhaps a map's inputs that submit themselves, while they are being taken.
   */
  submitting(): void {
    if (!this.#scheduled || ++this.#unseen < submitsPerLook || this.#isGiving) return;
    this.#unseen = 0;
    for (const lane of this.#lanes) lane.poll();
    this.#giveAll();
  }

  /** The lanes there are. */
  get lanes(): readonly Lane[] {
    return this.#lanes;
  }

  /** A worker has done something. */
  worked(): void {
    if (this.#failedStarts === 0) return;
    this.#failedStarts = 0;
    this.#cancelStart();
  }

  /** `failedToStart`: of itself, before it has done anything. */
  died(lane: Lane, death: Death, failedToStart: boolean): void {
    const place = this.#lanes.indexOf(lane);
    if (place >= 0) this.#lanes.splice(place, 1);
    if (this.#closed && this.#lanes.length === 0) this.#closed();
    // Of workers that were started together the first to die counts.
    if (failedToStart && (this.#failedStarts === 0 || lane === this.#trial)) this.#startFailed(death);
    // The last worker is gone, and others could not be started once: try again.
    else if (!failedToStart && this.#lanes.length === 0) this.#failedStarts = 0;
    this.wake();
  }

  /** Ends every worker. Nothing must be outstanding any more. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = resolve;
    this.#cancelStart();
    for (const lane of this.#lanes) lane.end();
    if (this.#lanes.length > 0) await promise;
  }

  #startFailed(death: Death): void {
    if (this.#closed) return;
    this.#mayStartAt = this.#parts.runtime.elapsed() + Math.min(longestWaitMs, firstWaitMs * 2 ** this.#failedStarts);
    this.#failedStarts += 1;
    if (this.#failedStarts >= mostFailedStarts && this.#lanes.length === 0) this.#parts.cannotStart(death);
  }

  #pump(): void {
    this.#scheduled = false;
    this.#unseen = 0;
    if (this.#lanes.length > this.#parts.size()) this.#shrink();
    this.#giveAll();
    if (this.#closed) return;
    this.#grow();
    this.#takeOver();
  }

  #giveAll(): void {
    this.#isGiving = true;
    try {
      this.#giveEach();
    } finally {
      this.#isGiving = false;
    }
  }

  #giveEach(): void {
    const { queue } = this.#parts;
    if (queue.hasPriorities) this.#yield();
    // The idle first; then a second batch for each worker whose tasks are short.
    for (const load of [0, 1]) {
      for (const lane of this.#lanes) {
        if (lane.load !== load || !lane.isOpen || (load > 0 && !lane.isSoonFree)) continue;
        const entries = queue.take(this.#lanes.length, load > 0);
        if (entries.length === 0) break;
        lane.give(entries);
      }
    }
  }

  #shrink(): void {
    let surplus = this.#lanes.length - this.#parts.size();
    for (const lane of this.#lanes.toReversed()) {
      if (lane.isEnding) surplus -= 1;
      else if (surplus > 0 && lane.isOpen && lane.load === 0) {
        surplus -= 1;
        lane.end();
      }
    }
  }

  #yield(): void {
    const highest = this.#parts.queue.highest;
    if (highest !== undefined) for (const lane of this.#lanes) lane.yieldTo(highest);
  }

  #grow(): void {
    const wanted = this.#wanted();
    if (this.#failedStarts > 0) return this.#startOne(wanted > 0);
    for (let i = 0; i < wanted; i++) if (!this.#start()) return this.wake();
  }

  /** How many workers more there is work for. */
  #wanted(): number {
    let { waiting } = this.#parts.queue;
    for (const lane of this.#lanes) {
      if (lane.isStarting) waiting -= 1;
      else if (this.#parts.isNested()) waiting += lane.spare;
    }
    return Math.min(this.#parts.size() - this.#lanes.length, waiting);
  }

  /** After a failed start: tries with one worker, when it is time and one is wanted. The wait keeps the program alive, for calls wait. */
  #startOne(isWanted: boolean): void {
    this.#cancelStart();
    if (!isWanted || this.#lanes.some((lane) => lane.isStarting)) return;
    const wait = this.#mayStartAt - this.#parts.runtime.elapsed();
    if (wait > 0) this.#startLater = this.#parts.runtime.after(wait, () => this.wake());
    else if (this.#start()) this.#trial = this.#lanes.at(-1);
    else this.wake();
  }

  #cancelStart(): void {
    this.#startLater?.cancel();
    this.#startLater = undefined;
  }

  /** Starts a worker. Gives false when the engine refuses at once. */
  #start(): boolean {
    try {
      this.#lanes.push(new Lane(this.#parts.host, this.#parts.open));
      return true;
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      this.#startFailed({ reason: "uncaught", detail, cause, begun: undefined, importing: false });
      return false;
    }
  }

  #takeOver(): void {
    const idle = this.#lanes.filter((lane) => lane.load === 0 && lane.isOpen).length;
    if (idle === 0 || this.#parts.queue.waiting > 0) return;
    let victim: Lane | undefined;
    let most = 0;
    for (const lane of this.#lanes) {
      const { spare } = lane;
      if (spare > most) [victim, most] = [lane, spare];
    }
    victim?.takeOver(1 / (idle + 1));
  }
}
