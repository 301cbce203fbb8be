// A job as the memory store keeps it, and the copies it gives out: a row changes in place, so it never leaves the store.
import type { FinalState, JobState } from "../../task/state.ts";
import { isFinal } from "../../task/state.ts";
import type { Arrival } from "../arrival.ts";
import { tolerantPlaces } from "../arrival.ts";
import type { ClaimedJob, Ended, Job, StoredJob } from "../job.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** How a job needs another: how many of its dependencies that is (stand-ins can make it several), and whether each is tolerated. */
export interface Need {
  count: number;
  isTolerant: boolean;
}

/** A job and its place in the graph. */
export interface Row {
  /** Counts the jobs ever added. */
  readonly seq: number;
  readonly job: Writable<Job>;
  readonly dependsOn: readonly Row[];
  /** By the places of `dependsOn`, true for those that need not end as done. */
  readonly tolerant: readonly boolean[];
  /** The jobs that need this one. */
  readonly dependants: Map<Row, Need>;
  readonly uniqueUntil: "started" | "ended" | null;
  holdsKey: boolean;
  /** When it may be pruned; only of an ended job. */
  pruneAt: number;
  removed: boolean;
  /** How many of its gates it has passed; -1 while it is not on its way through them. */
  passed: number;
  /** Where it stands in a line: its seq, or when it passed the gate before. */
  age: number;
  /** Started since: the places that are kept until a start are given back. */
  hasStarted: boolean;
  /** The state of its last event. */
  told: JobState | null;
}

/** A new row in no state yet. */
export function newRow(seq: number, { job, pending, cause, tolerant }: Arrival, dependsOn: readonly Row[]): Row {
  const { unique, dependsOn: _ids, tolerates: _tolerated, ...facts } = job;
  return linked({
    seq,
    job: {
      ...facts,
      state: "blocked",
      uniqueKey: unique?.key ?? null,
      dependencies: dependsOn.length,
      pending,
      attempt: 0,
      crashes: 0,
      fence: 0,
      worker: null,
      readyAt: null,
      startedAt: null,
      endedAt: null,
      result: null,
      error: null,
      cause,
      cancelAt: null,
      cancelReason: null,
      progress: null,
      waits: null,
      gate: null,
    },
    dependsOn,
    tolerant,
    uniqueUntil: unique?.until ?? null,
    ...blank(seq),
  });
}

function blank(
  seq: number,
): Pick<Row, "dependants" | "holdsKey" | "pruneAt" | "removed" | "passed" | "age" | "hasStarted" | "told"> {
  return {
    dependants: new Map(),
    holdsKey: false,
    pruneAt: 0,
    removed: false,
    passed: -1,
    age: seq,
    hasStarted: false,
    told: null,
  };
}

/** Makes a row known to those it depends on. */
function linked(row: Row): Row {
  for (const [place, each] of row.dependsOn.entries()) {
    const isTolerant = row.tolerant[place] === true;
    const need = each.dependants.get(row);
    if (!need) each.dependants.set(row, { count: 1, isTolerant });
    else Object.assign(need, { count: need.count + 1, isTolerant: need.isTolerant && isTolerant });
  }
  return row;
}

/** The row of a job that was stored elsewhere. `find` gives the rows it depends on, as far as they are stored. */
export function wholeRow(seq: number, whole: StoredJob, find: (id: string) => Row | undefined): Row {
  const { dependsOn, uniqueUntil, tolerates: _tolerated, records: _records, ...job } = whole;
  // In place of a job that is gone stands one that was removed.
  const gone = (): Row => {
    return { seq, uniqueUntil, ...blank(seq), job: { ...job, id: "", result: null }, dependsOn: [], tolerant: [], removed: true };
  };
  const below = dependsOn.map((id) => (id === null ? undefined : find(id)) ?? gone());
  return linked({ seq, uniqueUntil, ...blank(seq), job, dependsOn: below, tolerant: tolerantPlaces(whole) });
}

/** True when a job that depends on it has not ended. */
export function isNeeded(row: Row): boolean {
  for (const above of row.dependants.keys()) if (!isFinal(above.job.state)) return true;
  return false;
}

/** A copy of the job as it is now. */
export function toJob({ job }: Row): Job {
  return { ...job };
}

/** What a worker gets with a job. */
export function toClaimed({ job }: Row): ClaimedJob {
  const { id, task, queue, args, policy, attempt, crashes, fence, root, parent, trace, dependencies, submittedAt } = job;
  return { id, task, queue, args, policy, attempt, crashes, fence, root, parent, trace, dependencies, submittedAt };
}

/** What those who wait for an ended job get. */
export function toEnded({ job }: Row): Ended {
  const { id, task, state, result, error, cause, cancelReason, crashes, worker } = job;
  return { id, task, state: state as FinalState, result, error, cause, cancelReason, crashes, worker };
}
