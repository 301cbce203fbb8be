// The upkeep of middleware: about once an hour for the whole fleet, by whichever worker comes first. When it was done last stands in a record of
// the store's own, one for each middleware; whoever sets it anew does the work. When that worker dies over it, another takes its turn an hour later.
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { Store } from "../../store/store.ts";
import type { ListenerFailed } from "./listeners.ts";
import type { FleetFacts, Middleware } from "./middleware.ts";
import type { Wiring } from "./wiring.ts";

const everyMs = 36e5;
const lookMs = 6e5;
/** So many jobs are looked up at a time: they come with all their texts. */
const jobsAtATime = 50;

type Tender = Middleware & Required<Pick<Middleware, "tend">>;

/** Looks now and then whether it is time, until stopped. */
export class Upkeep {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #storeId: string;
  readonly #tenders: readonly Tender[];
  readonly #failed: ListenerFailed;
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #round: Promise<void> | undefined;

  constructor(store: Store, runtime: Runtime, { hooks, storeId }: Wiring, failed: ListenerFailed) {
    this.#store = store;
    this.#runtime = runtime;
    this.#storeId = storeId;
    this.#tenders = hooks.list.filter((each): each is Tender => each.tend !== undefined);
    this.#failed = failed;
    if (this.#tenders.length > 0) this.#lookLater(0);
  }

  /** Resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.cancel();
    await this.#round;
  }

  #lookLater(least: number): void {
    // Spread over time, so that the workers of a fleet do not all look at once.
    const ms = least + lookMs * 0.5 * this.#runtime.random();
    const look = (): void => {
      this.#round = this.#look().finally(() => {
        if (!this.#stopping.signal.aborted) this.#lookLater(lookMs);
      });
    };
    this.#timer = this.#runtime.after(ms, look, { background: true });
  }

  async #look(): Promise<void> {
    for (const tender of this.#tenders) {
      try {
        if (await this.#isMine(tender.name)) await tender.tend(this.#fleet());
      } catch (error) {
        this.#failed(`Middleware "${tender.name}" tend()`, error);
      }
    }
  }

  /** True when it is time, and no other worker was faster. */
  async #isMine(middleware: string): Promise<boolean> {
    const name = `upkeep/${middleware}`;
    const now = this.#store.now();
    const [first] = await this.#store.records("", name, 1);
    const found = first?.name === name ? first.text : null;
    const last = found === null ? Number.NaN : Number(found);
    if (last > now - everyMs && last <= now) return false;
    return (await this.#store.addIf({ name, from: found, to: String(now) }, [], now)) !== null;
  }

  #fleet(): FleetFacts {
    return {
      store: this.#storeId,
      signal: this.#stopping.signal,
      stored: async (ids) => {
        const stored = new Set<string>();
        for (let start = 0; start < ids.length; start += jobsAtATime) {
          for (const { id } of await this.#store.get(ids.slice(start, start + jobsAtATime))) stored.add(id);
        }
        return stored;
      },
    };
  }
}
