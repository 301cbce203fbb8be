// The state machine of a job, in one place. Every store must give the trace this file gives; the memory store calls it,
// the others say the same in their own language and are compared with it by model-based tests.
//
//            add                 dependencies done            due
//   (new) ─────────► blocked ───────────────────► scheduled ─────────► ready ◄───────────── retry by hand
//     │                 │                             ▲  │                │ ▲                (from failed,
//     ├─────────────────┼─────────────────────────────┘  │ expires        │ │ crashed,        cancelled,
//     │   dependency    │ retry (later)                  ▼          claim │ │ released        expired)
//     │   did not end   │        ┌───────────────── expired               ▼ │
//     │   as done       └─► failed ◄──────────────────────────────────  running ─────► done
//     └─────────────────────►  ▲           failed, crashed too often      │
//                              └──────────────────────────────────────────┤
//                   cancel: from every live state ─► cancelled ◄──────────┘ once its worker has confirmed
//
// A retry that is already due goes to ready at once. What comes to ready passes its gates first, and is `blocked` while it stands before one;
// what was ready and ran and comes back (crashed, lost, released) has its places still.
//
//   running ── waiting ──► waiting ──► ready     suspended: until a time has come, a signal, or a cancellation that must be undone
//   running ◄─ suspend ──► waiting               its attempt goes on in its worker's memory, and waits there for a child
import type { FinalState, JobState } from "../task/state.ts";
import type { Job } from "./job.ts";

/** The state a job arrives in, or falls back to when its dependencies are done or it is retried. */
export function restingState(pending: number, dueAt: number | null, now: number): "blocked" | "scheduled" | "ready" {
  if (pending > 0) return "blocked";
  return dueAt !== null && dueAt > now ? "scheduled" : "ready";
}

/** Of scheduled jobs due later than this, in ms, whoever tends learns in time by himself: no store has longer pauses. */
export const dueSoonMs = 5000;

/** True for a job in the hands of its worker. */
export function isHeld({ state, worker }: Pick<Job, "state" | "worker">): boolean {
  return state === "running" || (state === "waiting" && worker !== null);
}

/** True when those who tend must be told of a scheduled job. */
export function isDueSoon(dueAt: number | null, now: number): boolean {
  return dueAt !== null && dueAt <= now + dueSoonMs;
}

/** What the machine needs to know of a running job. */
export interface RunningJob extends Pick<
  Job,
  "attempt" | "crashes" | "crashLimit" | "cancelAt" | "error" | "dueAt" | "expiresAt"
> {
  /** It has records under `undoPrefix`. Said only where `asksForUndo`. */
  readonly hasUndo: boolean;
}

/** How an attempt ended: as its worker says, or with the loss of the worker. */
export type AttemptEnd =
  | { readonly kind: "done"; readonly result: string }
  | { readonly kind: "failed" | "crashed"; readonly error: string }
  | { readonly kind: "retry"; readonly error: string; readonly dueAt: number }
  /** `signalled`: the job has more signals than its attempt has seen. */
  | { readonly kind: "waiting"; readonly dueAt: number | null; readonly signalled: boolean; readonly waits: string }
  | { readonly kind: "released" | "cancelled" | "lost" };

/** True when it matters for this end whether the job has something to undo. */
export function asksForUndo({ cancelAt, expiresAt }: Pick<RunningJob, "cancelAt" | "expiresAt">, { kind }: AttemptEnd): boolean {
  return cancelAt !== null || (kind === "released" && expiresAt !== null);
}

/** The state the end of an attempt leads to at `now`. */
export function stateAfter(job: RunningJob, end: AttemptEnd, now: number): AfterAttempt["state"] {
  if (end.kind === "done" || end.kind === "failed" || end.kind === "cancelled") return end.kind;
  if (isPoison(job, end.kind)) return job.cancelAt === null ? "failed" : "cancelled";
  if (job.cancelAt !== null) return job.hasUndo ? "ready" : "cancelled";
  if (end.kind === "retry") return end.dueAt > now ? "scheduled" : "ready";
  if (end.kind !== "waiting") return "ready";
  return end.signalled || (end.dueAt !== null && end.dueAt <= now) ? "ready" : "waiting";
}

function isPoison({ crashes, crashLimit }: RunningJob, kind: AttemptEnd["kind"]): boolean {
  return (kind === "crashed" || kind === "lost") && crashes + 1 > crashLimit;
}

/** True when a job is made ready by this end of its attempt so as to undo what it did: it gets the signal `cancelSignal`. */
export function isToUndo({ cancelAt }: Pick<RunningJob, "cancelAt">, after: Pick<AfterAttempt, "state">): boolean {
  return cancelAt !== null && after.state === "ready";
}

/** What the end of an attempt changes in a job. */
export interface AfterAttempt {
  readonly state: FinalState | "ready" | "scheduled" | "waiting";
  readonly attempt: number;
  readonly crashes: number;
  readonly dueAt: number | null;
  readonly expiresAt: number | null;
  readonly waits: string | null;
  readonly result: string | null;
  readonly error: string | null;
}

/**
 * The job after this end of its attempt. A released or suspended attempt is not counted. What was suspended was started and does not
 * expire any more; nor does what was given back and has something to undo. A lost attempt leaves no error, since nobody saw it.
 */
export function afterAttempt(job: RunningJob, end: AttemptEnd, now: number): AfterAttempt {
  const crashed = end.kind === "crashed" || end.kind === "lost";
  let { error } = job;
  if (end.kind === "lost") error = null;
  else if ("error" in end) error = end.error;
  const state = stateAfter(job, end, now);
  const wasStarted = end.kind === "waiting" || (end.kind === "released" && job.hasUndo);
  return {
    state,
    attempt: end.kind === "released" || end.kind === "waiting" ? job.attempt - 1 : job.attempt,
    crashes: crashed ? job.crashes + 1 : job.crashes,
    dueAt: end.kind === "retry" || end.kind === "waiting" ? end.dueAt : job.dueAt,
    expiresAt: wasStarted ? null : job.expiresAt,
    waits: end.kind === "waiting" && state === "waiting" ? end.waits : null,
    result: end.kind === "done" ? end.result : null,
    error,
  };
}

/** True when a job that was ready and ran, and is ready again after this end, has the places at its gates still. */
export function keepsPlaces(kind: AttemptEnd["kind"]): boolean {
  return kind === "crashed" || kind === "lost" || kind === "released";
}

/** True for a job whose next crash is one too many. It has been with workers that died, through its own fault or another's. */
export function isSuspect({ crashes, crashLimit }: Pick<Job, "crashes" | "crashLimit">): boolean {
  return crashes > 0 && crashes >= crashLimit;
}

/** True when the end of an attempt is what its worker said, so that whoever said it need not be told. */
export function asReported(kind: AttemptEnd["kind"], state: JobState): boolean {
  return kind === state;
}

/**
 * True when a job that waits may not be started any more. Expiry is about the first start: a job of which an attempt was
 * started, and not given back, is run to its end however late its retries are.
 */
export function isLate(job: Pick<Job, "attempt" | "expiresAt">, now: number): boolean {
  return job.attempt === 0 && job.expiresAt !== null && job.expiresAt <= now;
}

/** For how long an ended job that a live job still needs is passed over when it is due to be pruned. */
export function reprieveMs(keepMs: number): number {
  return Math.max(keepMs, 60_000);
}

/** States from which a job can still be claimed some day; in these a cancellation takes effect at once and expiry applies. */
export const waitingStates: readonly JobState[] = ["blocked", "scheduled", "ready", "waiting"];

/** States a retry by hand starts from. */
export const retryableStates: readonly JobState[] = ["failed", "cancelled", "expired"];

export { cancelSignal, signalPrefix, undoPrefix } from "../task/job-records.ts";

/** The record of the last retry of a job by hand: when that was, in ms since 1970. */
export const retriedRecord = "retried";

/** True when a record is kept of an attempt that ended so, where its job did not end with it. */
export function isRecorded(kind: AttemptEnd["kind"]): kind is PastAttempt[0] {
  return kind === "retry" || kind === "crashed" || kind === "lost";
}

/** The record of an attempt that ended without ending the job. The number is that of its claim. */
export function attemptRecord(fence: number): string {
  return `attempt/${String(fence).padStart(10, "0")}`;
}

/** How many such records a job keeps: the latest. */
export const attemptsKept = 100;

/** How an attempt ended that did not end the job: JSON of these, the error encoded as in the job. */
export type PastAttempt = readonly [
  kind: "retry" | "crashed" | "lost",
  worker: string,
  startedAt: number,
  endedAt: number,
  error: string | null,
];

/** A gate that is a token bucket is looked at no more often than this, in ms: what it gets in between passes together. */
export const gateMs = 20;
