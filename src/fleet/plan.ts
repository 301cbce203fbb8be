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
import { flatten, isGathering } from "../task/call.ts";
import { encode } from "../task/codec.ts";
import { keyOf } from "../task/key.ts";
import type { GraphOptions } from "../task/inherit.ts";
import { asDefined, inheriting } from "../task/inherit.ts";
import type { Policy, TaskOptions, Unique } from "../task/options.ts";
import type { Definition } from "../task/task.ts";
import { lineOf, nameOf } from "../task/requires.ts";
import { definitionOf } from "../task/task.ts";
import type { Alone } from "./alone.ts";
import { findAlone } from "./alone.ts";
import type { Callbacks } from "./callbacks.ts";
import { callbackId, callbackNodes } from "./callbacks.ts";
import { gatesOf } from "./gates.ts";
import type { Part } from "./policy.ts";
import { encodePolicy } from "./policy.ts";
import { readableArgs } from "./readable-args.ts";
import { shortKey } from "./short-key.ts";
import type { ThrottleTerms } from "./throttle.ts";
import { throttleRecord } from "./throttle.ts";

/** What a submit says beside its call. */
export interface PlanOptions extends GraphOptions, Callbacks {}

/** The rows of one submit, dependencies first, and what a conflict on the root's unique key means. */
export interface Plan {
  readonly jobs: readonly NewJob[];
  readonly root: NewJob;
  /** Its place among the jobs: those after it are what is to be done when it has ended. */
  readonly rootAt: number;
  readonly onConflict: NonNullable<Unique["onConflict"]>;
  readonly throttle: ThrottleTerms | undefined;
  /** Set when it asks the store by itself. */
  readonly alone: Alone | undefined;
  /** The job may turn out to be one that another submit made. */
  readonly isShared: boolean;
}

/** The id the plan's root really has. Throws DuplicateJobError where its unique key is taken and the task says to reject that. */
export function acknowledgedId({ root, onConflict }: Plan, { id, existing }: Added): string {
  if (existing === null || onConflict !== "reject") return existing ?? id;
  throw new DuplicateJobError(`Task "${nameOf(root.task)}" has a live job with the same unique key: ${existing}.`, existing);
}

/** Debounced jobs are unique until they start. No task has the name before their key. */
function debounceOf({ name, options }: Definition, args: readonly unknown[]): NewJob["unique"] {
  const key = options.debounce?.key;
  const text = key === undefined ? "" : keyOf(key, args, `debounce.key of task "${name}"`);
  return { key: `debounce of ${name}\n${text}`, until: "started" };
}

function uniqueOf(definition: Definition, args: readonly unknown[], encoded: string): NewJob["unique"] {
  if (definition.policy.debounce) return debounceOf(definition, args);
  const unique = definition.options.unique as Unique | undefined;
  if (!unique) return null;
  const key = typeof unique.key === "function" ? unique.key(...args) : (unique.key ?? encoded);
  if (typeof key !== "string") {
    throw new UsageError(`unique.key of task "${definition.name}" must give a text, found ${show(key)}.`);
  }
  return { key: shortKey(`${definition.name}\n${key}`), until: unique.until ?? "ended" };
}

/** What a key may read of the arguments. */
function readable({ name }: Definition, args: readonly unknown[], { dependsOn }: Node): readonly unknown[] {
  return readableArgs(args, dependsOn.length, `A key of task "${name}"`);
}

function throttleOf(root: Node): ThrottleTerms {
  const definition = definitionOf(root.call.task);
  const { name, options, policy } = definition;
  const key = options.throttle?.key;
  const text =
    key === undefined ? undefined : keyOf(key, readable(definition, root.args, root), `throttle.key of task "${name}"`);
  return { record: throttleRecord(name, text), perMs: policy.throttleMs };
}

function dueByOf({ debounce }: Policy, now: number): number | null | undefined {
  if (!debounce) return undefined;
  return debounce.maxWaitMs === undefined ? null : now + debounce.maxWaitMs;
}

function dueAt(policy: Policy, now: number): number | null {
  if (policy.at !== undefined) return policy.at > now ? policy.at : null;
  return policy.delayMs > 0 ? now + policy.delayMs : null;
}

/** What the rows of one submit have in common. */
interface Terms {
  readonly ids: readonly string[];
  readonly root: string;
  readonly now: number;
  readonly heirOf: (definition: Definition) => Definition;
}

function planNode(node: Node, id: string, place: Part, { ids, root, now, heirOf }: Terms): NewJob {
  const definition = heirOf(definitionOf(node.call.task));
  const { policy } = definition;
  const part: Part = { ...place, dueBy: dueByOf(policy, now) };
  // Arguments that wait for other calls are checked by the worker, when they are known.
  const args = node.dependsOn.length === 0 ? checkInput(definition, node.args) : node.args;
  const encoded = encode(args, "args");
  const { name } = definition.each ?? definition;
  return {
    id,
    task: lineOf(name, policy.requires),
    queue: policy.queue,
    priority: policy.priority,
    args: encoded,
    policy: encodePolicy(policy, definition.each ? { ...part, isChunk: true } : part),
    crashLimit: policy.crashes,
    dueAt: dueAt(policy, now),
    expiresAt: policy.expiresMs === undefined ? null : now + policy.expiresMs,
    keepMs: policy.keepMs,
    root,
    parent: currentContext()?.id ?? null,
    trace: null,
    dependsOn: node.dependsOn.map((position) => ids[position] as string),
    tolerates: node.tolerates.size === 0 ? [] : [...node.tolerates].map((position) => ids[position] as string),
    gates: policy.limits.length === 0 ? [] : gatesOf(definition, readable(definition, args, node)),
    unique: uniqueOf(definition, args, encoded),
    submittedAt: now,
  };
}

/** Groups are served by whoever serves their first member, and are as urgent. */
function withFirstMember(job: NewJob, node: Node, jobs: readonly NewJob[]): NewJob {
  const first = isGathering(node.call) ? jobs[node.dependsOn[0] ?? -1] : undefined;
  return first ? { ...job, queue: first.queue, priority: first.priority, keepMs: first.keepMs } : job;
}

/** By position: the first call that fails with this one. Only of calls that have dependencies, so that a wide graph stays small. */
function callsAbove(nodes: readonly Node[]): readonly (number | undefined)[] {
  const above: (number | undefined)[] = [];
  for (const [position, { dependsOn, tolerates }] of nodes.entries()) {
    for (const below of dependsOn) {
      if (above[below] === undefined && nodes[below]?.dependsOn.length && !tolerates.has(below)) above[below] = position;
    }
  }
  return above;
}

/** Lays out a call as rows, submitted at `now`. Throws UsageError or CodecError; nothing has been stored then. */
export function plan(call: Call<unknown>, runtime: Runtime, now: number, options: PlanOptions = {}): Plan {
  const nodes = flatten(call);
  const last = callbackNodes(options, nodes.length - 1);
  const alone = findAlone(
    nodes,
    last.map(({ node }) => node),
  );
  const ids = nodes.map(() => runtime.id());
  const root = ids[ids.length - 1] as string;
  const terms: Terms = { ids, root, now, heirOf: inheriting(options, "submit()") };
  const above = callsAbove(nodes);
  const jobs: NewJob[] = [];
  for (const [position, node] of nodes.entries()) {
    const needs = above[position];
    const part: Part = needs === undefined ? {} : { above: ids[needs] };
    jobs.push(withFirstMember(planNode(node, ids[position] as string, part, terms), node, jobs));
  }
  // What is done at the end is not part of the graph.
  const own = { ...terms, heirOf: asDefined };
  const callbacks = last.map(({ node, kind, part }) => planNode(node, callbackId(root, kind), part, own));
  const unique = (definitionOf(call.task).options as TaskOptions).unique;
  const job = jobs[jobs.length - 1] as NewJob;
  return {
    jobs: callbacks.length === 0 ? jobs : [...jobs, ...callbacks],
    root: job,
    rootAt: jobs.length - 1,
    onConflict: alone === "debounce" ? "replace" : (unique?.onConflict ?? "existing"),
    throttle: alone === "throttle" ? throttleOf(nodes[nodes.length - 1] as Node) : undefined,
    alone,
    isShared: job.unique !== null || alone !== undefined,
  };
}
