// Writes the table: the text of every value that is not exactly JSON. Each object is one node, numbered in the order in
// which the walk meets it; what holds it refers to it by number, so cycles and shared references keep their shape.
//
//   {"$manyhands":1,"value":slot,"nodes":[node,...]}
//   slot  string, number, true, false, null; [i] node i; ["undefined"]; ["number","NaN"]; ["bigint","12"]; ["hole",i];
//         ["gather",how,i,...] the list of some results
//   node  {key:slot} a plain object; ["object",[key,slot,...]] the same, when a key needs an escape (see keys.ts);
//         ["array",[slot]]; ["sparse",length,bag] an array with holes or named properties; ["map",[key,value,...]];
//         ["set",[slot]]; ["date",ms|null]; ["regexp",source,flags]; ["bytes",class,base64];
//         ["error",class,bag,bag] with the properties that are not enumerable, then those that are
//   bag   {key:slot} or [key,slot,...]
//
// Bytes are in the machine's order, which is little-endian on nearly all of them.
import { constants } from "node:buffer";
import { show } from "../../core/show.ts";
import { Hole } from "../call.ts";
import { Gather } from "../gather.ts";
import { defaultNameOf, errorClassOf } from "./error-classes.ts";
import { isEscaped } from "./keys.ts";
import type { Kind, Refusal, View } from "./kinds.ts";
import { regexpBudget, regexpCost } from "./regexp.ts";
import { refuseSize } from "./size.ts";
import type { Frame, Visitor, WalkOptions } from "./walk.ts";
import { walk } from "./walk.ts";

/** The version of the table: what is written, and all that is read. */
export const format = 1;

type Bag = Record<string, unknown>;
type Node = Bag | unknown[];

/** Sets an own property, also one named `__proto__`. */
function put(bag: Bag, key: string, slot: unknown): void {
  if (key === "__proto__") Object.defineProperty(bag, key, { value: slot, enumerable: true });
  else bag[key] = slot;
}

function listOf(bag: Bag): unknown[] {
  const list: unknown[] = [];
  for (const [key, slot] of Object.entries(bag)) list.push(key, slot);
  return list;
}

const decimalBound = 2n ** 256n;

/** Decimal for people; hexadecimal for the very long, which is read in linear time. */
function bigintText(value: bigint): string {
  if (value > -decimalBound && value < decimalBound) return value.toString();
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function slotOf(value: unknown): unknown {
  if (typeof value === "number") {
    if (Object.is(value, -0)) return ["number", "-0"];
    return Number.isFinite(value) ? value : ["number", String(value)];
  }
  if (typeof value === "bigint") return ["bigint", bigintText(value)];
  if (value instanceof Hole) return ["hole", value.index];
  if (value instanceof Gather) return ["gather", value.how, ...value.indexes];
  return value === undefined ? ["undefined"] : value;
}

function bytesOf(value: object, kind: Kind): Buffer {
  if (kind === "buffer") return Buffer.from(value as ArrayBuffer);
  const view = value as View;
  return Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
}

class Writer implements Visitor {
  readonly #where: string;
  readonly #maxBytes: number;
  readonly #lenient: boolean;
  readonly #nodes: Node[] = [];
  /** The bags that are written as lists, for the sake of their keys. */
  readonly #listed = new Set<unknown>();
  #root: unknown;
  /** At least so many bytes will be written: a huge value is refused before it is built. */
  #size = 0;
  #regexps = 0;

  constructor(options: WalkOptions, maxBytes: number) {
    this.#where = options.where;
    this.#maxBytes = maxBytes;
    this.#lenient = options.replace ?? false;
  }

  text(): string {
    const head = { $manyhands: format, value: this.#root };
    const nodes = this.#listed.size === 0 ? this.#nodes : this.#nodes.map((node) => this.#withLists(node));
    try {
      return JSON.stringify(nodes.length === 0 ? head : { ...head, nodes });
    } catch {
      // The nodes are flat and hold nothing but JSON: all that can fail is a text longer than the engine allows.
      throw refuseSize(this.#where, constants.MAX_STRING_LENGTH, this.#maxBytes, "more than ");
    }
  }

  #withLists(node: Node): Node {
    if (!Array.isArray(node)) return this.#listed.has(node) ? ["object", listOf(node)] : node;
    return node.map((part) => (this.#listed.has(part) ? listOf(part as Bag) : part));
  }

  leaf(value: unknown, at: Frame | undefined): void {
    this.#grow(typeof value === "string" ? value.length + 2 : 1);
    this.#put(slotOf(value), at);
  }

  again(id: number, at: Frame | undefined): void {
    this.#grow(3);
    this.#put([id], at);
  }

  enter(value: object, kind: Kind, at: Frame | undefined, opened: Frame | undefined): Refusal | undefined {
    this.#grow(5);
    if (kind === "regexp") this.#regexps += regexpCost((value as RegExp).source);
    if (this.#regexps > regexpBudget) return tooManyRegexps;
    const node = this.#nodeOf(value, kind, opened);
    this.#put([this.#nodes.length], at);
    this.#nodes.push(node);
    return undefined;
  }

  #nodeOf(value: object, kind: Kind, opened: Frame | undefined): Node {
    switch (kind) {
      case "object":
        return {};
      case "array":
        return opened?.keys === undefined ? ["array", []] : ["sparse", (value as unknown[]).length, {}];
      case "date": {
        const ms = Date.prototype.getTime.call(value);
        return ["date", Number.isNaN(ms) ? null : ms];
      }
      case "regexp":
        return ["regexp", (value as RegExp).source, (value as RegExp).flags];
      case "error":
        return this.#errorNode(value as Error);
      case "buffer":
      case "view":
        return this.#bytesNode(value, kind);
      default:
        return [kind, []];
    }
  }

  #bytesNode(value: object, kind: Kind): Node {
    const bytes = bytesOf(value, kind);
    this.#grow(Math.ceil(bytes.length / 3) * 4);
    return ["bytes", kind === "buffer" ? "ArrayBuffer" : (value as View)[Symbol.toStringTag], bytes.toString("base64")];
  }

  #errorNode(error: Error): Node {
    const className = errorClassOf(error);
    const hidden: Bag = {};
    const shown: Bag = {};
    for (const key of ["name", "message", "stack"] as const) {
      const text = this.#errorText(error, key);
      if (text === undefined || (!Object.hasOwn(error, key) && text === defaultText(className, key))) continue;
      this.#grow(text.length);
      (Object.prototype.propertyIsEnumerable.call(error, key) ? shown : hidden)[key] = text;
    }
    return ["error", className, hidden, shown];
  }

  /** A text of an error. Reading it may run a getter, or a stack formatter, that fails. */
  #errorText(error: Error, key: "name" | "message" | "stack"): string | undefined {
    try {
      const found: unknown = error[key];
      if (typeof found === "string") return found;
      return found === undefined || key === "stack" ? undefined : show(found);
    } catch (cause) {
      if (this.#lenient) return `(the ${key} could not be read)`;
      throw cause;
    }
  }

  #put(slot: unknown, at: Frame | undefined): void {
    if (at === undefined) {
      this.#root = slot;
      return;
    }
    const node = this.#nodes[at.id] as Node;
    if (!Array.isArray(node)) return this.#putKeyed(node, at, slot);
    if (node[0] === "sparse") return this.#putKeyed(node[2] as Bag, at, slot);
    if (node[0] !== "error") return void (node[1] as unknown[]).push(slot);
    this.#putKeyed(node[at.next > at.hidden ? 3 : 2] as Bag, at, slot);
  }

  #putKeyed(bag: Bag, at: Frame, slot: unknown): void {
    const key = at.keys?.[at.next - 1] as string;
    this.#grow(key.length + 4);
    if (isEscaped(key)) this.#listed.add(bag);
    put(bag, key, slot);
  }

  #grow(bytes: number): void {
    this.#size += bytes;
    if (this.#size > this.#maxBytes) throw refuseSize(this.#where, this.#size, this.#maxBytes, "more than ");
  }
}

function defaultText(className: string, key: "name" | "message" | "stack"): unknown {
  if (key === "name") return defaultNameOf(className);
  return key === "message" ? "" : undefined;
}

const tooManyRegexps: Refusal = {
  reason:
    `is one regular expression too many: a value holds at most ${regexpBudget / 1024} Ki characters of them, each \\p counted as 512. ` +
    "Let the task's module hold them.",
};

/** The table of any value. Throws {@link CodecError} for what cannot be sent, or as soon as it is certain to be too large. */
export function writeTable(value: unknown, options: WalkOptions, maxBytes: number): string {
  const writer = new Writer(options, maxBytes);
  walk(value, writer, options);
  return writer.text();
}
