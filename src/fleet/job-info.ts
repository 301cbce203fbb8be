// A stored job as people and programs look at it: decoded, with names for what the columns mean.
import type { Progress } from "../pool/future.ts";
import type { Job } from "../store/job.ts";
import { decode } from "../task/codec.ts";
import type { Requires } from "../task/requires.ts";
import { nameOf, readRequires, requiresOf } from "../task/requires.ts";
import { isSealed, sealErrorOf } from "../task/sealed.ts";
import type { JobState } from "../task/state.ts";
import { decodeThrown } from "../task/thrown.ts";

/** A job as stored, decoded. Times are ms since 1970, null where they have not come. */
export interface JobInfo {
  readonly id: string;
  readonly task: string;
  /** What it requires of its worker, or null. */
  readonly requires: Requires | null;
  readonly queue: string;
  readonly state: JobState;
  readonly priority: number;
  /** The arguments; results of dependencies show as null. Undefined when `problem` is set. */
  readonly args: readonly unknown[] | undefined;
  /** The result of a done job. */
  readonly result: unknown;
  /** What the last failed attempt threw. */
  readonly error: unknown;
  /** The id of the job whose failure made this one fail. */
  readonly cause: string | null;
  readonly attempt: number;
  readonly crashes: number;
  /** Dependencies in all, and those not done yet. */
  readonly dependencies: number;
  readonly pending: number;
  readonly worker: string | null;
  readonly root: string;
  readonly parent: string | null;
  readonly uniqueKey: string | null;
  readonly progress: Progress | undefined;
  readonly submittedAt: number;
  readonly dueAt: number | null;
  readonly expiresAt: number | null;
  readonly readyAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly cancelAt: number | null;
  readonly cancelReason: string | null;
  /** The limit it waits for, by the name of its gate; then its state is `blocked`, with nothing pending. */
  readonly gate: string | null;
  /** Why a stored text could not be read, when another program wrote something else there. */
  readonly problem: string | undefined;
  /**
   * Why texts of the job could not be opened: middleware sealed them, and this program does not have what opens them, or where they are
   * kept cannot be reached. They are undefined then, and an error is a SealError.
   */
  readonly sealed: string | undefined;
}

/** Reads stored progress; anything else than `[fraction, note]` is no progress. */
export function readProgress(text: string | null): Progress | undefined {
  if (text === null) return undefined;
  const value = decode(text);
  if (!Array.isArray(value) || typeof value[0] !== "number") return undefined;
  return { fraction: value[0], note: typeof value[1] === "string" ? value[1] : undefined };
}

function readTexts(job: Job): Pick<JobInfo, "args" | "result" | "progress" | "problem"> {
  const unread = { args: undefined, result: undefined, progress: undefined };
  try {
    const blanks = Array.from({ length: job.dependencies }, () => null);
    return {
      args: isSealed(job.args) ? undefined : (decode(job.args, blanks) as readonly unknown[]),
      result: job.result === null || isSealed(job.result) ? undefined : decode(job.result),
      progress: job.progress !== null && isSealed(job.progress) ? undefined : readProgress(job.progress),
      problem: undefined,
    };
  } catch (error) {
    return { ...unread, problem: (error as Error).message };
  }
}

/** Why a text of the job is not open, if there is one. */
function sealOf({ args, result, error, progress }: Job): string | undefined {
  const sealed = [args, result, error, progress].find((text) => text !== null && isSealed(text)) ?? undefined;
  return sealed && sealErrorOf(sealed).message;
}

/** The job decoded. Never throws for what a store may hold. */
export function jobInfo(job: Job): JobInfo {
  const {
    policy: _policy,
    crashLimit: _limit,
    keepMs: _keep,
    trace: _trace,
    fence: _fence,
    waits: _waits,
    gates: _gates,
    ...facts
  } = job;
  const task = { task: nameOf(job.task), requires: readRequires(requiresOf(job.task)) ?? null };
  return {
    ...facts,
    ...task,
    ...readTexts(job),
    sealed: sealOf(job),
    error: job.error === null ? undefined : decodeThrown(job.error),
  };
}
