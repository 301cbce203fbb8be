// A call is a task with its arguments, not yet run. Arguments may hold further calls, so calls nest into a graph;
// `flatten` lays the graph out once, in an order in which every call comes after those it depends on.
// It walks with a stack of its own: a graph may be deeper than the call stack.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import type { How } from "./gather.ts";
import { Gather, gathered, isTolerant } from "./gather.ts";
import type { AnyTask, Task } from "./task.ts";
import { isTask } from "./task.ts";

const brand = Symbol.for("manyhands.call");

/** A task with its arguments, not yet run. Made by {@link call}; nothing runs until it is submitted. */
export interface Call<Result, Part = unknown> {
  readonly task: AnyTask;
  readonly args: readonly unknown[];
  /** Carries the result's type; never set. */
  readonly "~result"?: Result;
  /** Carries the type of what it yields; never set. */
  readonly "~part"?: Part;
  /** Set for a group: its one argument is the list of its members, and this says how their results become its own. */
  readonly "~how"?: How;
}

class Made implements Call<unknown> {
  readonly task: AnyTask;
  readonly args: readonly unknown[];

  readonly "~how"?: How;

  constructor(task: AnyTask, args: readonly unknown[], how?: How) {
    this.task = task;
    this.args = args;
    if (how !== undefined) this["~how"] = how;
  }
}

void Object.defineProperty(Made.prototype, brand, { value: true });

type Leaf =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | symbol
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | SharedArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ((...args: never[]) => unknown);

/** A value of type `T`, or a call that gives one, at any depth of arrays and plain objects. */
export type Arg<T> = T | Call<T> | (T extends Leaf ? never : T extends object ? { readonly [K in keyof T]: Arg<T[K]> } : never);

/** The arguments of a task, each of which may be, or hold, calls. */
export type CallArgs<Args extends readonly unknown[]> = { readonly [K in keyof Args]: Arg<Args[K]> };

/**
 * A task with its arguments, not yet run. An argument may itself be a call of the parameter's type.
 * Throws {@link UsageError} when `task` was not made by `task()`.
 *
 * @example
 * const all = (paths: string[]) => call(total, paths.map((path) => call(countWords, path)));
 */
export function call<Args extends readonly unknown[], Result, Part>(
  task: Task<Args, Result, AsyncGenerator<Part, Result, unknown>>,
  ...args: CallArgs<Args>
): Call<Result, Part>;
export function call<Args extends readonly unknown[], Result>(
  task: Task<Args, Result>,
  ...args: CallArgs<Args>
): Call<Result, never>;
export function call(task: AnyTask, ...args: readonly unknown[]): Call<unknown> {
  if (!isTask(task)) throw new UsageError(`call() takes a task, found ${show(task)}. Define it with task("name", fn).`);
  return new Made(task, args);
}

/** A call that gives the list of its members' results. As an argument it is no job of its own; else `task` makes it one. */
export function gatheringCall(task: AnyTask, members: readonly Call<unknown>[], how: How): Call<unknown[]> {
  return new Made(task, [members], how);
}

/** True for a call made by {@link gatheringCall}. */
export function isGathering(call: Call<unknown>): boolean {
  return call["~how"] !== undefined;
}

/** True for a value made by {@link call}, also by another copy of manyhands. */
export function isCall(value: unknown): value is Call<unknown> {
  return typeof value === "object" && value !== null && brand in value;
}

/** The place of a dependency's result within a call's arguments. */
export class Hole {
  /** Index into the node's `dependsOn`. */
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** One call of a flattened graph. */
export interface Node {
  readonly call: Call<unknown>;
  /** The call's arguments; every nested call is replaced by a {@link Hole}, a group by a {@link Gather}. The very array of the call when there are none. */
  readonly args: readonly unknown[];
  /** Positions, in the flattened graph, of the calls this one waits for; each named once. */
  readonly dependsOn: readonly number[];
  /** Those of `dependsOn` that need not succeed. */
  readonly tolerates: ReadonlySet<number>;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** True for what certainly holds no call: primitives, and plain objects of primitives. Most arguments are. */
function isSimple(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (isCall(value) || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "object" && item !== null) return false;
  }
  return true;
}

/** Calls found directly inside `value`, not inside other calls. Stops at values that cannot hold calls. */
function callsIn(value: unknown): Call<unknown>[] {
  const found: Call<unknown>[] = [];
  const seen = new Set<unknown>();
  const stack: unknown[] = [value];
  while (stack.length > 0) {
    const next = stack.pop();
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    if (isCall(next)) {
      found.push(next);
      continue;
    }
    if (!Array.isArray(next) && !isPlain(next)) continue;
    seen.add(next);
    // Not by index: an array may be long and nearly empty.
    const children = Object.values(next);
    for (let i = children.length - 1; i >= 0; i--) stack.push(children[i]);
  }
  return found;
}

/**
 * A copy of `root` in which `replace` has replaced what it gives something for; its parts are copied, the rest is shared. It keeps
 * a list of what is still to copy instead of recursing: values may be nested deeper than the call stack.
 */
function substitute(root: unknown, replace: (value: object) => { readonly by: unknown } | undefined): unknown {
  const copies = new Map<object, object>();
  const open: object[] = [];
  const copyOf = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    const replaced = replace(value);
    if (replaced) return replaced.by;
    if (!Array.isArray(value) && !isPlain(value)) return value;
    let copy = copies.get(value);
    if (!copy) {
      copy = Array.isArray(value) ? Array.from({ length: value.length }) : {};
      copies.set(value, copy);
      open.push(value);
    }
    return copy;
  };
  const result = copyOf(root);
  for (let source = open.pop(); source; source = open.pop()) {
    const copy = copies.get(source) as object;
    if (Array.isArray(source) && Array.isArray(copy)) for (let i = 0; i < source.length; i++) copy[i] = copyOf(source[i]);
    else for (const [key, item] of Object.entries(source)) define(copy, key, copyOf(item));
  }
  return result;
}

/** Sets an own property, also one named `__proto__`. */
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}

const nothing: ReadonlySet<number> = new Set();

/** The calls that one with these in its arguments waits for: a group among them stands for its members. */
function membersOf(call: Call<unknown>): readonly Call<unknown>[] {
  return isGathering(call) ? (call.args[0] as readonly Call<unknown>[]) : [call];
}

/** Lays out one call, after all it waits for. */
class Layout {
  readonly #call: Call<unknown>;
  readonly #position: ReadonlyMap<Call<unknown>, number>;
  readonly #dependsOn: number[] = [];
  readonly #holes = new Map<Call<unknown>, Hole>();
  readonly #needed = new Set<number>();
  readonly #tolerated = new Set<number>();

  constructor(call: Call<unknown>, position: ReadonlyMap<Call<unknown>, number>) {
    this.#call = call;
    this.#position = position;
  }

  node(): Node {
    const call = this.#call;
    const args = isGathering(call)
      ? [this.#list(call)]
      : substitute(call.args, (value) => (isCall(value) ? { by: this.#placeOf(value) } : undefined));
    // What is needed in one place cannot fail in another.
    if (this.#tolerated.size > 0) for (const at of this.#needed) this.#tolerated.delete(at);
    return { call, args: args as readonly unknown[], dependsOn: this.#dependsOn, tolerates: this.#tolerated };
  }

  #placeOf(found: Call<unknown>): unknown {
    return isGathering(found) ? this.#list(found) : this.#hole(found, this.#needed);
  }

  #list(group: Call<unknown>): unknown {
    const how = group["~how"] as How;
    const members = membersOf(group);
    if (members.length === 0) return [];
    const kind = isTolerant(how) ? this.#tolerated : this.#needed;
    return new Gather(
      how,
      members.map((member) => this.#hole(member, kind).index),
    );
  }

  #hole(found: Call<unknown>, kind: Set<number>): Hole {
    const at = this.#position.get(found);
    if (at === undefined)
      throw new UsageError(`A call of task "${found.task.name}" depends on itself: its arguments hold the call that holds it.`);
    kind.add(at);
    let hole = this.#holes.get(found);
    if (!hole) {
      hole = new Hole(this.#dependsOn.length);
      this.#holes.set(found, hole);
      this.#dependsOn.push(at);
    }
    return hole;
  }
}

function leaf(call: Call<unknown>): Node {
  return { call, args: call.args, dependsOn: [], tolerates: nothing };
}

/**
 * The calls of the graph below `root`, each once, dependencies first, `root` last.
 * A call object used twice is one node: it runs once.
 */
export function flatten(root: Call<unknown>): Node[] {
  if (root.args.every(isSimple)) return [leaf(root)];
  const nodes: Node[] = [];
  const position = new Map<Call<unknown>, number>();
  const opened = new Map<Call<unknown>, Call<unknown>[]>();
  const stack: Call<unknown>[] = [root];
  while (stack.length > 0) {
    const top = stack[stack.length - 1] as Call<unknown>;
    if (position.has(top)) {
      stack.pop();
      continue;
    }
    const nested = opened.get(top);
    if (nested) {
      stack.pop();
      // Only then has it a position: a call may be held by its own arguments.
      const node = nested.length > 0 ? new Layout(top, position).node() : leaf(top);
      position.set(top, nodes.length);
      nodes.push(node);
      continue;
    }
    const found = isGathering(top) ? [top] : callsIn(top.args);
    opened.set(top, found);
    const below = found.flatMap(membersOf);
    for (let i = below.length - 1; i >= 0; i--) stack.push(below[i] as Call<unknown>);
  }
  return nodes;
}

/** The arguments with every {@link Hole} and {@link Gather} replaced by the results they stand for. */
export function fill(args: readonly unknown[], results: readonly unknown[]): readonly unknown[] {
  return substitute(args, (value) => {
    if (value instanceof Hole) return { by: results[value.index] };
    return value instanceof Gather ? { by: gathered(value, results) } : undefined;
  }) as readonly unknown[];
}
