// May a move copy what is not in the destination? A job that waits in the source and was copied before may have been done there since,
// and deleted when its time was over: copied again it would run again. Nothing tells it from one that was never copied, so where
// anything shows that the destination has been worked on, a person has to say.
import { StoreError } from "../../core/errors.ts";
import { withoutPassword } from "../../core/redact.ts";
import type { StoredJob } from "../../store/job.ts";
import type { Store } from "../../store/store.ts";
import { isFinal } from "../../task/state.ts";
import type { Cli } from "../command.ts";
import { toJson } from "../json.ts";
import { mostNamed } from "./report.ts";

/** Looks for jobs that may have been done in the destination and deleted there. */
export class Doubt {
  /** Jobs that wait in the source and are not in the destination. */
  readonly #missing: string[] = [];
  /** A job has been claimed there since it was copied; or one that was copied before it is gone, since they are copied in their order. */
  #isWorkedOn = false;

  /** Looks for the next of the jobs of the source. */
  async look(jobs: readonly StoredJob[], destination: Store): Promise<void> {
    const found = new Map((await destination.get(jobs.map(({ id }) => id))).map((job) => [job.id, job]));
    for (const { id, state, fence } of jobs) {
      const there = found.get(id);
      if (there) this.#isWorkedOn ||= there.fence > fence || this.#missing.length > 0;
      else if (!isFinal(state)) this.#missing.push(id);
    }
  }

  /** Throws a StoreError when there is any; as JSON, all of them are printed. */
  settle({ output }: Cli, fromUrl: string, toUrl: string): void {
    const doubtful = this.#missing;
    if (!this.#isWorkedOn || doubtful.length === 0) return;
    const [from, to] = [withoutPassword(fromUrl), withoutPassword(toUrl)];
    if (output.json) output.line(toJson({ from, to, copied: 0, complete: false, doubtful }));
    const more = doubtful.length > mostNamed ? ", …" : "";
    throw new StoreError(
      `Of the jobs that wait in ${from}, ${doubtful.length} are not in ${to}, where others have been worked on or deleted ` +
        `since they were copied: ${doubtful.slice(0, mostNamed).join(", ")}${more}. Each was done there and deleted, and would run again, or never copied. Nothing was moved. ` +
        "Submit there what was not done, then cancel them all in the old store and run the same command again.",
    );
  }
}
