// Gathers the submits of one turn of the event loop into one `add`, so that a hundred submits in flight cost one commit. Those that come
// one by one, as requests of a server do, are gathered while the adds before them are under way: the more come, the more share a commit.
// A submit resolves only when the store has acknowledged it.
import type { StoreError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Added, Store } from "../store/store.ts";
import type { Plan } from "./plan.ts";
import { Replacing } from "./replacing.ts";
import { Throttling } from "./throttle.ts";
import { isOfOne, togetherOrApart } from "./together.ts";

interface Waiting {
  readonly plan: Plan;
  readonly submission: Submission;
  readonly resolve: (root: Added) => void;
  readonly reject: (error: unknown) => void;
}

/** One submit on its way. */
export interface Submission {
  /** Resolves, once durable, with what became of the plan's root. */
  readonly added: Promise<Added>;
  /** False while the store has not been asked yet: until then the job cannot have ended unnoticed. */
  sent: boolean;
}

/** With so many rows a batch is sent at once: the store works on it while more are submitted. A graph is never split. */
const batchRows = 250;

/** While so many adds are under way, smaller batches wait for one of them: the store works on one while the next comes to it. */
const addsAtOnce = 4;

/** Batches submits to a store. */
export class Submitter {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #throttling: Throttling;
  readonly #replacing: Replacing;
  #waiting: Waiting[] = [];
  /** How many rows wait. */
  #rows = 0;
  /** How many adds are under way. */
  #adds = 0;
  #inFlight: Set<Promise<void>> = new Set();

  constructor(store: Store, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
    this.#throttling = new Throttling(store);
    this.#replacing = new Replacing(store, (plan) => this.#gather(plan).added);
  }

  /** Sends the plan with the others of this turn. */
  submit(plan: Plan): Submission {
    if (plan.throttle) return this.#follow(this.#throttling.add(plan, plan.throttle));
    if (plan.onConflict !== "replace") return this.#gather(plan);
    return this.#follow(this.#replacing.submit(plan));
  }

  /** Resolves when everything submitted so far has been acknowledged or refused. */
  async idle(): Promise<void> {
    this.#flush();
    await Promise.all(this.#inFlight);
  }

  #gather(plan: Plan): Submission {
    const { promise, resolve, reject } = Promise.withResolvers<Added>();
    const submission: Submission = { added: promise, sent: false };
    const waiting = this.#waiting.push({ plan, submission, resolve, reject });
    this.#rows += plan.jobs.length;
    if (this.#rows >= batchRows) this.#flush();
    else if (waiting === 1) this.#runtime.defer(() => this.#flushUnlessBusy());
    return submission;
  }

  /** A submit that asks the store more than once. */
  #follow(added: Promise<Added>): Submission {
    // Told to whoever submitted; here it is only waited for.
    const forget = (): void => void this.#inFlight.delete(sending);
    const sending: Promise<void> = added.then(forget, forget);
    this.#inFlight.add(sending);
    return { added, sent: true };
  }

  #flushUnlessBusy(): void {
    if (this.#adds < addsAtOnce) this.#flush();
  }

  #flush(): void {
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    this.#rows = 0;
    for (const { submission } of batch) submission.sent = true;
    const sending = this.#add(batch).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
  }

  async #add(batch: readonly Waiting[]): Promise<void> {
    this.#adds += 1;
    try {
      await togetherOrApart(
        batch,
        (some) => this.#addAll(some),
        (some, error) => {
          for (const { reject } of some) reject(error);
        },
        (error) => this.#mayBeOfOne(error, batch),
      );
    } finally {
      this.#adds -= 1;
      this.#flushUnlessBusy();
    }
  }

  async #addAll(batch: readonly Waiting[]): Promise<void> {
    const jobs = batch.length === 1 ? (batch[0] as Waiting).plan.jobs : batch.flatMap(({ plan }) => plan.jobs);
    const added = await this.#store.add(jobs, this.#store.now());
    let start = 0;
    for (const { plan, resolve } of batch) {
      resolve(added[start + plan.rootAt] as Added);
      start += plan.jobs.length;
    }
  }
  /** True when the batch may have been refused for one of its calls, so that the others can be added without it. */
  async #mayBeOfOne(why: unknown, batch: readonly Waiting[]): Promise<boolean> {
    if (isOfOne(why)) return true;
    // A store that is gone or cannot be reached refuses all.
    if ((why as StoreError).code !== "STORE") return false;
    // It may be that the batch was stored, and only not kept safe.
    const stored = await this.#store.get(batch.map(({ plan }) => plan.root.id)).catch(() => undefined);
    return stored?.length === 0;
  }
}
