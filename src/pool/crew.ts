// What differs from one kind of pool to another.
import type { Noun } from "./endings.ts";
import type { OpenLink } from "./link.ts";
import type { Crossing } from "./payload.ts";

/** What kind of pool this is. */
export interface Crew {
  readonly noun: Noun;
  readonly crossing: Crossing;
  /** True when workers import a task's module; false when the task's function is at hand. */
  readonly imports: boolean;
  readonly size: number;
  open(idPrefix: string): OpenLink;
  /** What a task is that did not stop within the grace period: killed with its worker, or abandoned. */
  readonly overdue: "killed" | "abandoned";
}
