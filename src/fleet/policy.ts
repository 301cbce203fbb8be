// The part of a task's policy that travels with its job, so that options given at submit hold on every worker. Only what
// differs from the defaults is stored, as readable JSON; most jobs store null. `retryIf` is code and stays with the worker.
// With it travel a few facts about the job's place in its graph.
import { decode } from "../task/codec.ts";
import type { Policy } from "../task/options.ts";
import { defaultBackoff } from "../task/options.ts";

/** What a job is in its graph, beyond a call of its task. */
export interface Part {
  /** It runs its task over each of the inputs in its one argument. */
  readonly isChunk?: boolean;
  /** It runs only if what it depends on has not ended as done. */
  readonly onFailed?: boolean;
  /** The id of the first job that needs it; only of one that has dependencies itself. */
  readonly above?: string | undefined;
  /** It is debounced, and due by then whatever is submitted; null: put off without end. */
  readonly dueBy?: number | null | undefined;
}

/** How a worker makes the attempts of one job. */
export interface AttemptPolicy extends Part {
  readonly retries: number;
  readonly backoff: Policy["backoff"];
  readonly timeoutMs: number | undefined;
  readonly deadlineMs: number | undefined;
}

const defaults: AttemptPolicy = { retries: 0, backoff: defaultBackoff, timeoutMs: undefined, deadlineMs: undefined };

/** The stored form of a policy, or null when it is the default one. */
export function encodePolicy(policy: Policy, part: Part = {}): string | null {
  const differing: Record<string, unknown> = {};
  if (policy.retries !== 0) differing["retries"] = policy.retries;
  if (policy.backoff !== defaultBackoff) differing["backoff"] = policy.backoff;
  if (policy.timeoutMs !== undefined) differing["timeoutMs"] = policy.timeoutMs;
  if (policy.deadlineMs !== undefined) differing["deadlineMs"] = policy.deadlineMs;
  if (part.isChunk) differing["isChunk"] = true;
  if (part.onFailed) differing["onFailed"] = true;
  if (part.above !== undefined) differing["above"] = part.above;
  if (part.dueBy !== undefined) differing["dueBy"] = part.dueBy;
  for (const _ in differing) return JSON.stringify(differing);
  return null;
}

function positive(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : otherwise;
}

function readLimit(value: unknown): number | undefined {
  return typeof value === "number" ? positive(value, 0) : undefined;
}

function readBackoff(value: unknown): Policy["backoff"] {
  if (typeof value !== "object" || value === null) return defaultBackoff;
  const given = value as Record<string, unknown>;
  return {
    initialMs: positive(given["initialMs"], defaultBackoff.initialMs),
    factor: positive(given["factor"], defaultBackoff.factor),
    maxMs: positive(given["maxMs"], defaultBackoff.maxMs),
    jitter: Math.min(1, positive(given["jitter"], defaultBackoff.jitter)),
  };
}

function readable(text: string): unknown {
  try {
    return decode(text);
  } catch {
    // Damaged or foreign: the defaults must do.
    return undefined;
  }
}

/** Reads a stored policy; fields that make no sense fall back to the defaults, since another program may have written them. */
export function decodePolicy(text: string | null): AttemptPolicy {
  if (text === null) return defaults;
  const value = readable(text);
  if (typeof value !== "object" || value === null) return defaults;
  const given = value as Record<string, unknown>;
  return {
    retries: positive(given["retries"], 0),
    backoff: readBackoff(given["backoff"]),
    timeoutMs: readLimit(given["timeoutMs"]),
    deadlineMs: readLimit(given["deadlineMs"]),
    isChunk: given["isChunk"] === true,
    onFailed: given["onFailed"] === true,
    above: typeof given["above"] === "string" ? given["above"] : undefined,
    dueBy: given["dueBy"] === null || typeof given["dueBy"] === "number" ? given["dueBy"] : undefined,
  };
}

/** The same policy of a debounced job, due by another time. */
export function withDueBy(text: string | null, dueBy: number): string {
  return JSON.stringify({ ...(text !== null && (JSON.parse(text) as object)), dueBy });
}

/** The same policy, with the new name of the job above. */
export function renameAbove(text: string | null, names: ReadonlyMap<string, string>): string | null {
  const { above = "" } = decodePolicy(text);
  const name = names.get(above);
  return name === undefined || text === null ? text : text.replace(JSON.stringify(above), JSON.stringify(name));
}
