// A call is a task with its arguments, not yet run. Arguments may hold further calls, so calls nest into a graph;
// `flatten` lays the graph out once, in an order in which every call comes after those it depends on.
// It walks with a stack of its own: a graph may be deeper than the call stack.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
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
}

class Made implements Call<unknown> {
  readonly task: AnyTask;
  readonly args: readonly unknown[];

  constructor(task: AnyTask, args: readonly unknown[]) {
    this.task = task;
    this.args = args;
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
  /** The call's arguments; every nested call is replaced by a {@link Hole}. The very array of the call when there are none. */
  readonly args: readonly unknown[];
  /** Positions, in the flattened graph, of the calls this one waits for; each named once. */
  readonly dependsOn: readonly number[];
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

function makeNode(call: Call<unknown>, position: ReadonlyMap<Call<unknown>, number>, hasCalls: boolean): Node {
  if (!hasCalls) return { call, args: call.args, dependsOn: [] };
  const dependsOn: number[] = [];
  const holes = new Map<Call<unknown>, Hole>();
  const hole = (found: Call<unknown>): Hole => {
    let made = holes.get(found);
    if (!made) {
      made = new Hole(dependsOn.length);
      holes.set(found, made);
      const at = position.get(found);
      if (at === undefined)
        throw new UsageError(`A call of task "${found.task.name}" depends on itself: its arguments hold the call that holds it.`);
      dependsOn.push(at);
    }
    return made;
  };
  const args = substitute(call.args, (value) => (isCall(value) ? { by: hole(value) } : undefined)) as readonly unknown[];
  return { call, args, dependsOn };
}

/**
 * The calls of the graph below `root`, each once, dependencies first, `root` last.
 * A call object used twice is one node: it runs once.
 */
export function flatten(root: Call<unknown>): Node[] {
  if (root.args.every(isSimple)) return [{ call: root, args: root.args, dependsOn: [] }];
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
      const node = makeNode(top, position, nested.length > 0);
      position.set(top, nodes.length);
      nodes.push(node);
      continue;
    }
    const found = callsIn(top.args);
    opened.set(top, found);
    for (let i = found.length - 1; i >= 0; i--) stack.push(found[i] as Call<unknown>);
  }
  return nodes;
}

/** The arguments with every {@link Hole} replaced by the result it stands for. */
export function fill(args: readonly unknown[], results: readonly unknown[]): readonly unknown[] {
  return substitute(args, (value) => (value instanceof Hole ? { by: results[value.index] } : undefined)) as readonly unknown[];
}
