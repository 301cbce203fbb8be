// Where a job that nobody holds comes to rest, and who is to be told of it.
import { isDueSoon } from "../machine.ts";
import type { Effects } from "./commits.ts";

/** A state in which a job waits. */
export type RestingState = "blocked" | "scheduled" | "ready" | "waiting";

/** Notes that a job rests in this state from now on. */
export function rest(effects: Effects, state: RestingState, dueAt: number | null, now: number): void {
  if (state === "ready") effects.ready = true;
  else if (state !== "blocked") effects.scheduled ||= isDueSoon(dueAt, now);
}
