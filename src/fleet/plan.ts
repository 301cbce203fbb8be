// From a graph of calls to rows: each call becomes one job with an id of its own, dependencies named by id. Everything that
// can be wrong with a submit (a schema, a value that cannot be sent, no importable module) is found here, before anything is stored.
import type { Runtime } from "../core/runtime.ts";
import { DuplicateJobError, UsageError } from "../core/errors.ts";
import { checkInput } from "../pool/input.ts";
import { show } from "../core/show.ts";
import type { NewJob } from "../store/job.ts";
import type { Added } from "../store/store.ts";
import { currentContext } from "../task/context.ts";
import type { Call, Node } from "../task/call.ts";
import { flatten } from "../task/call.ts";
import { encode } from "../task/codec.ts";
import type { Policy, TaskOptions, Unique } from "../task/options.ts";
import type { Definition } from "../task/task.ts";
import { lineOf, nameOf } from "../task/requires.ts";
import { definitionOf } from "../task/task.ts";
import { encodePolicy } from "./policy.ts";

/** The rows of one submit, root last, and what a conflict on the root's unique key means. */
export interface Plan {
  readonly jobs: readonly NewJob[];
  readonly root: NewJob;
  readonly onConflict: "existing" | "reject";
}

/** The id the plan's root really has. Throws DuplicateJobError where its unique key is taken and the task says to reject that. */
export function acknowledgedId({ root, onConflict }: Plan, { id, existing }: Added): string {
  if (existing === null || onConflict === "existing") return existing ?? id;
  throw new DuplicateJobError(`Task "${nameOf(root.task)}" has a live job with the same unique key: ${existing}.`, existing);
}

function uniqueOf(definition: Definition, args: readonly unknown[], encoded: string): NewJob["unique"] {
  const unique = definition.options.unique as Unique | undefined;
  if (!unique) return null;
  const key = typeof unique.key === "function" ? unique.key(...args) : (unique.key ?? encoded);
  if (typeof key !== "string") {
    throw new UsageError(`unique.key of task "${definition.name}" must give a text, found ${show(key)}.`);
  }
  return { key: `${definition.name}\n${key}`, until: unique.until ?? "ended" };
}

function dueAt(policy: Policy, now: number): number | null {
  if (policy.at !== undefined) return policy.at > now ? policy.at : null;
  return policy.delayMs > 0 ? now + policy.delayMs : null;
}

function planNode(node: Node, ids: readonly string[], id: string, root: string, now: number): NewJob {
  const definition = definitionOf(node.call.task);
  const { policy } = definition;
  // Arguments that wait for other calls are checked by the worker, when they are known.
  const args = node.dependsOn.length === 0 ? checkInput(definition, node.args) : node.args;
  const encoded = encode(args, "args");
  return {
    id,
    task: lineOf(definition.name, policy.requires),
    queue: policy.queue,
    priority: policy.priority,
    args: encoded,
    policy: encodePolicy(policy),
    crashLimit: policy.crashes,
    dueAt: dueAt(policy, now),
    expiresAt: policy.expiresMs === undefined ? null : now + policy.expiresMs,
    keepMs: policy.keepMs,
    root,
    parent: currentContext()?.id ?? null,
    trace: null,
    dependsOn: node.dependsOn.map((position) => ids[position] as string),
    tolerates: [],
    gates: [],
    unique: uniqueOf(definition, args, encoded),
    submittedAt: now,
  };
}

/** Lays out a call as rows, submitted at `now`. Throws UsageError or CodecError; nothing has been stored then. */
export function plan(call: Call<unknown>, runtime: Runtime, now: number): Plan {
  const nodes = flatten(call);
  const ids = nodes.map(() => runtime.id());
  const root = ids[ids.length - 1] as string;
  const jobs = nodes.map((node, index) => planNode(node, ids, ids[index] as string, root, now));
  const unique = (definitionOf(call.task).options as TaskOptions).unique;
  return { jobs, root: jobs[jobs.length - 1] as NewJob, onConflict: unique?.onConflict ?? "existing" };
}
