// When which fault strikes: drawn from a seed before the run begins, so that a seed names it. The moments at which they meet the
// programs are the machine's, so a seed gives the same faults, not the same interleaving.
import type { Traffic } from "./flow.ts";
import type { Way } from "./proxy.ts";
import type { EndKind } from "./server.ts";

/** What goes wrong. Proxies and workers are given by number. */
export type Fault =
  | { readonly kind: "kill"; readonly worker: number }
  /** The worker is ended in order, as a deployment does. */
  | { readonly kind: "end"; readonly worker: number }
  | { readonly kind: "stop"; readonly worker: number; readonly forMs: number }
  /** The cable of the worker with a machine of its own is pulled out. */
  | { readonly kind: "partition"; readonly forMs: number }
  /** The server stands still. */
  | { readonly kind: "pause"; readonly forMs: number }
  /** The server ends, and is started again `forMs` later. */
  | { readonly kind: "restart"; readonly how: EndKind; readonly forMs: number }
  /** Connections are reset: all of a proxy, or one. */
  | { readonly kind: "cut"; readonly proxy: number; readonly all: boolean }
  | { readonly kind: "refuse"; readonly proxy: number; readonly forMs: number }
  /** Traffic passes otherwise for a while. With `thenReset` what was held back is lost at the end. */
  | {
      readonly kind: "traffic";
      readonly proxy: number;
      readonly way: Way;
      readonly traffic: Traffic;
      readonly forMs: number;
      readonly thenReset: boolean;
    };

/** A fault and its time, in ms after the begin. */
export interface Strike {
  readonly at: number;
  readonly fault: Fault;
}

/** What there is to be struck, and how long. */
export interface Terms {
  readonly random: () => number;
  readonly forMs: number;
  readonly leaseMs: number;
  readonly workers: number;
  /** 0 where the store has no server. */
  readonly proxies: number;
  /** Whether a worker has a machine of its own. */
  readonly hasRemote: boolean;
}

/** A fault of a worker or a connection comes this often, on average, and one of the server at least three times. */
const smallEveryMs = 400;
const serverEveryMs = 6000;
const partitionEveryMs = 12_000;

/** Draws faults. */
class Draw {
  readonly #terms: Terms;

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  between(least: number, most: number): number {
    return Math.round(least + (most - least) * this.#terms.random());
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(items.length * this.#terms.random())] as T;
  }

  chance(probability: number): boolean {
    return this.#terms.random() < probability;
  }

  /** Mostly longer than a lease: what was held by lease is others' then. */
  lasting(): number {
    const { leaseMs } = this.#terms;
    return this.chance(0.6) ? this.between(1.2 * leaseMs, 2 * leaseMs) : this.between(50, leaseMs);
  }

  worker(): Fault {
    const worker = this.between(0, this.#terms.workers - 1);
    if (this.chance(0.15)) return { kind: "end", worker };
    return this.chance(0.5) ? { kind: "kill", worker } : { kind: "stop", worker, forMs: this.lasting() };
  }

  network(): Fault {
    const proxy = this.between(0, this.#terms.proxies - 1);
    const traffic = (way: Way, traffic: Traffic, forMs: number, thenReset: boolean): Fault => ({
      kind: "traffic",
      proxy,
      way,
      traffic,
      forMs,
      thenReset,
    });
    const faults: readonly (() => Fault)[] = [
      () => ({ kind: "cut", proxy, all: this.chance(0.5) }),
      () => ({ kind: "refuse", proxy, forMs: this.between(100, 1500) }),
      () => traffic("both", { kind: "freeze" }, this.lasting(), this.chance(0.5)),
      () => traffic("up", { kind: "freeze" }, this.lasting(), this.chance(0.5)),
      // The server does what it is asked, and the answer is lost.
      () => traffic("down", { kind: "freeze" }, this.between(20, 400), true),
      () => traffic("down", { kind: "freeze" }, this.lasting(), this.chance(0.5)),
      () => traffic(this.pick(["up", "down", "both"]), this.#delay(), this.between(300, 3000), this.chance(0.2)),
      () => traffic(this.pick(["up", "down", "both"]), this.#slow(), this.between(300, 3000), this.chance(0.2)),
    ];
    return this.pick(faults)();
  }

  server(nth: number): Fault {
    if (nth % 3 === 1) return { kind: "pause", forMs: this.between(1.2 * this.#terms.leaseMs, 1.5 * this.#terms.leaseMs) };
    return { kind: "restart", how: nth % 3 === 0 ? "crash" : "in-order", forMs: this.between(0, 1000) };
  }

  #delay(): Traffic {
    return { kind: "delay", ms: this.between(5, 200), jitterMs: this.between(0, 100) };
  }

  #slow(): Traffic {
    return { kind: "slow", bytesPerSecond: this.between(2000, 200_000) };
  }
}

/** What a fault strikes; it is struck by one at a time. */
function target(fault: Fault): string {
  if ("worker" in fault) return `worker ${fault.worker}`;
  if ("proxy" in fault) return `proxy ${fault.proxy}`;
  return fault.kind === "partition" ? "cable" : "server";
}

/** The faults of a run in the order of their times. */
export function drawSchedule(terms: Terms): readonly Strike[] {
  const { forMs, leaseMs } = terms;
  const draw = new Draw(terms);
  /** Evenly spread, each up to so much of the time between two of them late. */
  const spread = (count: number, late: number, make: (nth: number) => Fault): Strike[] =>
    Array.from({ length: count }, (_, nth) => ({
      at: Math.round((forMs * (nth + late * terms.random())) / count),
      fault: make(nth),
    }));
  const hasServer = terms.proxies > 0;
  const first = draw.between(0, 2);
  const server = hasServer ? Math.max(3, Math.round(forMs / serverEveryMs)) : 0;
  const partitions = terms.hasRemote ? Math.max(1, Math.round(forMs / partitionEveryMs)) : 0;
  const strikes = [
    ...spread(server, 0.2, (nth) => draw.server(first + nth)),
    ...spread(partitions, 0.8, () => ({ kind: "partition", forMs: draw.between(1.3 * leaseMs, 2.2 * leaseMs) })),
    ...spread(Math.round(forMs / smallEveryMs), 0.8, () => (hasServer && draw.chance(0.6) ? draw.network() : draw.worker())),
  ].sort((a, b) => a.at - b.at);
  const busyUntil = new Map<string, number>();
  return strikes.filter(({ at, fault }) => {
    if (at < (busyUntil.get(target(fault)) ?? 0)) return false;
    busyUntil.set(target(fault), at + ("forMs" in fault ? fault.forMs : 0) + 300);
    return true;
  });
}
