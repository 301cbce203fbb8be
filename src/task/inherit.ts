// What a submit says for a whole graph: it holds for every call whose task does not say its own.
import type { Duration } from "../core/durations.ts";
import { checkOptions } from "../core/suggest.ts";
import type { Policy } from "./options.ts";
import { checkLimit, checkPriority } from "./options.ts";
import type { Definition } from "./task.ts";

/** What goes down a graph of calls. */
export interface GraphOptions {
  /** The priority of every call whose task has none of its own. */
  readonly priority?: number;
  /** The deadline of every call whose task has none of its own; all count from this submit. */
  readonly deadline?: Duration;
}

/** Checks what is submitted with a call. Throws UsageError with "did you mean" for an unknown option. */
export function checkGraphOptions(given: unknown = {}, where: string = "submit()"): GraphOptions {
  checkOptions(given, ["priority", "deadline"], where);
  return given as GraphOptions;
}

/** Gives the definitions of a graph's tasks with what the submit says. Throws UsageError for what cannot be. */
export function inheriting({ priority, deadline }: GraphOptions, where: string): (definition: Definition) => Definition {
  if (priority === undefined && deadline === undefined) return asDefined;
  if (priority !== undefined) checkPriority(priority, `${where} priority`);
  const deadlineMs = checkLimit(deadline, `${where} deadline`);
  const made = new Map<Definition, Definition>();
  return (definition) => {
    let heir = made.get(definition);
    if (!heir) made.set(definition, (heir = { ...definition, policy: policyOf(definition, priority, deadlineMs) }));
    return heir;
  };
}

/** For calls that inherit nothing. */
export function asDefined(definition: Definition): Definition {
  return definition;
}

function policyOf({ options, policy }: Definition, priority: number | undefined, deadlineMs: number | undefined): Policy {
  const ownPriority = priority === undefined || options.priority !== undefined;
  const ownDeadline = deadlineMs === undefined || options.deadline !== undefined;
  return {
    ...policy,
    priority: ownPriority ? policy.priority : priority,
    deadlineMs: ownDeadline ? policy.deadlineMs : deadlineMs,
    expiresMs: ownDeadline ? policy.expiresMs : Math.min(deadlineMs, policy.expiresMs ?? Infinity),
  };
}
