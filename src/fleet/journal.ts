// How the attempts of a worker read and write the records of their jobs. What is written in one turn of the event loop is one verb.
import { StoreError, StoreLostError, tooLargeCode } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { sleep } from "../core/runtime.ts";
import type { ClaimedJob, NewRecord } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Change, JournalRecord } from "../task/durable/host.ts";
import { togetherOrApart } from "./together.ts";

/** So many records are read at a time. */
const page = 1000;
const storeRetryMs = 500;

interface Waiting {
  readonly records: readonly NewRecord[];
  readonly resolve: (written: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** What a journal needs of its worker. */
export interface JournalHost {
  readonly store: Store;
  readonly runtime: Runtime;
  /** The id under which the store knows the worker now. */
  worker(): string;
  /** The store failed; it is asked again. */
  failed(error: Error): void;
}

/** The records of the jobs that one worker runs. A store that is away for a while keeps attempts waiting, and fails none. */
export class Journal {
  readonly #host: JournalHost;
  #waiting: Waiting[] = [];

  constructor(host: JournalHost) {
    this.#host = host;
  }

  /** The records of a job whose names begin so, by name. */
  async read({ id }: ClaimedJob, prefix: string): Promise<readonly JournalRecord[]> {
    const { store } = this.#host;
    const all: JournalRecord[] = [];
    for (;;) {
      const last = all.at(-1)?.name;
      const some = await this.#persist(() => store.records(id, prefix, page, ...(last === undefined ? [] : [last])));
      all.push(...some);
      if (some.length < page) return all;
    }
  }

  /** Writes records of a job; false when it is not this worker's any more. */
  write({ id, fence }: ClaimedJob, changes: readonly Change[]): Promise<boolean> {
    const claim = { worker: this.#host.worker(), fence };
    const records = changes.map(([name, text]) => ({ job: id, name, text, claim, tell: false }));
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ records, resolve, reject }) === 1) this.#host.runtime.defer(() => void this.#flush());
    });
  }

  /** The job runs to undo what it did before it was cancelled: that is what it will have ended for. Done before what is asked later. */
  cancelled({ id }: ClaimedJob, reason: string | undefined): void {
    const { store } = this.#host;
    store.cancel({ ids: [id] }, reason ?? null, store.now()).catch((error: unknown) => this.#host.failed(error as Error));
  }

  #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    return togetherOrApart(
      batch,
      (some) => this.#writeAll(some),
      (some, error) => {
        for (const { reject } of some) reject(error);
      },
    );
  }

  async #writeAll(batch: readonly Waiting[]): Promise<void> {
    const { store } = this.#host;
    const all = batch.flatMap(({ records }) => records);
    // What was written although the answer was lost is the same when it is written again.
    const written = await this.#persist(() => store.write(all, store.now()));
    let at = 0;
    for (const { records, resolve } of batch) {
      resolve(written.slice(at, at + records.length).every(Boolean));
      at += records.length;
    }
  }

  async #persist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        // What is no failure of the store, and what is too large for it, would be refused for ever.
        if (!(error instanceof StoreError) || error instanceof StoreLostError || error.code === tooLargeCode) throw error;
        this.#host.failed(error);
        await sleep(this.#host.runtime, storeRetryMs);
      }
    }
  }
}
