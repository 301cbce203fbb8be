// What a worker tells of a settle: which jobs have ended for those who wait in this program, what was refused, and what is due.
import type { Ended, Outcome } from "../store/job.ts";
import type { Settled } from "../store/store.ts";

/** What is known of those to tell. */
export interface Hearers {
  /** The worker that reported the outcomes. */
  readonly worker: string;
  /** True for a job that someone in this program waits for. */
  wanted(id: string): boolean;
}

/** What is to be told. */
export interface Tellings {
  readonly ended: readonly Ended[];
  /** Outcomes of jobs that somebody else had by then. */
  readonly refused: readonly string[];
  /** When jobs are due again. */
  readonly due: readonly number[];
  /** Jobs have ended of which only the store can tell how. */
  readonly mustLook: boolean;
}

/** The tellings of a settle that has been answered; of the doubtful outcomes the store may have recorded some before. */
export function tellings(
  batch: readonly Outcome[],
  settled: Settled,
  doubtful: ReadonlySet<Outcome>,
  hearers: Hearers,
): Tellings {
  const ended: Ended[] = [...settled.ended];
  const refused: string[] = [];
  const due: number[] = [];
  let mustLook = false;
  const otherwise = new Set(settled.ended.map(({ id }) => id));
  const places = new Set(settled.refused);
  for (const [place, outcome] of batch.entries()) {
    const { id, kind } = outcome;
    if (places.has(place)) {
      if (doubtful.has(outcome)) mustLook = true;
      else refused.push(id);
      continue;
    }
    if ((kind === "retry" || kind === "waiting") && outcome.dueAt !== null) due.push(outcome.dueAt);
    if (otherwise.has(id) || !hearers.wanted(id)) continue;
    // The store knows the reason of a cancellation; this worker does not.
    if (kind === "cancelled") mustLook = true;
    else if (kind === "done" || kind === "failed") ended.push(endedBy(hearers.worker, outcome));
  }
  return { ended, refused, due, mustLook };
}

function endedBy(worker: string, outcome: Extract<Outcome, { kind: "done" | "failed" }>): Ended {
  return {
    id: outcome.id,
    task: "",
    state: outcome.kind,
    result: outcome.kind === "done" ? outcome.result : null,
    error: outcome.kind === "failed" ? outcome.error : null,
    cause: null,
    cancelReason: null,
    crashes: 0,
    worker,
  };
}
