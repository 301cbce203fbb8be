// The conformance suite of the store contract: every guarantee in `store/store.ts` and `store/job.ts` as a test that any
// store has to pass, the memory store first of all. Times are passed in, so nothing here waits. What only one store
// promises (a file, other processes, power) is tested beside that store.
import { describe, test } from "node:test";
import type { Store } from "../store/store.ts";
import { adding } from "./store-suite/adding.ts";
import type { Case } from "./store-suite/bench.ts";
import { Bench } from "./store-suite/bench.ts";
import { events } from "./store-suite/events.ts";
import { changing } from "./store-suite/changing.ts";
import { gating } from "./store-suite/gating.ts";
import { graphs } from "./store-suite/graphs.ts";
import { living } from "./store-suite/living.ts";
import { moving } from "./store-suite/moving.ts";
import { records } from "./store-suite/records.ts";
import { running } from "./store-suite/running.ts";
import { suspending } from "./store-suite/suspending.ts";
import { tolerating } from "./store-suite/tolerating.ts";
import { upkeep } from "./store-suite/upkeep.ts";
import { waiting } from "./store-suite/waiting.ts";

/** Cases a store does not pass, and why that is right. */
export interface SkippedCases {
  readonly reason: string;
  /** Their sentences, word for word. */
  readonly tests: readonly string[];
}

const groups: Readonly<Record<string, readonly Case[]>> = {
  adding,
  running,
  graphs,
  tolerating,
  upkeep,
  changing,
  suspending,
  records,
  gating,
  waiting,
  living,
  moving,
  events,
};

/**
 * Declares one `node:test` test for each guarantee of the store contract. `makeStore` gives a new, empty store each time; the
 * suite closes it. Throws when a skipped case does not exist.
 *
 * @example
 * storeConformance("memory", async () => memoryStore());
 */
export function storeConformance(
  name: string,
  makeStore: () => Promise<Store>,
  options: { readonly skip?: readonly SkippedCases[] } = {},
): void {
  const reasons = new Map(options.skip?.flatMap(({ reason, tests }) => tests.map((sentence) => [sentence, reason] as const)));
  const sentences = new Set(Object.values(groups).flatMap((cases) => cases.map(([sentence]) => sentence)));
  for (const sentence of reasons.keys())
    if (!sentences.has(sentence)) throw new Error(`The store suite has no case "${sentence}".`);
  for (const [group, cases] of Object.entries(groups)) {
    void describe(`${name} store: ${group}`, () => {
      for (const [sentence, run] of cases) {
        void test(sentence, { skip: reasons.get(sentence) ?? false, timeout: 60_000 }, async () => {
          const store = await makeStore();
          try {
            await run(new Bench(store));
          } finally {
            await store.close();
          }
        });
      }
    });
  }
}
