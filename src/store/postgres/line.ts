// The one line in which a store's verbs are done, in the order of the calls, on one connection. While one is under way, jobs to be
// added that come to stand next to each other are put together: a hundred submits in flight are one statement and one commit. If
// those fail together, each is done alone, so that only the culprit is rejected.
//
// After a cut a verb is done again unless it says that it must not be: then whoever called it is told at once.
import { ClosedError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { sleep } from "../../core/runtime.ts";
import type { Connection, Session } from "./connection.ts";
import { answerMs, ConnectionLost, longAnswerMs } from "./connection.ts";
import type { Link } from "./link.ts";
import { asStoreError, isHeldUp, isTransient } from "./trouble.ts";
import type { Place } from "./url.ts";

/** Something to do on the connection. */
export interface Work<T> {
  run(session: Session): Promise<T>;
  /** False: not again once it may have been sent. */
  readonly repeatable?: boolean;
  /** It may have much to do, or wait for others that have. */
  readonly long?: boolean;
  /** What can be put together with its neighbours. */
  readonly part?: Part;
}

/** A share of something that is done for several callers at once. */
export interface Part {
  readonly weight: number;
  /** Does all of these at once, and gives each its answer; an Error rejects the one. */
  together(parts: readonly Part[]): Work<readonly unknown[]>;
}

interface Item {
  readonly work: Work<unknown>;
  readonly until: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  alone: boolean;
}

const mostWeight = 2000;
const mostTries = 10;
/** How long a verb waits before it asks again for what someone else has locked. */
export const heldUpMs = 200;

/** How a line is made. */
export interface LineOptions {
  readonly link: Link;
  readonly place: Place;
  readonly runtime: Runtime;
  readonly unavailableAfterMs: number;
}

/** The verbs asked for and not yet done. */
export class Line {
  readonly #options: LineOptions;
  #items: Item[] = [];
  #running = false;
  #closed = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Stands at the end of the line. */
  do<T>(work: Work<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { place, runtime, unavailableAfterMs } = this.#options;
      if (this.#closed) return reject(new ClosedError(`The store on ${place.location} is closed. Open it again to use it.`));
      const until = runtime.elapsed() + unavailableAfterMs;
      this.#items.push({ work, until, resolve: resolve as (result: unknown) => void, reject, alone: false });
      if (this.#running) return;
      this.#running = true;
      // What is called on this turn comes to stand together.
      queueMicrotask(() => void this.#run());
    });
  }

  /** Resolves when everything asked for is done; later calls reject. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#running) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  async #run(): Promise<void> {
    for (let group = this.#take(); group.length > 0; group = this.#take()) await this.#serve(group);
    this.#running = false;
    this.#onEmpty?.();
  }

  /** The first in the line, with those behind it that can be done together with it. */
  #take(): Item[] {
    const first = this.#items[0];
    if (!first) return [];
    let length = 1;
    let weight = first.work.part?.weight ?? mostWeight;
    for (; !first.alone && length < this.#items.length; length++) {
      const next = this.#items[length];
      if (!next?.work.part || next.alone) break;
      weight += next.work.part.weight;
      if (weight > mostWeight) break;
    }
    return this.#items.splice(0, first.work.part ? length : 1);
  }

  async #serve(group: readonly Item[]): Promise<void> {
    const [first] = group;
    if (!first) return;
    const parts = group.flatMap(({ work }) => work.part ?? []);
    const together = group.length > 1 ? first.work.part?.together(parts) : undefined;
    try {
      const results = together ? await this.#perform(together, first.until) : [await this.#perform(first.work, first.until)];
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index];
        if (result instanceof Error) reject(result);
        else resolve(result);
      }
    } catch (error) {
      if (together) this.#again(group);
      else first.reject(asStoreError(error, this.#options.place));
    }
  }

  #again(group: readonly Item[]): void {
    for (const item of group) item.alone = true;
    this.#items = [...group, ...this.#items];
  }

  async #perform<T>(work: Work<T>, until: number): Promise<T> {
    const { link } = this.#options;
    for (let tries = 1; ; tries++) {
      const connection = await link.get(until);
      try {
        return await this.#runOn(connection, work);
      } catch (error) {
        if (error instanceof ConnectionLost) {
          if (work.repeatable === false) throw link.unavailable(error);
        } else if (isHeldUp(error)) await this.#giveWay(error, until);
        else if (!isTransient(error) || tries >= mostTries) throw error;
      }
    }
  }

  /** Lets others go first; throws the error when it has waited long enough. */
  async #giveWay(error: unknown, until: number): Promise<void> {
    const { runtime } = this.#options;
    if (runtime.elapsed() + heldUpMs > until) throw error;
    await sleep(runtime, heldUpMs);
  }

  #runOn<T>(connection: Connection, work: Work<T>): Promise<T> {
    connection.limitMs = work.long ? longAnswerMs : answerMs;
    return work.run(connection);
  }
}
