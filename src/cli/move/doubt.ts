// May a move copy what is not in the destination? A job that waits in the source and was copied before may have been done there since,
// and deleted when its time was over: copied again it would run again. Nothing tells it from one that was never copied, so where
// anything shows that the destination has been worked on, a person has to say.
import { StoreError } from "../../core/errors.ts";
import { withoutPassword } from "../../core/redact.ts";
import type { StoredJob } from "../../store/job.ts";
import type { Store } from "../../store/store.ts";
import { isFinal } from "../../task/state.ts";

const mostNamed = 20;

/** Looks for jobs that may have been done in the destination and deleted there. */
export class Doubt {
  /** Jobs that wait in the source and are not in the destination: how many, and some of them. */
  #missing = 0;
  readonly #named: string[] = [];
  /** A job has been claimed there since it was copied; or one that was copied before it is gone, since they are copied in their order. */
  #isWorkedOn = false;

  /** Looks for the next of the jobs of the source. */
  async look(jobs: readonly StoredJob[], destination: Store): Promise<void> {
    const found = new Map((await destination.get(jobs.map(({ id }) => id))).map((job) => [job.id, job]));
    for (const { id, state, fence } of jobs) {
      const there = found.get(id);
      if (there) this.#isWorkedOn ||= there.fence > fence || this.#missing > 0;
      else if (!isFinal(state)) {
        this.#missing += 1;
        if (this.#named.length < mostNamed) this.#named.push(id);
      }
    }
  }

  /** Throws a StoreError when there is one. */
  settle(from: string, to: string): void {
    if (!this.#isWorkedOn || this.#missing === 0) return;
    const more = this.#missing > this.#named.length ? ", …" : "";
    throw new StoreError(
      `Of the jobs that wait in ${withoutPassword(from)}, ${this.#missing} are not in ${withoutPassword(to)}, where others have been worked on or deleted ` +
        `since they were copied: ${this.#named.join(", ")}${more}. Each was done there and deleted, and would run again, or never copied. Nothing was moved. ` +
        "Submit there what was not done, then cancel them all in the old store and run the same command again.",
    );
  }
}
