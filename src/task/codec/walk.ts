// One walk over any value, without recursion, so that depth costs memory and never the stack. It goes depth first, in the
// order of structured clone, meets every object once, and knows at each moment the path it took, which is what a refusal
// names. What cannot be sent is thrown as a CodecError, or, for thrown errors, replaced by that CodecError.
import { CodecError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import type { Kind, Refusal } from "./kinds.ts";
import { maxDepth } from "./depth.ts";
import { isShared, kindOf, refuseLeaf, refuseShared, symbolKeyOf } from "./kinds.ts";

/** An object whose children are being visited. */
export interface Frame {
  readonly value: object;
  readonly kind: Kind;
  /** The number of the object: the order in which the walk met it. */
  readonly id: number;
  /** The properties to read; undefined where `items` lists the children. */
  readonly keys: readonly string[] | undefined;
  readonly items: readonly unknown[];
  readonly size: number;
  /** So many of the first keys are not enumerable: `cause` and `errors` of an error. */
  readonly hidden: number;
  /** The child that is visited next; the current one is `next - 1`. */
  next: number;
}

/** What is done with what the walk meets. `at` is the object that holds it, undefined for the root. */
export interface Visitor {
  /** A primitive, or a Hole, which stands for a value that is not known yet. */
  leaf(value: unknown, at: Frame | undefined): void;
  /** The object numbered `id` was met again. */
  again(id: number, at: Frame | undefined): void;
  /** An object is met for the first time, `depth` objects inside others. Returns why it will not have it, if so. */
  enter(value: object, kind: Kind, at: Frame | undefined, opened: Frame | undefined, depth: number): Refusal | undefined;
}

/** How a walk treats what cannot be sent. */
export interface WalkOptions {
  /** Name of the root in paths: `args`, `result`. */
  readonly where: string;
  /** Shared memory is a value like others. Default false: refused. */
  readonly allowShared?: boolean;
  /** Put the CodecError in the place of what cannot be sent, instead of throwing it. */
  readonly replace?: boolean;
}

const texts: ReadonlySet<string> = new Set(["name", "message", "stack"]);

/** The children of an error: `cause` and `errors` where they are its own, then its enumerable properties but the texts. */
function openError(value: object, id: number): Frame {
  const shown = Object.keys(value);
  const hidden = ["cause", "errors"].filter((key) => Object.hasOwn(value, key) && !shown.includes(key));
  const keys = [...hidden, ...shown.filter((key) => !texts.has(key))];
  return { value, kind: "error", id, keys, items: [], size: keys.length, hidden: hidden.length, next: 0 };
}

function isDense(array: readonly unknown[], keys: readonly string[]): boolean {
  return keys.length === array.length && (keys.length === 0 || keys[keys.length - 1] === String(array.length - 1));
}

function pairsOf(map: Map<unknown, unknown>): unknown[] {
  const pairs: unknown[] = [];
  Map.prototype.forEach.call(map, (item, key) => void pairs.push(key, item));
  return pairs;
}

function membersOf(set: Set<unknown>): unknown[] {
  const members: unknown[] = [];
  Set.prototype.forEach.call(set, (member) => void members.push(member));
  return members;
}

function keyed(value: object, kind: Kind, id: number, keys: readonly string[]): Frame {
  return { value, kind, id, keys, items: [], size: keys.length, hidden: 0, next: 0 };
}

function listed(value: object, kind: Kind, id: number, items: readonly unknown[]): Frame {
  return { value, kind, id, keys: undefined, items, size: items.length, hidden: 0, next: 0 };
}

function open(value: object, kind: Kind, id: number): Frame | undefined {
  switch (kind) {
    case "object":
      return keyed(value, kind, id, Object.keys(value));
    case "array": {
      const keys = Object.keys(value);
      return isDense(value as unknown[], keys) ? listed(value, kind, id, value as unknown[]) : keyed(value, kind, id, keys);
    }
    case "error":
      return openError(value, id);
    case "map":
      return listed(value, kind, id, pairsOf(value as Map<unknown, unknown>));
    case "set":
      return listed(value, kind, id, membersOf(value as Set<unknown>));
    default:
      return undefined;
  }
}

function childOf(frame: Frame, index: number): unknown {
  if (frame.keys === undefined) return frame.items[index];
  return (frame.value as Record<string, unknown>)[frame.keys[index] as string];
}

/** `.name`, `["a name"]` or `[3]`, as it would be written after the path of the object that holds it. */
export function propertyPath(key: string): string {
  if (/^(?:0|[1-9]\d*)$/.test(key)) return `[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]{0,79}$/u.test(key) ? `.${key}` : `[${show(key)}]`;
}

function segmentOf(frame: Frame): string {
  const index = frame.next - 1;
  if (index < 0) return "";
  if (frame.keys !== undefined) return propertyPath(frame.keys[index] as string);
  if (frame.kind === "array") return `[${index}]`;
  if (frame.kind === "set") return `.values()[${index}]`;
  const place = Math.floor(index / 2);
  if (index % 2 === 0) return `.keys()[${place}]`;
  const key = frame.items[index - 1];
  return typeof key === "object" || typeof key === "symbol" ? `.get(key ${place})` : `.get(${show(key)})`;
}

/** The path of the child that `stack` is at; the middle of a very long one is left out. */
function pathOf(where: string, stack: readonly Frame[]): string {
  if (stack.length <= 60) return where + stack.map(segmentOf).join("");
  const left = stack.length - 50;
  return `${where}${stack.slice(0, 30).map(segmentOf).join("")} ...${left} more... ${stack.slice(-20).map(segmentOf).join("")}`;
}

class Walk {
  readonly #visitor: Visitor;
  readonly #options: WalkOptions;
  readonly #ids = new Map<object, number>();
  readonly #stack: Frame[] = [];

  constructor(visitor: Visitor, options: WalkOptions) {
    this.#visitor = visitor;
    this.#options = options;
  }

  run(root: unknown): void {
    this.#visit(root, undefined);
    for (;;) {
      const top = this.#stack[this.#stack.length - 1];
      if (top === undefined) return;
      if (top.next >= top.size) this.#stack.pop();
      else this.#visitChild(top);
    }
  }

  #visitChild(frame: Frame): void {
    const index = frame.next++;
    let child: unknown;
    try {
      child = childOf(frame, index);
    } catch (error) {
      return this.#refuse({ reason: unreadable(error) }, frame, error);
    }
    this.#visit(child, frame);
  }

  #visit(value: unknown, at: Frame | undefined): void {
    if (typeof value === "object" && value !== null) {
      const id = this.#ids.get(value);
      if (id === undefined) this.#meet(value, at);
      else this.#visitor.again(id, at);
    } else if (typeof value === "function" || typeof value === "symbol") this.#refuse(leafRefusal(value), at);
    else this.#visitor.leaf(value, at);
  }

  #meet(value: object, at: Frame | undefined): void {
    let refusal: Refusal | undefined;
    try {
      refusal = this.#enter(value, at);
    } catch (error) {
      // The visitor's own refusal is of the whole value, for its size.
      if (error instanceof CodecError) throw error;
      return this.#refuse({ reason: unreadable(error) }, at, error);
    }
    if (refusal !== undefined) this.#refuse(refusal, at);
  }

  #enter(value: object, at: Frame | undefined): Refusal | undefined {
    const kind = this.#kindOf(value);
    if (typeof kind === "object") return kind;
    if (kind === "hole") {
      this.#visitor.leaf(value, at);
      return undefined;
    }
    if (this.#stack.length >= maxDepth) return tooDeep;
    const opened = open(value, kind, this.#ids.size);
    const refusal = this.#visitor.enter(value, kind, at, opened, this.#stack.length);
    if (refusal !== undefined) return refusal;
    this.#ids.set(value, this.#ids.size);
    if (opened !== undefined) this.#stack.push(opened);
    return undefined;
  }

  #kindOf(value: object): Kind | Refusal {
    const kind = kindOf(value);
    if (typeof kind === "object") return kind;
    if (isShared(value, kind) && !this.#options.allowShared) return refuseShared(kind);
    if (kind !== "object" && kind !== "array") return kind;
    const symbol = symbolKeyOf(value);
    return symbol === undefined ? kind : { reason: `has the symbol key ${String(symbol)}: use string keys.` };
  }

  #refuse({ reason }: Refusal, at: Frame | undefined, cause?: unknown): void {
    const path = pathOf(this.#options.where, this.#stack);
    const error = new CodecError(`${path} ${reason}`, path, cause === undefined ? undefined : { cause });
    if (!this.#options.replace) throw error;
    // It takes the place of what it refuses, with nothing left in it that could be refused in turn.
    delete error.cause;
    delete error.stack;
    const opened = open(error, "error", this.#ids.size);
    this.#visitor.enter(error, "error", at, opened, this.#stack.length);
    this.#ids.set(error, this.#ids.size);
    if (opened !== undefined) this.#stack.push(opened);
  }
}

const tooDeep: Refusal = { reason: `is nested more than ${maxDepth} deep. Send a flatter value, such as a list.` };

/** Even to ask a Proxy of a function for its name may fail. */
function leafRefusal(value: unknown): Refusal {
  try {
    return refuseLeaf(value);
  } catch (error) {
    return { reason: unreadable(error) };
  }
}

function unreadable(error: unknown): string {
  return `cannot be read: ${describe(error)}. Send a plain value instead of one with getters or a Proxy that fail.`;
}

/** What was thrown, in a few words; reading even that may fail, because the value may be a Proxy. */
function describe(thrown: unknown): string {
  try {
    return show(thrown);
  } catch {
    return "what it threw cannot be read either";
  }
}

/** Visits everything in `root`. Throws {@link CodecError} with its path for what cannot be sent. */
export function walk(root: unknown, visitor: Visitor, options: WalkOptions): void {
  new Walk(visitor, options).run(root);
}
