// What a cancellation reaches: the chosen jobs, everything above them that needs them, and what lies below them that nothing
// else needs. The order of the steps is the rule: those above must have failed before it can be said what is still needed
// below. Written once over a few small steps that a store provides; it works level by level, so a dependency shared by
// 100,000 cancelled jobs is looked at once.
import type { JobState } from "../task/state.ts";
import type { Cancelled } from "./store.ts";

/** What must be known of a live job. */
export interface LiveJob {
  readonly id: string;
  readonly state: JobState;
}

/** The steps a store provides. `Row` is how it names a live job. */
export interface Cancelling<Row extends LiveJob> {
  /** Ends a job that nobody holds as `cancelled`. */
  end(row: Row): void;
  /** Records the wish on a job that its worker holds, unless there is one, or wakes a suspended one that has something to undo. */
  request(row: Row): void;
  /** True for a job that is to be asked. */
  isAsked(row: Row): boolean;
  /** Fails every blocked job that needs one of these ended ones, and so on up; returns their ids. Those that tolerate it are released. */
  failAbove(ended: readonly Row[]): readonly string[];
  /** The dependencies of these jobs, each once, that are live and no root of their own. */
  below(rows: readonly Row[]): readonly Row[];
  /** True while a job that depends on it has not ended. */
  isNeeded(row: Row): boolean;
}

/** Cancels live jobs, given in the order they were added. */
export function cancelJobs<Row extends LiveJob>(chosen: readonly Row[], steps: Cancelling<Row>): Cancelled {
  const cancelled: string[] = [];
  const requested = new Set<string>();
  const stop = (rows: readonly Row[]): Row[] => {
    const ended: Row[] = [];
    for (const row of rows) {
      if (steps.isAsked(row)) {
        steps.request(row);
        requested.add(row.id);
      } else ended.push(row);
    }
    for (const row of ended) {
      steps.end(row);
      cancelled.push(row.id);
    }
    return ended;
  };
  let level = stop(chosen);
  const failed = steps.failAbove(level);
  while (level.length > 0) level = stop(steps.below(level).filter((row) => !steps.isNeeded(row)));
  return { cancelled, requested: [...requested], failed };
}
