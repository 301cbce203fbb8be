// What every worker does for its fleet beside running jobs: it tends the store, fires schedules, and looks after what middleware keeps.
// No worker is special: each does all of it, and whoever comes first does what is due.
import type { Runtime } from "../core/runtime.ts";
import type { Store, StoreEvent, Tended } from "../store/store.ts";
import type { ListenerFailed } from "./middleware/listeners.ts";
import { Upkeep } from "./middleware/upkeep.ts";
import type { Wiring } from "./middleware/wiring.ts";
import { Firing } from "./schedules/firing.ts";
import { Tending } from "./tending.ts";

/** How long jobs that are due soon wait for others, before it is asked when the first is due. */
const gatherDueMs = 50;

/** What duties need of their worker. */
export interface DutiesHost {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly wiring: Wiring | undefined;
  /** Before the store is tended, every half second or so. */
  round(): Promise<void>;
  tended(tended: Tended): void;
  /** These running jobs are to be cancelled. */
  cancel(ids: readonly string[]): void;
  /** The store failed; it is tried again. */
  storeFailed(error: Error): void;
  /** A schedule cannot fire; it is tried again. */
  scheduleFailed(schedule: string, error: Error): void;
  readonly middlewareFailed: ListenerFailed;
}

/** The duties of one worker, done until stopped. */
export class Duties {
  readonly #firing: Firing;
  readonly #upkeep: Upkeep | undefined;
  readonly #tending: Tending;

  constructor(host: DutiesHost) {
    const { store, runtime, wiring } = host;
    this.#firing = new Firing(host);
    this.#upkeep = wiring && new Upkeep(store, runtime, wiring, host.middlewareFailed);
    this.#tending = new Tending(store, runtime, {
      round: async () => {
        await host.round();
        this.#firing.look();
      },
      tended: (tended) => host.tended(tended),
      failed: (error) => host.storeFailed(error),
    });
  }

  /** A job is due in `ms`. */
  dueIn(ms: number): void {
    this.#tending.soon(ms);
  }

  /** Something has happened in the store. */
  heard(event: StoreEvent): void {
    if (event === "scheduled") this.dueIn(gatherDueMs);
    if (event === "own") this.#firing.written();
    if (event === "ended") this.#firing.ended();
  }

  /** Resolves when nothing of them is under way any more. */
  async stop(): Promise<void> {
    await this.#firing.stop();
    await this.#upkeep?.stop();
    await this.#tending.stop();
  }
}
