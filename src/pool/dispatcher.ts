// Who gets work: starts workers as they are needed, gives batches to those with room, and, when nothing waits and a worker is
// free, has it take over what another has not begun. It looks at the whole picture once in a microtask (`pump`), however many
// things have happened; there is no other way in which work moves.
import type { Death, OpenLink } from "./link.ts";
import type { LaneHost } from "./lane.ts";
import { Lane } from "./lane.ts";
import type { Queue } from "./queue.ts";

/** How often in a row a worker may die before it has started, while no other is working, until calls fail with the reason. */
const mostStartDeaths = 3;

/** In a run of submits without a pause, how many go by between two looks. */
const submitsPerLook = 4096;

/** What a dispatcher needs to know. */
export interface DispatcherParts {
  readonly queue: Queue;
  readonly host: LaneHost;
  readonly open: OpenLink;
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
  #unseen = 0;
  #startDeaths = 0;
  #closed: (() => void) | undefined;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Something has changed: looks soon. */
  wake(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.#pump());
    } else if (++this.#unseen >= submitsPerLook) {
      // A long run of submits: the workers need not wait for its end.
      this.#unseen = 0;
      for (const lane of this.#lanes) lane.poll();
      this.#giveAll();
    }
  }

  /** The lanes there are. */
  get lanes(): readonly Lane[] {
    return this.#lanes;
  }

  started(): void {
    this.#startDeaths = 0;
  }

  died(lane: Lane, death: Death, wasStarting: boolean): void {
    const place = this.#lanes.indexOf(lane);
    if (place >= 0) this.#lanes.splice(place, 1);
    if (this.#closed && this.#lanes.length === 0) this.#closed();
    if (wasStarting) this.#startFailed(death);
    // The last worker is gone, and others could not be started once: try again.
    else if (this.#lanes.length === 0) this.#startDeaths = 0;
    this.wake();
  }

  /** Ends every worker. Nothing must be outstanding any more. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = resolve;
    for (const lane of this.#lanes) lane.end();
    if (this.#lanes.length > 0) await promise;
  }

  #startFailed(death: Death): void {
    this.#startDeaths += 1;
    if (this.#closed || this.#startDeaths < mostStartDeaths || this.#lanes.some((lane) => !lane.isStarting)) return;
    this.#startDeaths = 0;
    this.#parts.cannotStart(death);
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
    if (this.#startDeaths >= mostStartDeaths) return;
    const { queue, host, open } = this.#parts;
    let waiting = queue.waiting;
    for (const lane of this.#lanes) {
      if (lane.isStarting) waiting -= 1;
      else if (this.#parts.isNested()) waiting += lane.spare;
    }
    const wanted = Math.min(this.#parts.size() - this.#lanes.length, waiting);
    for (let i = 0; i < wanted; i++) {
      try {
        this.#lanes.push(new Lane(host, open));
      } catch (cause) {
        const detail = cause instanceof Error ? cause.message : String(cause);
        this.#startFailed({ reason: "uncaught", detail, cause, begun: undefined, importing: false });
        if (this.#startDeaths > 0 && this.#startDeaths < mostStartDeaths) this.wake();
        return;
      }
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
