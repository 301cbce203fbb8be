// How a row of the file becomes what crosses the contract. The columns are named in the SQL as the fields are named here;
// node:sqlite gives objects without a prototype, which are copied into plain ones.
import type { FinalState } from "../../task/state.ts";
import type { ClaimedJob, Ended, Job } from "../job.ts";
import { gatesIn } from "./rest.ts";

const argsColumn = "coalesce(job.args, (SELECT text FROM long_args WHERE long_args.seq = job.seq)) AS args";

/** Columns of a whole job. */
export const jobColumns: string = `job.id, job.task, job.queue, -job.rank AS priority, ${argsColumn}, job.policy,
  job.crash_limit AS crashLimit, job.due_at AS dueAt, job.expires_at AS expiresAt, job.keep_ms AS keepMs,
  coalesce(job.root, job.id) AS root, job.parent, job.trace, job.submitted_at AS submittedAt, job.state,
  job.unique_key AS uniqueKey, job.dependencies, job.pending, job.attempt, job.crashes, job.fence, job.worker,
  job.ready_at AS readyAt, job.started_at AS startedAt, job.ended_at AS endedAt, job.result, job.error, job.cause,
  job.cancel_at AS cancelAt, job.cancel_reason AS cancelReason, job.progress, job.waits, job.gates, job.gate`;

/** A row read with {@link jobColumns}. */
export interface JobRow extends Omit<Job, "gates"> {
  readonly gates: string | null;
}

/** The job in a row read with {@link jobColumns}. */
export function toJob<Row extends JobRow>(row: Row): Omit<Row, "gates"> & Pick<Job, "gates"> {
  return { ...row, gates: gatesIn(row.gates) };
}

/** Where a ready job stands in its line: see the index job_ready. */
export const place = "coalesce(age, seq)";

/** Columns of a job that is given out; its attempt and fence as they were before. */
export const claimColumns: string = `job.seq, job.rank, job.unique_held, job.unique_until, job.id, job.task, job.queue, ${argsColumn},
  job.policy, job.attempt, job.crashes, job.fence, coalesce(job.root, job.id), job.parent, job.trace, job.dependencies, job.submitted_at, job.crash_limit,
  ${place}, job.gates, job.ahead`;

/** A row read with {@link claimColumns}, as a list: making objects of rows takes longer than reading them. */
export type ClaimRow = readonly [
  seq: number,
  rank: number,
  uniqueHeld: number,
  uniqueUntil: "started" | "ended" | null,
  id: string,
  task: string,
  queue: string,
  args: string,
  policy: string,
  attempt: number,
  crashes: number,
  fence: number,
  root: string,
  parent: string | null,
  trace: string | null,
  dependencies: number,
  submittedAt: number,
  crashLimit: number,
  place: number,
  gates: string | null,
  ahead: number | null,
];

/** The job as its worker gets it, with the attempt that now starts. */
export function toClaimed(row: ClaimRow): ClaimedJob {
  return {
    id: row[4],
    task: row[5],
    queue: row[6],
    args: row[7],
    policy: row[8],
    attempt: row[9] + 1,
    crashes: row[10],
    fence: row[11] + 1,
    root: row[12],
    parent: row[13],
    trace: row[14],
    dependencies: row[15],
    submittedAt: row[16],
  };
}

/** Columns of an ended job. */
export const endedColumns: string =
  "job.id, job.task, job.state, job.result, job.error, job.cause, job.cancel_reason AS cancelReason, job.crashes, job.worker";

/** A plain copy of a row read with {@link endedColumns}. */
export function toEnded({ id, task, state, result, error, cause, cancelReason, crashes, worker }: Ended): Ended {
  return { id, task, state, result, error, cause, cancelReason, crashes, worker };
}

/** A job that ends before any attempt of it counted. */
export function endedWaiting(
  id: string,
  task: string,
  state: FinalState,
  cause: string | null,
): Omit<Ended, "error" | "crashes"> {
  return { id, task, state, result: null, cause, cancelReason: null, worker: null };
}
