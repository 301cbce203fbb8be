// How the attempts of a worker read and write the records of their jobs. What is written in one turn of the event loop is one verb.
import type { Runtime } from "../core/runtime.ts";
import type { ClaimedJob, NewRecord } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Change, JournalRecord } from "../task/durable.ts";

/** So many records are read at a time. */
const page = 1000;

interface Waiting {
  readonly records: readonly NewRecord[];
  readonly resolve: (written: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** The records of the jobs that one worker runs. */
export class Journal {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #worker: () => string;
  #waiting: Waiting[] = [];

  /** `worker` gives the id under which the store knows the worker now. */
  constructor(store: Store, runtime: Runtime, worker: () => string) {
    this.#store = store;
    this.#runtime = runtime;
    this.#worker = worker;
  }

  /** The records of a job whose names begin so, by name. */
  async read({ id }: ClaimedJob, prefix: string): Promise<readonly JournalRecord[]> {
    const all: JournalRecord[] = [];
    for (;;) {
      const last = all.at(-1)?.name;
      const some = await this.#store.records(id, prefix, page, ...(last === undefined ? [] : [last]));
      all.push(...some);
      if (some.length < page) return all;
    }
  }

  /** Writes records of a job; false when it is not this worker's any more. */
  write({ id, fence }: ClaimedJob, changes: readonly Change[]): Promise<boolean> {
    const claim = { worker: this.#worker(), fence };
    const records = changes.map(([name, text]) => ({ job: id, name, text, claim, tell: false }));
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ records, resolve, reject }) === 1) this.#runtime.defer(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      const all = batch.flatMap(({ records }) => records);
      const written = await this.#store.write(all, this.#store.now());
      let at = 0;
      for (const { records, resolve } of batch) {
        resolve(written.slice(at, at + records.length).every(Boolean));
        at += records.length;
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
