// A fleet of several programs on one memory store and virtual time: each has its own connection, as programs on several machines have.
import type { TestContext } from "node:test";
import { Hands } from "../../../src/fleet/hands.ts";
import type { AnyTask } from "../../../src/task/task.ts";
import { memoryStore } from "../../../src/store/memory/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { TestClock } from "../../../src/testing/index.ts";
import type { WorkOptions } from "../../../src/index.ts";

export interface Fleet {
  readonly clock: TestClock;
  readonly store: Store;
  /** Another program; a worker too where tasks are given. */
  readonly program: (tasks?: readonly AnyTask[], options?: WorkOptions) => Hands;
  readonly sleep: (ms: number) => Promise<void>;
}

export function fleet(t: TestContext, seed = 1): Fleet {
  const clock = new TestClock({ seed });
  const store = memoryStore({ runtime: clock });
  t.after(() => store.close());
  return {
    clock,
    store,
    program: (tasks, options = {}) => {
      const hands = new Hands(store, clock);
      if (tasks) hands.work({ tasks, report: () => undefined, ...options });
      return hands;
    },
    sleep: (ms) => new Promise((resolve) => void clock.after(ms, resolve)),
  };
}
