// Waits, for this program, for jobs to end. Jobs ended by a worker of this program are told directly; for the others the
// store is asked when it says that something ended. Asking is cheap but not free, so with very many jobs waited for, the
// oldest are asked first and the whole list only now and then: see `#scan`.
import { StoreError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Ended } from "../store/job.ts";
import type { Store } from "../store/store.ts";

/** Told once when a job has ended, or when that can no longer be learnt. */
export interface Waiter {
  ended(ended: Ended): void;
  lost(error: unknown): void;
  /** False while the store has not acknowledged the job. */
  isStored(): boolean;
}

const windowSize = 500;
const fullScanMs = 100;
const missingCheckMs = 2000;
/** How long the store is watched when nobody waits any more: to begin anew may cost a connection. */
const lingerMs = 30_000;

/** The jobs this program waits for. */
export class Awaiter {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #waiters = new Map<string, Waiter[]>();
  #unwatch: (() => void) | undefined;
  #unwatchLater: Timer | undefined;
  /** Whoever awaits a result wants the program to go on until it is there. */
  #hold: Timer | undefined;
  #scanning = false;
  #missingCheck: Timer | undefined;
  #dirty = false;
  #fullScan: Timer | undefined;
  #closed: Error | undefined;

  constructor(store: Store, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
  }

  /** Waits for a job to end. `fresh` says that it cannot have ended yet, which saves asking. */
  wait(id: string, waiter: Waiter, fresh = false): void {
    if (this.#closed) return waiter.lost(this.#closed);
    const waiters = this.#waiters.get(id);
    if (waiters) waiters.push(waiter);
    else this.#waiters.set(id, [waiter]);
    this.#unwatchLater?.cancel();
    this.#unwatchLater = undefined;
    this.#hold ??= this.#runtime.hold();
    this.#missingCheck ??= this.#lookForMissingLater();
    // What ended by this program's own doing, `tell` is told of.
    this.#unwatch ??= this.#store.watch((event, elsewhere) => {
      if (event === "ended" && elsewhere) this.#wake();
    });
    if (!fresh) this.#wake();
  }

  /** True while someone waits for this job. */
  waitsFor(id: string): boolean {
    return this.#waiters.has(id);
  }

  /** Waits no more for a job that was never stored; others who wait for it go on. */
  forget(id: string, waiter: Waiter): void {
    const left = this.#waiters.get(id)?.filter((each) => each !== waiter) ?? [];
    if (left.length > 0) this.#waiters.set(id, left);
    else this.#waiters.delete(id);
    if (this.#waiters.size === 0) this.#rest();
  }

  /** Asks the store about all that is waited for, after something may have ended here of which nobody told. */
  look(): void {
    if (this.#waiters.size > 0) this.#wake();
  }

  /** Tells of jobs that ended in this program. */
  tell(ended: readonly Ended[]): void {
    for (const each of ended) {
      const waiters = this.#waiters.get(each.id);
      if (!waiters) continue;
      this.#waiters.delete(each.id);
      for (const waiter of waiters) waiter.ended(each);
    }
    if (this.#waiters.size === 0) this.#rest();
  }

  /** Ends all waiting with `error`. */
  close(error: Error): void {
    this.#closed = error;
    this.#fail(error);
  }

  /** A store that fails now may work later: only those who wait now hear of it. */
  #fail(error: Error): void {
    this.#rest();
    this.#stopWatching();
    const all = [...this.#waiters.values()].flat();
    this.#waiters.clear();
    for (const waiter of all) waiter.lost(error);
  }

  #rest(): void {
    this.#hold?.cancel();
    this.#hold = undefined;
    this.#missingCheck?.cancel();
    this.#missingCheck = undefined;
    this.#fullScan?.cancel();
    this.#fullScan = undefined;
    this.#unwatchLater ??= this.#runtime.after(lingerMs, () => this.#stopWatching(), { background: true });
  }

  #stopWatching(): void {
    this.#unwatchLater?.cancel();
    this.#unwatchLater = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #wake(): void {
    this.#dirty = true;
    if (this.#scanning) return;
    this.#scanning = true;
    this.#runtime.defer(() => void this.#scanAll());
  }

  async #scanAll(): Promise<void> {
    try {
      while (this.#dirty && this.#waiters.size > 0) {
        this.#dirty = false;
        await this.#scan(false);
      }
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#scanning = false;
    }
  }

  /** Asks window by window, oldest first. A quick scan stops at the first window in which nothing has ended. */
  async #scan(full: boolean): Promise<void> {
    const ids = [...this.#waiters.keys()];
    for (let start = 0; start < ids.length; start += windowSize) {
      const ended = await this.#store.endings(ids.slice(start, start + windowSize));
      this.tell(ended);
      if (!full && ended.length === 0 && start + windowSize < ids.length) return this.#scanFullyLater();
    }
  }

  /** A job that was removed or pruned unseen ends no more: now and then, some of those waited for longest are looked up. */
  #lookForMissingLater(): Timer {
    const look = (): void => {
      this.#missingCheck = undefined;
      this.#lookForMissing().catch((error: unknown) => this.#fail(error as Error));
    };
    return this.#runtime.after(missingCheckMs, look, { background: true });
  }

  async #lookForMissing(): Promise<void> {
    const acknowledged = [...this.#waiters].filter(([, waiters]) => waiters.some((waiter) => waiter.isStored()));
    const ids = acknowledged.slice(0, windowSize).map(([id]) => id);
    const ended = await this.#store.endings(ids);
    this.tell(ended);
    // Nobody said so: a message was lost, and others may have ended, too.
    if (ended.length > 0 && this.#waiters.size > 0) this.#scanFullyLater();
    const stored = new Set((await this.#store.get(ids)).map(({ id }) => id));
    for (const id of ids) {
      const waiters = stored.has(id) ? [] : (this.#waiters.get(id) ?? []);
      for (const waiter of waiters) {
        this.forget(id, waiter);
        waiter.lost(
          new StoreError(
            `Job ${id} is not stored, so its result cannot be known. It was removed, its "keep" was over, or the transaction it was submitted in ` +
              "was rolled back, or is still open: await its result after the commit.",
          ),
        );
      }
    }
    // Those looked up go to the end, so that the next look is at others.
    for (const id of ids) {
      const waiters = this.#waiters.get(id);
      if (waiters && this.#waiters.size > windowSize && this.#waiters.delete(id)) this.#waiters.set(id, waiters);
    }
    if (this.#waiters.size > 0) this.#missingCheck ??= this.#lookForMissingLater();
  }

  #scanFullyLater(): void {
    this.#fullScan ??= this.#runtime.after(
      fullScanMs,
      () => {
        this.#fullScan = undefined;
        this.#scan(true).catch((error: unknown) => this.#fail(error as Error));
      },
      { background: true },
    );
  }
}
