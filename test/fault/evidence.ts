// What the checker judges, by job: the rows of the store when all was over, the history of the workers, what submitters were told,
// and what an observer saw while it went on.
import type { Job } from "../../src/store/job.ts";
import { decode } from "../../src/task/codec.ts";
import type { Answered, Claimed, Line, Ran, Stepped } from "./history.ts";
import type { Made } from "./tasks.ts";
import type { Submit } from "./workload.ts";

/** Everything that is known of a run. */
export interface Evidence {
  readonly submits: readonly Submit[];
  readonly jobs: readonly Job[];
  readonly history: readonly Line[];
  /** Encoded results of jobs as an observer saw them first, null for those that failed. */
  readonly seen: ReadonlyMap<string, string | null>;
}

/** What must not be, and the job it happened to. */
export interface Violation {
  readonly what: string;
  readonly id: string | null;
}

/** What is known of one job. */
export interface Case {
  readonly id: string;
  job: Job | undefined;
  /** What its recorded result says; undefined where it is not done, or has none that can be read. */
  made: Made | undefined;
  readonly ran: Ran[];
  readonly stepped: Stepped[];
  readonly claimed: Claimed[];
  readonly answered: Answered[];
  /** Submits that were acknowledged with it. */
  readonly submits: Submit[];
}

function read(job: Job): Made | undefined {
  if (job.result === null) return undefined;
  const value = decode(job.result);
  return typeof value === "object" && value !== null && "token" in value ? (value as Made) : undefined;
}

/** The evidence sorted by job. */
export class Cases {
  readonly #cases = new Map<string, Case>();

  constructor({ jobs, history, submits }: Evidence) {
    for (const job of jobs) {
      const found = this.#of(job.id);
      found.job = job;
      found.made = read(job);
    }
    for (const line of history) {
      if (line.kind === "ran") this.#of(line.id).ran.push(line);
      else if (line.kind === "stepped") this.#of(line.id).stepped.push(line);
      else if (line.kind === "claimed") this.#of(line.id).claimed.push(line);
      else if (line.kind === "accepted" || line.kind === "refused") this.#of(line.id).answered.push(line);
    }
    for (const submit of submits) if (submit.ackedId !== null) this.#of(submit.ackedId).submits.push(submit);
  }

  get(id: string): Case | undefined {
    return this.#cases.get(id);
  }

  /** Jobs that are stored, and any that someone says there were. */
  all(): Iterable<Case> {
    return this.#cases.values();
  }

  #of(id: string): Case {
    let found = this.#cases.get(id);
    if (!found) {
      found = { id, job: undefined, made: undefined, ran: [], stepped: [], claimed: [], answered: [], submits: [] };
      this.#cases.set(id, found);
    }
    return found;
  }
}
