// Reads the table that `write.ts` describes. The text may come from anywhere: whatever is wrong with it ends in a
// CodecError, no code in it is ever run, and nothing is allocated that the text does not pay for. Nodes are first made
// empty, then filled in place, so nothing recurses and cycles need no care. Objects are the very ones JSON.parse made,
// with `__proto__` as an own property like any other. One thing it cannot bound is the engine's own: numbers chosen to
// collide in V8's hash make a Map or Set of them slow, here as in any program.
import { CodecError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import type { How } from "../gather.ts";
import { Gather, hows } from "../gather.ts";
import { exceedsDepth, maxDepth } from "./depth.ts";
import { makeError } from "./error-classes.ts";
import { regexpBudget, regexpCost } from "./regexp.ts";
import { format } from "./write.ts";

type Bag = Record<string, unknown>;

/** What takes the place of a group of results. */
export type Gathering = (gather: Gather, results: readonly unknown[]) => unknown;

const viewClasses: ReadonlyMap<string, new (buffer: ArrayBuffer) => unknown> = new Map(
  [
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "BigInt64Array",
    "BigUint64Array",
    "DataView",
  ].flatMap((name) => {
    const found = (globalThis as unknown as Record<string, (new (buffer: ArrayBuffer) => unknown) | undefined>)[name];
    return found === undefined ? [] : [[name, found] as const];
  }),
);

function wrong(path: string, what: string): CodecError {
  return new CodecError(`The encoded text is damaged or foreign: ${path} ${what}.`, path);
}

function isBag(value: unknown): value is Bag {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The properties of an object, which are written as a list where a key needs an escape. */
function bagOf(part: unknown, path: string): Bag {
  if (isBag(part)) return part;
  if (!Array.isArray(part) || part.length % 2 !== 0) throw wrong(path, "has no properties");
  const bag: Bag = {};
  for (let i = 0; i < part.length; i += 2) {
    if (typeof part[i] !== "string") throw wrong(path, "has a property without a name");
    define(bag, part[i] as string, part[i + 1], true);
  }
  return bag;
}

function isIndex(value: unknown, end: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < end;
}

function readNumber(text: unknown, path: string): number {
  switch (text) {
    case "NaN":
      return NaN;
    case "Infinity":
      return Infinity;
    case "-Infinity":
      return -Infinity;
    case "-0":
      return -0;
    default:
      throw wrong(path, "is no number");
  }
}

function readBigint(text: unknown, path: string): bigint {
  if (typeof text !== "string" || !/^-?(?:\d{1,100}|0x[\da-f]+)$/.test(text)) throw wrong(path, "is no bigint");
  try {
    return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  } catch {
    throw wrong(path, "is a bigint larger than this engine allows");
  }
}

function readBytes(name: unknown, base64: unknown, path: string): unknown {
  if (typeof base64 !== "string" || base64.length % 4 !== 0) throw wrong(path, "holds no base64");
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const bytes = Buffer.from(new ArrayBuffer((base64.length / 4) * 3 - padding));
  // Node skips what is not base64, and so writes fewer bytes than the length promised.
  if (bytes.write(base64, "base64") !== bytes.length) throw wrong(path, "holds no base64");
  if (name === "ArrayBuffer") return bytes.buffer;
  const found = typeof name === "string" ? viewClasses.get(name) : undefined;
  if (found === undefined) throw wrong(path, `has bytes of an unknown class ${show(name)}`);
  try {
    return new found(bytes.buffer);
  } catch {
    throw wrong(path, `has ${bytes.length} bytes, which make no ${name as string}`);
  }
}

function readDate(ms: unknown, path: string): Date {
  if (ms === null) return new Date(NaN);
  const date = typeof ms === "number" ? new Date(ms) : undefined;
  if (date === undefined || Number.isNaN(date.getTime())) throw wrong(path, "is no date");
  return date;
}

function sparseArray(length: unknown, items: unknown, path: string): unknown[] {
  if (!isIndex(length, 2 ** 32)) throw wrong(path, "has no valid length");
  const array: unknown[] = [];
  if (length <= 8 + 4 * Object.keys(bagOf(items, path)).length) {
    array.length = length;
    return array;
  }
  // From the largest length down: V8 then keeps the array as a dictionary and reserves nothing for its holes.
  array.length = 2 ** 32 - 1;
  array.length = length;
  return array;
}

/** The nodes that a node refers to, in the order in which it does. */
function referencesIn(node: unknown, count: number): number[] {
  const found: number[] = [];
  // A node's slots are one level down when it is an object, else in its second, third or fourth part.
  for (const part of isBag(node) ? [node] : Array.isArray(node) ? node.slice(1) : []) {
    if (typeof part !== "object" || part === null) continue;
    for (const slot of Object.values(part as object)) {
      if (Array.isArray(slot) && isIndex(slot[0], count)) found.push(slot[0]);
    }
  }
  return found;
}

class Reader {
  readonly #nodes: readonly unknown[];
  readonly #made: unknown[] = [];
  readonly #results: readonly unknown[];
  readonly #gathering: Gathering;
  #regexps = 0;

  constructor(nodes: readonly unknown[], results: readonly unknown[], gathering: Gathering) {
    this.#nodes = nodes;
    this.#results = results;
    this.#gathering = gathering;
  }

  read(slot: unknown): unknown {
    this.#checkDepth(slot);
    for (let i = 0; i < this.#nodes.length; i++) this.#made.push(this.#make(this.#nodes[i], `nodes[${i}]`));
    for (let i = 0; i < this.#nodes.length; i++) this.#fill(this.#made[i], this.#nodes[i], `nodes[${i}]`);
    return this.#slot(slot, "value");
  }

  /** Only a table of many nodes can nest deep. The one more level is an error that replaced what was too deep to send. */
  #checkDepth(slot: unknown): void {
    const nodes = this.#nodes;
    const root: unknown = Array.isArray(slot) ? slot[0] : undefined;
    if (nodes.length <= maxDepth || !isIndex(root, nodes.length)) return;
    if (exceedsDepth(root, maxDepth + 1, (index) => referencesIn(nodes[index], nodes.length))) {
      throw wrong("nodes", `nest more than ${maxDepth} deep`);
    }
  }

  #make(node: unknown, path: string): unknown {
    if (isBag(node)) return node;
    if (!Array.isArray(node)) throw wrong(path, "is no node");
    switch (node[0]) {
      case "object":
        return bagOf(node[1], path);
      case "array":
        if (!Array.isArray(node[1])) throw wrong(path, "has no items");
        return node[1];
      case "sparse":
        return sparseArray(node[1], node[2], path);
      case "map":
        return new Map();
      case "set":
        return new Set();
      case "date":
        return readDate(node[1], path);
      case "regexp":
        return this.#regexp(node[1], node[2], path);
      case "bytes":
        return readBytes(node[1], node[2], path);
      case "error": {
        const error = typeof node[1] === "string" ? makeError(node[1]) : undefined;
        if (error === undefined) throw wrong(path, `is an error of an unknown class ${show(node[1])}`);
        return error;
      }
      default:
        throw wrong(path, `is of an unknown kind ${show(node[0])}`);
    }
  }

  #regexp(source: unknown, flags: unknown, path: string): RegExp {
    if (typeof source !== "string" || typeof flags !== "string") throw wrong(path, "is no regular expression");
    this.#regexps += regexpCost(source);
    if (this.#regexps > regexpBudget) throw wrong(path, "is one regular expression too many");
    try {
      return new RegExp(source, flags);
    } catch {
      throw wrong(path, "is no valid regular expression");
    }
  }

  #fill(made: unknown, node: unknown, path: string): void {
    if (!Array.isArray(node) || node[0] === "object") return this.#fillBag(made as Bag, path);
    if (node[0] === "array") return this.#fillItems(made as unknown[], path);
    if (node[0] === "sparse") return this.#fillSparse(made as unknown[], bagOf(node[2], path), path);
    if (node[0] === "error") return this.#fillError(made as Error, bagOf(node[2], path), bagOf(node[3], path), path);
    if (node[0] !== "map" && node[0] !== "set") return;
    const items: unknown = node[1];
    if (!Array.isArray(items)) throw wrong(path, "has no items");
    this.#fillItems(items, path);
    if (made instanceof Set) for (const item of items) made.add(item);
    else if (made instanceof Map) this.#fillMap(made, items, path);
  }

  #fillMap(map: Map<unknown, unknown>, items: readonly unknown[], path: string): void {
    if (items.length % 2 !== 0) throw wrong(path, "has a key without a value");
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  #fillBag(bag: Bag, path: string): void {
    // Every key is an own property already, so that this never reaches a setter of a prototype.
    for (const key of Object.keys(bag)) {
      const slot = bag[key];
      if (typeof slot === "object" && slot !== null) bag[key] = this.#slot(slot, path);
    }
  }

  #fillItems(items: unknown[], path: string): void {
    for (let i = 0; i < items.length; i++) {
      const slot = items[i];
      if (typeof slot === "object" && slot !== null) items[i] = this.#slot(slot, path);
    }
  }

  #fillSparse(array: unknown[], items: Bag, path: string): void {
    for (const key of Object.keys(items)) {
      const isItem = /^(?:0|[1-9]\d*)$/.test(key) && Number(key) < 2 ** 32 - 1;
      if (key === "length" || (isItem && Number(key) >= array.length))
        throw wrong(path, `has an item out of range, ${show(key)}`);
      define(array, key, this.#slot(items[key], path), true);
    }
  }

  #fillError(error: Error, hidden: Bag, shown: Bag, path: string): void {
    // A fresh error has a stack of its own; one sent without any has none here either.
    delete error.stack;
    for (const bag of [hidden, shown]) {
      for (const key of Object.keys(bag)) {
        const value = this.#slot(bag[key], path);
        const isText = key === "name" || key === "message" || key === "stack";
        if (isText && typeof value !== "string") throw wrong(path, `has a ${key} that is no text`);
        define(error, key, value, bag === shown);
      }
    }
  }

  #slot(slot: unknown, path: string): unknown {
    if (typeof slot !== "object" || slot === null) return slot;
    if (!Array.isArray(slot)) throw wrong(path, "has an object where a reference belongs");
    const [tag, detail] = slot as readonly unknown[];
    if (typeof tag === "number") {
      if (!isIndex(tag, this.#made.length)) throw wrong(path, `refers to node ${show(tag)}, which is not there`);
      return this.#made[tag];
    }
    switch (tag) {
      case "undefined":
        return undefined;
      case "number":
        return readNumber(detail, path);
      case "bigint":
        return readBigint(detail, path);
      case "hole":
        if (!isIndex(detail, this.#results.length)) throw wrong(path, `waits for result ${show(detail)}, which was not given`);
        return this.#results[detail];
      case "gather":
        return this.#gather(detail, slot.slice(2), path);
      default:
        throw wrong(path, `has an unknown reference ${show(tag)}`);
    }
  }

  #gather(how: unknown, indexes: readonly unknown[], path: string): unknown {
    if (!hows.includes(how as How)) throw wrong(path, `gathers results in an unknown way ${show(how)}`);
    for (const index of indexes)
      if (!isIndex(index, this.#results.length)) throw wrong(path, `waits for result ${show(index)}, which was not given`);
    return this.#gathering(new Gather(how as How, indexes as readonly number[]), this.#results);
  }
}

function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}

/** The value of a parsed table. Throws {@link CodecError} for anything this version would not have written. */
export function readTable(table: object, results: readonly unknown[], gathering: Gathering): unknown {
  const { $manyhands: version, value, nodes = [] } = table as Bag;
  if (version !== format) {
    throw new CodecError(
      `The encoded text is of format ${show(version)}; this version of manyhands reads format ${format}. Use one version on all machines.`,
      "$manyhands",
    );
  }
  if (!Array.isArray(nodes)) throw wrong("nodes", "is no list");
  // The errors among the nodes get the stack they were sent with; taking one here would cost more than all the rest.
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    return new Reader(nodes, results, gathering).read(value);
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit);
  }
}
