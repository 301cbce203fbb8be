// The states of a job: the same strings in code, stores, command line and dashboard.

/** States in which a job may still change: see `store/machine.ts` for the diagram. */
export type LiveState = "blocked" | "scheduled" | "ready" | "running" | "waiting";

/** States in which a job has ended. */
export type FinalState = "done" | "failed" | "cancelled" | "expired";

/** The state of a job or of a future. */
export type JobState = LiveState | FinalState;

export const finalStates: readonly FinalState[] = ["done", "failed", "cancelled", "expired"];
export const liveStates: readonly LiveState[] = ["blocked", "scheduled", "ready", "running", "waiting"];
export const jobStates: readonly JobState[] = [...liveStates, ...finalStates];

/** True for a state that a job does not leave by itself. */
export function isFinal(state: JobState): state is FinalState {
  return (finalStates as readonly JobState[]).includes(state);
}
