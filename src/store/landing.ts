// What becomes of the jobs of one `load`: which are written, and in which state those arrive that wait for others. Every store but
// Redis, whose script says the same, asks here first and then writes what comes out. Jobs come in the order they were added, so
// what a job depends on is stored, or before it in the batch. That they were ready or blocked elsewhere proves nothing: what they
// need may be done here meanwhile, or not be here yet. Nothing is written here; a batch that cannot be written throws.
import { StoreError } from "../core/errors.ts";
import { isFinal } from "../task/state.ts";
import type { Known, Stored } from "./arrival.ts";
import { isSatisfied, tolerantPlaces } from "./arrival.ts";
import type { StoredJob } from "./job.ts";
import { isHeld, restingState } from "./machine.ts";

/** A job as it is written. One that is ready and has gates walks up to the first of them. */
export interface Landing {
  readonly job: StoredJob;
  /** True when it holds its unique key. */
  readonly holdsKey: boolean;
}

/** The error for a running job: whoever runs it would go on, and report to the store it came from. */
export function stillRuns(id: string): StoreError {
  return new StoreError(
    `Job "${id}" cannot be loaded: it runs. Wait until no worker has it, and dump it again. Nothing of the batch was written.`,
  );
}

/** The error for a job that waits for one that is not there. */
export function missingDependency(job: string, id: string | null): StoreError {
  return new StoreError(
    `Job "${job}" cannot be loaded: ${id === null ? "a job it depends on is not stored" : `it depends on "${id}", which is not stored here`}. ` +
      "Load jobs in the order in which they were added, while no worker runs here. Nothing of the batch was written.",
  );
}

/** The error for a live job whose unique key another live job holds. */
export function heldKey(job: string, key: string, holder: string): StoreError {
  return new StoreError(
    `Job "${job}" cannot be loaded: job "${holder}", which is live here, holds its unique key "${key}". ` +
      "Cancel one of the two, or wait for the end of the one here. Nothing of the batch was written.",
  );
}

/**
 * True when a job holds its unique key, if it is live. A key that is held until the job starts is not taken back when the attempt
 * is given back or retried; only a retry by hand, which forgets the start, does that.
 */
export function holdsKey({ uniqueKey, uniqueUntil, startedAt }: StoredJob): boolean {
  return uniqueKey !== null && (uniqueUntil === "ended" || startedAt === null);
}

/** A waiting job with dependencies, as those tell. */
function arrive(job: StoredJob, now: number, find: (id: string) => Known | undefined): StoredJob {
  let pending = 0;
  let cause: string | null = null;
  const tolerant = tolerantPlaces(job);
  for (const [place, id] of job.dependsOn.entries()) {
    const known = id === null ? undefined : find(id);
    if (id === null || !known) throw missingDependency(job.id, id);
    if (isSatisfied(known.state, tolerant[place])) continue;
    pending += 1;
    if (isFinal(known.state)) cause ??= known.cause ?? id;
  }
  if (cause !== null) return { ...job, state: "failed", pending, cause, endedAt: now };
  if (pending > 0) return { ...job, state: "blocked", pending };
  if (job.state !== "blocked") return { ...job, pending };
  const state = restingState(0, job.dueAt, now);
  return { ...job, state, pending, ...(state === "ready" && job.gates.length === 0 && { readyAt: now }) };
}

/** What is written of these jobs, in their order. Throws a StoreError when the batch cannot be. */
export function landings(jobs: readonly StoredJob[], now: number, stored: Stored): readonly Landing[] {
  const landed = new Map<string, Landing>();
  const holders = new Map<string, string>();
  const find = (id: string): Known | undefined => landed.get(id)?.job ?? stored.find(id);
  for (const given of jobs) {
    if (isHeld(given)) throw stillRuns(given.id);
    if (find(given.id)) continue;
    const stands = isFinal(given.state) || (given.dependsOn.length === 0 && given.state !== "blocked");
    const arrived = stands ? given : arrive(given, now, find);
    const job = { ...arrived, gate: null, waits: arrived.state === "waiting" ? arrived.waits : null };
    const holds = !isFinal(job.state) && holdsKey(job);
    if (holds && job.uniqueKey !== null) {
      const holder = holders.get(job.uniqueKey) ?? stored.holder(job.uniqueKey);
      if (holder !== undefined) throw heldKey(job.id, job.uniqueKey, holder);
      holders.set(job.uniqueKey, job.id);
    }
    landed.set(job.id, { job, holdsKey: holds });
  }
  return [...landed.values()];
}
