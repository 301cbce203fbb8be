// One queue of a fleet, as people and programs steer it.
import type { QueueStats, Store } from "../store/store.ts";

/** A queue by its name. Made by `hands.queue()`; it need not have any job. */
export class Queue {
  readonly name: string;
  readonly #store: Store;

  /** Made by `hands.queue()`. */
  constructor(name: string, store: Store) {
    this.name = name;
    this.#store = store;
  }

  /** No worker of the fleet takes jobs from it any more; what runs goes on, and submits are stored. Lasts until `resume()`. */
  pause(): Promise<void> {
    return this.#store.pause(this.name, true);
  }

  /** Workers take jobs from it again. */
  resume(): Promise<void> {
    return this.#store.pause(this.name, false);
  }

  /** Its numbers of jobs by state, or undefined when it has none and is not paused. */
  async stats(): Promise<QueueStats | undefined> {
    return (await this.#store.queues()).find(({ queue }) => queue === this.name);
  }
}
