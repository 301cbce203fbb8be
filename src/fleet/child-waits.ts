// A task that awaits children does not work: meanwhile its slot is another's, and the store is told that its job is waiting.
import { StoreUnavailable } from "../core/errors.ts";
import type { ClaimedJob } from "../store/job.ts";
import type { Children, Waiting } from "./children.ts";
import type { Running } from "./running.ts";
import type { Slots } from "./slots.ts";

/** What the store is told of an attempt: what it waits for, or null when it works again. */
type Wait = readonly [id: string, fence: number, waits: string | null];

/** What waiting needs of its worker. */
export interface ChildWaitsHost {
  /** What a job may submit. */
  children(job: ClaimedJob, waiting: Waiting): Children;
  /** True while this very attempt is the worker's to tell of. */
  isHere(running: Running): boolean;
  /** These slots have room for jobs that are held. */
  hasRoom(slots: Slots): void;
  /** The state of jobs has changed between running and waiting. */
  changed(): void;
}

function noteMissed(running: Running, error: unknown): void {
  running.hasMissedStore ||= error instanceof StoreUnavailable;
}

/** True when an attempt fails since the store could not be reached for its children: it has not failed by itself. */
export function failsWithStore({ hasMissedStore, isCancelled }: Running, thrown: unknown): boolean {
  if (!hasMissedStore || isCancelled) return false;
  let error = thrown;
  for (let depth = 0; depth < 10 && error instanceof Error; depth++, error = error.cause) {
    if (error instanceof StoreUnavailable) return true;
  }
  return false;
}

/** The attempts of one worker that wait for children. */
export class ChildWaits {
  readonly #host: ChildWaitsHost;
  /** What the store has not been told. */
  readonly #untold = new Map<string, Wait>();

  constructor(host: ChildWaitsHost) {
    this.#host = host;
  }

  childrenOf(running: Running): Children {
    running.children ??= this.#host.children(running.job, {
      awaited: (promise) => this.#awaited(running, promise),
      refused: (error) => noteMissed(running, error),
    });
    return running.children;
  }

  /** Jobs that have begun to wait, or to work again, since this was last asked. */
  take(): Wait[] {
    const waits = [...this.#untold.values()];
    this.#untold.clear();
    return waits;
  }

  /** The attempt is over. */
  forget(id: string): void {
    this.#untold.delete(id);
  }

  async #awaited<T>(running: Running, promise: Promise<T>): Promise<T> {
    running.awaited += 1;
    if (running.awaited === 1 && running.hasSlot && !running.isOver) {
      running.hasSlot = false;
      running.slots.leave();
      this.#tell(running, '"children"');
    }
    try {
      return await promise;
    } catch (error) {
      noteMissed(running, error);
      throw error;
    } finally {
      running.awaited -= 1;
      if (running.awaited === 0 && !running.isOver) await this.#goOn(running);
    }
  }

  async #goOn(running: Running): Promise<void> {
    const { slots } = running;
    await slots.enter();
    // Meanwhile it may have ended, or another part of it waits or goes on.
    if (running.isOver || running.awaited > 0 || running.hasSlot) {
      slots.leave();
      return this.#host.hasRoom(slots);
    }
    running.hasSlot = true;
    this.#tell(running, null);
    running.attempt?.resumed();
  }

  #tell(running: Running, waits: string | null): void {
    const { job, slots } = running;
    if (this.#host.isHere(running)) this.#untold.set(job.id, [job.id, job.fence, waits]);
    this.#host.hasRoom(slots);
    this.#host.changed();
  }
}
