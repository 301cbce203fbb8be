// Calls that running tasks start in their very own pool. A task that does so will wait for them, and so must not take up the room: as long
// as it has such calls under way, the pool may have a worker more.
import type { Context } from "../task/context.ts";
import { currentContext } from "../task/context.ts";
import type { Entry } from "./entry.ts";

/** The running tasks of one pool that wait for calls to it. */
export class Nesting {
  readonly #idPrefix: string | undefined;
  /** With how many calls each has under way. */
  readonly #parents = new Map<Context | Entry, number>();

  /** The prefix of the pool's ids; undefined where its tasks run elsewhere, and so cannot call it. */
  constructor(idPrefix: string | undefined) {
    this.#idPrefix = idPrefix;
  }

  /** How many tasks wait. */
  get size(): number {
    return this.#parents.size;
  }

  /** The running task of this very pool that calls right now. */
  caller(): Context | undefined {
    const context = this.#idPrefix === undefined ? undefined : currentContext();
    return context?.id.startsWith(this.#idPrefix as string) ? context : undefined;
  }

  /** A task has started a call, or waits for one. */
  join(parent: Context | Entry): void {
    this.#parents.set(parent, (this.#parents.get(parent) ?? 0) + 1);
  }

  /** One of its calls has ended. */
  leave(parent: Context | Entry): void {
    const left = (this.#parents.get(parent) ?? 1) - 1;
    if (left > 0) this.#parents.set(parent, left);
    else this.#parents.delete(parent);
  }
}
