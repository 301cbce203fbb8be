// What becomes of the jobs of one `add`: which are added, what they depend on, in which state they arrive. Every store asks
// here first and then writes what comes out, so the rules on unique keys, stand-ins and failed dependencies exist once.
// Nothing is written here; a batch that cannot be added throws before anything was.
import { StoreError } from "../core/errors.ts";
import type { JobState } from "../task/state.ts";
import { isFinal } from "../task/state.ts";
import type { NewJob } from "./job.ts";
import { restingState } from "./machine.ts";

/** What must be known of a job that others depend on. */
export interface Known {
  readonly state: JobState;
  readonly cause: string | null;
}

/** What must be known of the store. */
export interface Stored {
  find(id: string): Known | undefined;
  /** The live job that holds a unique key. */
  holder(key: string): string | undefined;
}

/** What becomes of one job. */
export interface Arrival {
  readonly job: NewJob;
  /** As in `Added`: when it is not null, the job is not added. */
  readonly existing: string | null;
  /** `dependsOn`, with those that were not added replaced by the jobs that stand in for them. */
  readonly dependsOn: readonly string[];
  /** By the places of `dependsOn`, true for those that need not end as done; empty when there are none. */
  readonly tolerant: readonly boolean[];
  /** When it is ready and has gates, it walks up to the first of them. */
  readonly state: "blocked" | "scheduled" | "ready" | "failed";
  /** Dependencies not yet done. */
  readonly pending: number;
  readonly cause: string | null;
}

interface Draft extends Arrival {
  existing: string | null;
  /** Jobs of the batch that name it as a dependency, and those of them that are added. */
  needed: number;
  stillNeeded: number;
  /** True when another job of the batch was not added because this one holds its key. */
  standsIn: boolean;
}

/** The error for an id that `add` finds taken. */
export function takenId(id: string): StoreError {
  return new StoreError(`Job "${id}" cannot be added: its id is already stored or named twice. Nothing of the batch was added.`);
}

/** The error for a dependency that is not there. */
export function unknownDependency(job: string, id: string): StoreError {
  return new StoreError(
    `Job "${job}" cannot be added: it depends on "${id}", which is not stored. A dependency comes before it in the batch or ` +
      'was added earlier and is still kept; raise its "keep" if it was pruned. Nothing of the batch was added.',
  );
}

/** By the places of `dependsOn`, true for those that need not end as done; empty when there are none. */
export function tolerantPlaces(job: {
  readonly dependsOn: readonly (string | null)[];
  readonly tolerates: readonly string[];
}): readonly boolean[] {
  if (job.tolerates.length === 0) return [];
  const tolerated = new Set<string | null>(job.tolerates);
  return job.dependsOn.map((id) => tolerated.has(id));
}

/** True when a dependency in this state keeps nobody waiting any more. */
export function isSatisfied(state: JobState, tolerated: boolean | undefined): boolean {
  return state === "done" || (tolerated === true && isFinal(state));
}

class Batch {
  readonly drafts = new Map<string, Draft>();
  readonly #holders = new Map<string, Draft>();
  readonly #known = new Map<string, Known | undefined>();
  readonly #stored: Stored;
  readonly #now: number;

  constructor(stored: Stored, now: number) {
    this.#stored = stored;
    this.#now = now;
  }

  add(job: NewJob): void {
    if (this.drafts.has(job.id)) throw takenId(job.id);
    const draft: Draft = { ...this.#arrive(job), needed: 0, stillNeeded: 0, standsIn: false };
    this.drafts.set(job.id, draft);
    for (const id of job.dependsOn) {
      const dependency = this.drafts.get(id);
      if (dependency) dependency.needed += 1;
    }
    if (job.unique && draft.existing === null && draft.state !== "failed") this.#holders.set(job.unique.key, draft);
  }

  #arrive(job: NewJob): Arrival {
    const existing = job.unique ? this.#holder(job.unique.key) : null;
    if (job.dependsOn.length === 0) {
      const state = restingState(0, job.dueAt, this.#now);
      return { job, existing, dependsOn: job.dependsOn, tolerant: [], state, pending: 0, cause: null };
    }
    const dependsOn = job.dependsOn.map((id) => this.drafts.get(id)?.existing ?? id);
    const tolerant = tolerantPlaces(job);
    let pending = 0;
    let cause: string | null = null;
    for (const [place, id] of dependsOn.entries()) {
      const known = this.#find(job, id);
      if (isSatisfied(known.state, tolerant[place])) continue;
      pending += 1;
      if (isFinal(known.state)) cause ??= known.cause ?? id;
    }
    return {
      job,
      existing,
      dependsOn,
      tolerant,
      state: cause === null ? restingState(pending, job.dueAt, this.#now) : "failed",
      pending,
      cause,
    };
  }

  #holder(key: string): string | null {
    const draft = this.#holders.get(key);
    if (!draft) return this.#stored.holder(key) ?? null;
    draft.standsIn = true;
    return draft.job.id;
  }

  #find(job: NewJob, id: string): Known {
    const draft = this.drafts.get(id);
    if (draft) return draft;
    if (!this.#known.has(id)) this.#known.set(id, this.#stored.find(id));
    const known = this.#known.get(id);
    if (!known) throw unknownDependency(job.id, id);
    return known;
  }

  /** Leaves out what only jobs that are not added need. Those come after it in the batch, so one pass backwards finds all. */
  leaveOutUnneeded(): void {
    const standIns = new Map<string, string>();
    for (const draft of [...this.drafts.values()].toReversed()) {
      const { job } = draft;
      if (draft.existing === null && draft.needed > 0 && draft.stillNeeded === 0 && !draft.standsIn) {
        draft.existing = standIns.get(job.id) ?? null;
      }
      for (const id of job.dependsOn) {
        const dependency = this.drafts.get(id);
        if (!dependency) continue;
        if (draft.existing === null) dependency.stillNeeded += 1;
        else standIns.set(id, draft.existing);
      }
    }
  }
}

/** What becomes of each of these jobs, in their order. Throws a StoreError when the batch cannot be added. */
export function arrivals(jobs: readonly NewJob[], now: number, stored: Stored): readonly Arrival[] {
  const batch = new Batch(stored, now);
  for (const job of jobs) batch.add(job);
  if (jobs.some(({ dependsOn }) => dependsOn.length > 0)) batch.leaveOutUnneeded();
  return [...batch.drafts.values()];
}
