// At most one job for a key in a time. The store's own record of a key names the last job and until when it holds; the job is added in
// the very step that writes the record, so of programs that submit at once one makes the job and the others find it there.
//
// Records of the store stay until someone deletes them. Whoever writes a new one therefore looks at some old ones, walking
// through all of them in turn, and deletes those that hold no more: there are never many more than hold.
import type { Added, Store } from "../store/store.ts";
import type { Plan } from "./plan.ts";
import { shortKey } from "./short-key.ts";

const prefix = "throttle/";
const sweepEvery = 8;
const sweepRows = 16;

/** What a throttled submit has to ask. */
export interface ThrottleTerms {
  /** Of the store's record. */
  readonly record: string;
  readonly perMs: number;
}

/** The name of the record for a task and a key. */
export function throttleRecord(task: string, key: string | undefined): string {
  const parts = key === undefined ? [task] : [task, key];
  return shortKey(prefix + parts.map((part) => encodeURIComponent(part.toWellFormed())).join("/"));
}

function read(text: string): readonly [id: string, until: number] {
  const [id, until] = JSON.parse(text) as [string, number];
  return [id, until];
}

/** Throttled submits of one program. */
export class Throttling {
  readonly #store: Store;
  #made = 0;
  #sweptTo: string | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Adds the plan's jobs, or gives the job that holds the key. */
  async add({ jobs, root, rootAt }: Plan, { record, perMs }: ThrottleTerms): Promise<Added> {
    for (;;) {
      const now = this.#store.now();
      const [first] = await this.#store.records("", record, 1);
      const found = first?.name === record ? first.text : null;
      if (found === null) await this.#sweepSometimes(now);
      else {
        const [existing, until] = read(found);
        if (until > now) return { id: root.id, existing };
      }
      const to = JSON.stringify([root.id, now + perMs]);
      const added = await this.#store.addIf({ name: record, from: found, to }, jobs, now);
      if (added) return added[rootAt] as Added;
      // Someone else was faster: his job is there now.
    }
  }

  async #sweepSometimes(now: number): Promise<void> {
    this.#made += 1;
    if (this.#made % sweepEvery !== 0) return;
    const some = await this.#store.records("", prefix, sweepRows, this.#sweptTo);
    this.#sweptTo = some.length < sweepRows ? undefined : some.at(-1)?.name;
    const over = some.filter(({ text }) => read(text)[1] <= now);
    // Only as they were read: one that has been written meanwhile stays.
    await Promise.all(over.map(({ name, text }) => this.#store.addIf({ name, from: text, to: null }, [], now)));
  }
}
