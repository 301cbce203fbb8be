// Looks at the store while everything goes on, over a connection that is not tampered with: no two live jobs of one key in what one
// look shows, and how jobs had ended when they were seen first, so that nothing can change after its end without being noticed.
import { setTimeout as delay } from "node:timers/promises";
import { StoreError } from "../../src/index.ts";
import type { Store } from "../../src/store/store.ts";
import { isFinal } from "../../src/task/state.ts";
import { once } from "./tasks.ts";

const everyMs = 250;
/** Far more than there are keys: among the newest are all that live, unless one lives very long. */
const newest = 1000;
const endingsAtOnce = 200;

/** Watches until stopped. */
export class Observer {
  /** Encoded results by id, null for those that failed. */
  readonly seen = new Map<string, string | null>();
  looks = 0;
  readonly #store: Store;
  readonly #finding: (what: string) => void;
  #unseen: string[] = [];
  #stopped = false;
  readonly #loop: Promise<void>;

  constructor(store: Store, finding: (what: string) => void) {
    this.#store = store;
    this.#finding = finding;
    this.#loop = this.#watch();
    // Whoever stops it is told.
    this.#loop.catch(() => undefined);
  }

  /** This job exists: its end is looked for. */
  expect(id: string): void {
    this.#unseen.push(id);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #watch(): Promise<void> {
    for (; !this.#stopped; await delay(everyMs)) {
      try {
        await this.#lookAtKeys();
        await this.#lookAtEndings();
        this.looks += 1;
      } catch (error) {
        // Its server is being restarted, or stands still.
        if (!(error instanceof StoreError)) throw error;
      }
    }
  }

  async #lookAtKeys(): Promise<void> {
    const holders = new Map<string, string>();
    for (const { id, uniqueKey, state } of await this.#store.list({ task: once.name }, { limit: newest })) {
      if (uniqueKey === null || isFinal(state)) continue;
      const other = holders.get(uniqueKey);
      if (other !== undefined) this.#finding(`jobs ${other} and ${id} were live at once with one unique key`);
      holders.set(uniqueKey, id);
    }
  }

  async #lookAtEndings(): Promise<void> {
    const ids = this.#unseen.splice(0, endingsAtOnce);
    const ended = new Set<string>();
    try {
      for (const { id, result } of await this.#store.endings(ids)) {
        this.seen.set(id, result);
        ended.add(id);
      }
    } finally {
      this.#unseen.push(...ids.filter((id) => !ended.has(id)));
    }
  }
}
