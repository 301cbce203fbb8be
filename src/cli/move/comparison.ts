// What has become of the jobs of a store in the one they were moved to. Every job of the source is looked for, whoever has
// written it there, and compared with what the source has of it now. Workers may have run in the destination between two moves, so a
// job may have gone on there, which its count of claims shows, or its state. The other way round is a difference: the source has
// gone on after the job was copied.
import type { Job, StoredJob } from "../../store/job.ts";
import type { QueueStats, Store } from "../../store/store.ts";
import type { JobState } from "../../task/state.ts";
import { isFinal, jobStates } from "../../task/state.ts";

/** What became of a job: `same`, `further` in the destination, `missing` there, or `different`. */
export type Verdict = "same" | "further" | "missing" | "different";

/** Jobs of one queue that are in one state in the source, and those of the moved ones that are in it in the destination. */
export interface Cell {
  readonly queue: string;
  readonly state: JobState;
  source: number;
  destination: number;
}

// What is said of a job once and for all, and what when it has ended.
const lasting = (
  "task queue priority args policy crashLimit keepMs root parent trace submittedAt uniqueKey dependencies" as const
).split(" ") as (keyof Job)[];
const final: readonly (keyof Job)[] = ["result", "error", "cause", "endedAt", "cancelReason"];

function differsIn(keys: readonly (keyof Job)[], one: Job, other: Job): boolean {
  return keys.some((key) => one[key] !== other[key]);
}

/**
 * True when a job that has ended in the source lives in the destination, by the same claim, because it was retried there by hand. One that
 * failed ran by its last claim, so it was copied after that, or failed with a dependency, of which the same is asked; of one that was
 * cancelled or expired the time tells.
 */
function isRetried({ state, endedAt }: StoredJob, { readyAt }: Job): boolean {
  return state === "failed" || (readyAt !== null && endedAt !== null && readyAt > endedAt);
}

/** What became of a job that is `found` in the destination. */
export function verdictOn(source: StoredJob, found: Job | undefined): Verdict {
  if (!found) return "missing";
  if (differsIn(lasting, source, found)) return "different";
  if (found.fence !== source.fence) return found.fence > source.fence ? "further" : "different";
  const isOver = isFinal(source.state);
  if (found.state === source.state) return isOver && differsIn(final, source, found) ? "different" : "same";
  if (isOver) return !isFinal(found.state) && isRetried(source, found) ? "further" : "different";
  return jobStates.indexOf(found.state) > jobStates.indexOf(source.state) ? "further" : "different";
}

/** Compares, and counts. */
export class Comparison {
  readonly counts: Record<Verdict, number> = { same: 0, further: 0, missing: 0, different: 0 };
  /** Those that are missing or different. */
  readonly named: { readonly id: string; readonly source: JobState; readonly destination: JobState | null }[] = [];
  readonly #cells = new Map<string, Cell>();

  /** Looks for these jobs of the source in the destination. */
  async look(jobs: readonly StoredJob[], destination: Store): Promise<void> {
    const found = new Map((await destination.get(jobs.map(({ id }) => id))).map((job) => [job.id, job]));
    for (const job of jobs) this.#add(job, found.get(job.id));
  }

  #add(job: StoredJob, found: Job | undefined): void {
    const verdict = verdictOn(job, found);
    this.counts[verdict] += 1;
    this.#cell(job.queue, job.state).source += 1;
    if (found) this.#cell(found.queue, found.state).destination += 1;
    if (verdict === "missing" || verdict === "different") {
      this.named.push({ id: job.id, source: job.state, destination: found?.state ?? null });
    }
  }

  #cell(queue: string, state: JobState): Cell {
    const name = `${state} ${queue}`;
    let cell = this.#cells.get(name);
    if (!cell) this.#cells.set(name, (cell = { queue, state, source: 0, destination: 0 }));
    return cell;
  }

  /** Every job of the source is in the destination as it should be. */
  get agrees(): boolean {
    return this.counts.missing + this.counts.different === 0;
  }

  get cells(): readonly Cell[] {
    const order = ({ state }: Cell): number => jobStates.indexOf(state);
    return [...this.#cells.values()].sort((a, b) => (a.queue === b.queue ? order(a) - order(b) : a.queue < b.queue ? -1 : 1));
  }

  /** True when the source has other jobs now than those that were compared. */
  isOutdated(queues: readonly QueueStats[]): boolean {
    const counted = new Map<string, number>();
    for (const { queue, counts } of queues) for (const state of jobStates) counted.set(`${state} ${queue}`, counts[state]);
    for (const [name, { source }] of this.#cells) {
      if ((counted.get(name) ?? 0) !== source) return true;
      counted.delete(name);
    }
    return [...counted.values()].some((count) => count > 0);
  }
}
