// Waits, for this program, for jobs to end. Jobs ended by a worker of this program are told directly; for the others the
// store is asked when it says that something ended. Asking is cheap but not free, so with very many jobs waited for, the
// oldest are asked first and the whole list only now and then: see `#scan`.
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Ended } from "../store/job.ts";
import type { Store } from "../store/store.ts";

/** Told once when a job has ended, or when that can no longer be learnt. */
export interface Waiter {
  ended(ended: Ended): void;
  lost(error: unknown): void;
}

const windowSize = 500;
const fullScanMs = 100;

/** The jobs this program waits for. */
export class Awaiter {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #waiters = new Map<string, Waiter[]>();
  #unwatch: (() => void) | undefined;
  /** Whoever awaits a result wants the program to go on until it is there. */
  #hold: Timer | undefined;
  #scanning = false;
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
    this.#hold ??= this.#runtime.hold();
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

  /** Waits no more for a job that was never stored. */
  forget(id: string): void {
    this.#waiters.delete(id);
    if (this.#waiters.size === 0) this.#stopWatching();
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
    if (this.#waiters.size === 0) this.#stopWatching();
  }

  /** Ends all waiting with `error`. */
  close(error: Error): void {
    this.#closed = error;
    this.#stopWatching();
    const all = [...this.#waiters.values()].flat();
    this.#waiters.clear();
    for (const waiter of all) waiter.lost(error);
  }

  #stopWatching(): void {
    this.#hold?.cancel();
    this.#hold = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#fullScan?.cancel();
    this.#fullScan = undefined;
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
      this.close(error as Error);
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

  #scanFullyLater(): void {
    this.#fullScan ??= this.#runtime.after(
      fullScanMs,
      () => {
        this.#fullScan = undefined;
        this.#scan(true).catch((error: unknown) => this.close(error as Error));
      },
      { background: true },
    );
  }
}
