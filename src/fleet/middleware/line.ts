// Calls to a store that have to wait for something first, in the order in which they were asked for: a store promises that its verbs take
// effect in the order of the calls, and a text that is being sealed must not let a later call get ahead.
import { isThenable } from "../../core/thenable.ts";
import type { Soon } from "./seals.ts";

export class Line {
  /** Calls that have not been made yet. */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Makes the call with what it needs, when that is there and every call before it has been made; it waits for no answers. */
  make<T, R>(needed: Soon<T>, call: (needed: T) => Promise<R>): Promise<R> {
    if (this.#waiting === 0 && !isThenable(needed)) return call(needed);
    return this.#makeLater(needed, call);
  }

  async #makeLater<T, R>(needed: Soon<T>, call: (needed: T) => Promise<R>): Promise<R> {
    this.#waiting += 1;
    // In an object, so that who waits for its being made does not wait for the answer.
    const made = Promise.allSettled([needed, this.#last]).then(([there]) => {
      this.#waiting -= 1;
      if (there.status === "rejected") throw there.reason;
      return { answer: call(there.value) };
    });
    this.#last = made.catch(() => undefined);
    return (await made).answer;
  }
}
