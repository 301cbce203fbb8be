// The conformance suite of the executor contract (`pool/executor.ts`): the same program gives the same results, errors, retries,
// time-outs and cancellation on every executor. What an executor cannot do is skipped with a reason, by the sentence of the case.
// What only one executor promises (a thread's heap limits, a process's SIGKILL, a fleet's store) is tested beside that executor.
import { after, describe, test } from "node:test";
import type { Executor } from "../pool/executor.ts";
import { batches } from "./executor-suite/batches.ts";
import type { Case, ExecutorWish } from "./executor-suite/bench.ts";
import { Bench, SharedExecutor } from "./executor-suite/bench.ts";
import { dying } from "./executor-suite/dying.ts";
import { failing } from "./executor-suite/failing.ts";
import { flows } from "./executor-suite/flows.ts";
import { graphs } from "./executor-suite/graphs.ts";
import { maps } from "./executor-suite/maps.ts";
import { memory } from "./executor-suite/memory.ts";
import { stopping } from "./executor-suite/stopping.ts";
import { streams } from "./executor-suite/streams.ts";
import { values } from "./executor-suite/values.ts";

export type { ExecutorWish } from "./executor-suite/bench.ts";

/** Cases an executor does not pass, and why that is right. */
export interface SkippedExecutorCases {
  readonly reason: string;
  /** Their sentences, word for word. */
  readonly tests: readonly string[];
}

const groups: Readonly<Record<string, readonly Case[]>> = {
  values,
  graphs,
  flows,
  maps,
  failing,
  stopping,
  streams,
  dying,
  memory,
  batches,
};

/**
 * Declares one `node:test` test for each guarantee of the executor contract. `makeExecutor` gives a new executor that meets the
 * wish; the suite closes it. Most cases share one. The suite's tasks are in a module that workers import by themselves. Throws when a skipped case does
 * not exist.
 *
 * @example
 * executorConformance("ThreadPool", (wish) => new ThreadPool(wish));
 */
export function executorConformance(
  name: string,
  makeExecutor: (wish: ExecutorWish) => Executor | Promise<Executor>,
  options: { readonly skip?: readonly SkippedExecutorCases[] } = {},
): void {
  const reasons = new Map(options.skip?.flatMap(({ reason, tests }) => tests.map((sentence) => [sentence, reason] as const)));
  const sentences = new Set(Object.values(groups).flatMap((cases) => cases.map(([sentence]) => sentence)));
  for (const sentence of reasons.keys())
    if (!sentences.has(sentence)) throw new Error(`The executor suite has no case "${sentence}".`);
  const shared = new SharedExecutor(makeExecutor);
  after(() => shared.close());
  for (const [group, cases] of Object.entries(groups)) {
    void describe(`${name}: ${group}`, () => {
      for (const [sentence, run] of cases) {
        void test(sentence, { skip: reasons.get(sentence) ?? false, timeout: 60_000 }, async () => {
          const bench = new Bench(makeExecutor, shared);
          try {
            await run(bench);
          } finally {
            await bench.close();
          }
        });
      }
    });
  }
}
