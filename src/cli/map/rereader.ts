// Reads recorded jobs back, those asked for in one turn of the event loop with one question to the store.
import type { Runtime } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { JobInfo } from "../../fleet/job-info.ts";
import { checkOpened } from "./pages.ts";

const batchJobs = 100;

interface Asked {
  readonly id: string;
  readonly resolve: (job: JobInfo | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Looks jobs up by id, many at a time. */
export class Rereader {
  readonly #hands: Hands;
  readonly #runtime: Runtime;
  #asked: Asked[] = [];

  constructor(hands: Hands, runtime: Runtime) {
    this.#hands = hands;
    this.#runtime = runtime;
  }

  /** The job, if it is still there and done. */
  read(id: string): Promise<JobInfo | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#asked.push({ id, resolve, reject }) === 1) this.#runtime.defer(() => this.#flush());
    });
  }

  #flush(): void {
    const asked = this.#asked;
    this.#asked = [];
    for (let start = 0; start < asked.length; start += batchJobs) void this.#answer(asked.slice(start, start + batchJobs));
  }

  async #answer(batch: readonly Asked[]): Promise<void> {
    try {
      const ids = batch.map(({ id }) => id);
      const jobs = await this.#hands.jobs({ ids, states: ["done"], limit: batchJobs });
      checkOpened(jobs);
      const byId = new Map(jobs.map((job) => [job.id, job]));
      for (const { id, resolve } of batch) resolve(byId.get(id));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
