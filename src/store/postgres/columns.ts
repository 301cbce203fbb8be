// How rows become what crosses the contract.
import type { FinalState, JobState } from "../../task/state.ts";
import type { ClaimedJob, Ended, Gate, Job } from "../job.ts";
import type { Row } from "./client.ts";
import { fromStored, fromStoredOrNull } from "./text.ts";

/** Columns of a whole job, of the view `jobs`. */
export const jobColumns: string = `jobs.id, jobs.task, jobs.queue, jobs.priority, jobs.args, jobs.policy, jobs.crash_limit, jobs.due_at,
  jobs.expires_at, jobs.keep_ms, jobs.root, jobs.parent, jobs.trace, jobs.submitted_at, jobs.state, jobs.unique_key, jobs.dependencies,
  jobs.pending, jobs.attempt, jobs.crashes, jobs.fence, jobs.worker, jobs.ready_at, jobs.started_at, jobs.ended_at, jobs.result, jobs.error,
  jobs.cause, jobs.cancel_at, jobs.cancel_reason, jobs.progress, jobs.waits, jobs.gate, jobs.gate_names, jobs.gate_rooms,
  jobs.gate_everies, jobs.gate_untils`;

/** How many they are. */
export const jobColumnCount = 37;

function toGates(row: Row, at: number): readonly Gate[] {
  const [names, rooms, everies, untils] = row.slice(at, at + 4) as [
    readonly string[] | null,
    readonly number[],
    readonly (number | null)[],
    readonly Gate["until"][],
  ];
  return (names ?? []).map((name, index) => ({
    name: fromStored(name),
    room: rooms[index] as number,
    everyMs: everies[index] as number | null,
    until: untils[index] as Gate["until"],
  }));
}

/** A row read with {@link jobColumns}. */
export function toJob(row: Row): Job {
  const text = (at: number): string => fromStored(row[at] as string);
  const textOrNull = (at: number): string | null => fromStoredOrNull(row[at] as string | null);
  const number = (at: number): number => row[at] as number;
  const numberOrNull = (at: number): number | null => row[at] as number | null;
  return {
    id: text(0),
    task: text(1),
    queue: text(2),
    priority: number(3),
    args: text(4),
    policy: textOrNull(5),
    crashLimit: number(6),
    dueAt: numberOrNull(7),
    expiresAt: numberOrNull(8),
    keepMs: number(9),
    root: text(10),
    parent: textOrNull(11),
    trace: textOrNull(12),
    submittedAt: number(13),
    state: row[14] as JobState,
    uniqueKey: textOrNull(15),
    dependencies: number(16),
    pending: number(17),
    attempt: number(18),
    crashes: number(19),
    fence: number(20),
    worker: textOrNull(21),
    readyAt: numberOrNull(22),
    startedAt: numberOrNull(23),
    endedAt: numberOrNull(24),
    result: textOrNull(25),
    error: textOrNull(26),
    cause: textOrNull(27),
    cancelAt: numberOrNull(28),
    cancelReason: textOrNull(29),
    progress: textOrNull(30),
    waits: textOrNull(31),
    gate: textOrNull(32),
    gates: toGates(row, 33),
  };
}

/** An ended job as the functions give it: a row of `endings`, or an entry of their lists. */
export function toEnded(row: Row): Ended {
  return {
    id: fromStored(row[0] as string),
    task: fromStored(row[1] as string),
    state: row[2] as FinalState,
    result: fromStoredOrNull(row[3] as string | null),
    error: fromStoredOrNull(row[4] as string | null),
    cause: fromStoredOrNull(row[5] as string | null),
    cancelReason: fromStoredOrNull(row[6] as string | null),
    crashes: row[7] as number,
    worker: fromStoredOrNull(row[8] as string | null),
  };
}

/** A row of `settle` behind the first; its first column is the head's, its second the seq. */
export function toClaimed(row: Row): ClaimedJob {
  return {
    id: fromStored(row[2] as string),
    task: fromStored(row[3] as string),
    queue: fromStored(row[4] as string),
    args: fromStored(row[5] as string),
    policy: fromStoredOrNull(row[6] as string | null),
    attempt: row[7] as number,
    crashes: row[8] as number,
    fence: row[9] as number,
    root: fromStored((row[10] ?? row[2]) as string),
    parent: fromStoredOrNull(row[11] as string | null),
    trace: fromStoredOrNull(row[12] as string | null),
    dependencies: row[13] as number,
    submittedAt: row[14] as number,
  };
}
