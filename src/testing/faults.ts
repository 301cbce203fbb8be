// A simulated machine: a Runtime and a Store seen from one worker that can crash, stall and be slow. A crashed machine's timers
// never fire and its calls never return; whether the call under way reached the store is decided by the seed, as it is in life.
// A stalled machine (a long collection, a suspended laptop) notices nothing until it goes on, when its lease may be long over.
import type { Runtime, Timer } from "../core/runtime.ts";
import { sleep } from "../core/runtime.ts";
import type { Store, StoreListener } from "../store/store.ts";
import type { TestClock } from "./clock.ts";

/** How often things go wrong: probabilities for each call a worker makes to the store. */
export interface Faults {
  /** The worker dies; another takes its place some seconds later. */
  readonly crash: number;
  /** The worker stands still for up to three leases. */
  readonly stall: number;
  /** A task takes up to a minute instead of some ms; drawn for each attempt. */
  readonly slow: number;
  /** The store wakes a worker twice, or for nothing. */
  readonly wake: number;
}

/** Verbs that a fault may strike. */
const struck: ReadonlySet<keyof Store> = new Set([
  "settle",
  "inputs",
  "tend",
  "join",
  "renew",
  "releaseOthers",
  "note",
  "leave",
  "addIf",
  "records",
]);

/** One simulated machine. */
export class Machine {
  readonly name: string;
  readonly runtime: Runtime;
  readonly store: Store;
  crashed = false;
  stalledUntil = 0;
  readonly #clock: TestClock;
  readonly #faults: Faults;
  readonly #trace: (line: string) => void;
  readonly #onCrash: () => void;

  constructor(name: string, clock: TestClock, store: Store, faults: Faults, trace: (line: string) => void, onCrash: () => void) {
    this.name = name;
    this.#clock = clock;
    this.#faults = faults;
    this.#trace = trace;
    this.#onCrash = onCrash;
    this.runtime = this.#machineRuntime();
    this.store = this.#machineStore(store);
  }

  /** Ends the machine as if its power had been cut. */
  crash(): void {
    if (this.crashed) return;
    this.crashed = true;
    this.#trace(`${this.name} crashes`);
    this.#onCrash();
  }

  #happens(probability: number): boolean {
    return probability > 0 && this.#clock.random() < probability;
  }

  #machineRuntime(): Runtime {
    const clock = this.#clock;
    const whenAwake = (run: () => void): void => {
      if (this.crashed) return;
      const left = this.stalledUntil - clock.elapsed();
      if (left > 0) clock.after(left, () => whenAwake(run));
      else run();
    };
    return {
      now: () => clock.now(),
      elapsed: () => clock.elapsed(),
      random: clock.random,
      id: clock.id,
      after: (ms: number, run: () => void): Timer => clock.after(ms, () => whenAwake(run)),
      hold: () => clock.hold(),
      defer: (run) => clock.defer(() => whenAwake(run)),
    };
  }

  #machineStore(store: Store): Store {
    return new Proxy(store, {
      get: (target, key: keyof Store): unknown => {
        const member = target[key];
        if (key === "watch") return (listener: StoreListener) => this.#watch(target, listener);
        if (typeof member !== "function" || !struck.has(key)) return typeof member === "function" ? member.bind(target) : member;
        const verb = member.bind(target) as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => this.#call(key, () => verb(...args));
      },
    });
  }

  #watch(store: Store, listener: StoreListener): () => void {
    return store.watch((event, elsewhere) => {
      const times = this.#happens(this.#faults.wake) ? 2 : 1;
      for (let i = 0; i < times; i++) this.runtime.defer(() => listener(event, elsewhere));
    });
  }

  /** A call over a network that takes time both ways, at either end of which the machine may die or stand still. */
  async #call(verb: string, call: () => Promise<unknown>): Promise<unknown> {
    const never = new Promise<never>(() => undefined);
    if (this.crashed) return never;
    if (this.#happens(this.#faults.crash / 2)) {
      this.crash();
      return never;
    }
    await sleep(this.#clock, Math.floor(this.#clock.random() * 5));
    if (this.crashed) return never;
    const result = await call();
    if (this.#happens(this.#faults.crash / 2)) {
      this.#trace(`${this.name} loses the answer to ${verb}`);
      this.crash();
      return never;
    }
    if (this.#happens(this.#faults.stall)) {
      const ms = Math.floor(this.#clock.random() * 30_000);
      this.stalledUntil = this.#clock.elapsed() + ms;
      this.#trace(`${this.name} stalls for ${ms} ms in ${verb}`);
    }
    await sleep(this.runtime, Math.floor(this.#clock.random() * 5));
    return result;
  }
}
