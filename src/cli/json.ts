// Values as JSON for other programs. Results may hold more than JSON knows (design: what structured clone allows); each such
// value has one fixed rendering here, listed in docs/guide/command-line.md. It is a view for readers, not a codec: no way back.
import { inspect } from "node:util";
import { isJson } from "../task/codec/fast.ts";
import { oneLine } from "./table.ts";

/** An error as JSON: what a program branches on, and the sentence for people. */
export interface ErrorJson {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}

/** The facts of whatever a task threw. */
export function errorJson(thrown: unknown): ErrorJson {
  if (!(thrown instanceof Error)) return { name: "NonError", message: inspect(thrown, { depth: 2 }) };
  const { code } = thrown as { code?: unknown };
  return { name: thrown.name, message: thrown.message, ...(typeof code === "string" && { code }) };
}

/** Whatever was thrown, in one line for people. */
export function describeError(thrown: unknown): string {
  const { name, message } = errorJson(thrown);
  if (message === "") return oneLine(name);
  return oneLine(name === "NonError" || name === "Error" ? message : `${name}: ${message}`);
}

/** What is known while a value is walked through. */
interface Walk {
  /** The objects around the one at hand. */
  readonly open: Set<object>;
  readonly met: Set<object>;
  /** How often an object was printed again because it is held in several places. */
  repeats: number;
}

// A small value can be endless as JSON: lists that hold one list twice, forty deep, or one item behind a billion holes.
const mostRepeats = 1_000_000;
const mostHoles = 1_000_000;

function tooLong(): RangeError {
  return new RangeError("The value is too long to be printed as JSON.");
}

function ofObject(value: object, walk: Walk): unknown {
  const inner = (each: unknown): unknown => plain(each, walk);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? String(value) : value.toISOString();
  if (value instanceof Error) return errorJson(value);
  if (value instanceof RegExp) return String(value);
  if (value instanceof Set) return [...value].map(inner);
  if (value instanceof Map) {
    const pairs = [...value].map(([key, each]) => [inner(key), inner(each)] as const);
    return pairs.every(([key]) => typeof key === "string") ? Object.fromEntries(pairs) : pairs;
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Array.from(new Uint8Array(value));
  if (value instanceof DataView) return Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, inner);
  if (Array.isArray(value)) {
    if (value.length - Object.keys(value).length > mostHoles) throw tooLong();
    return value.map(inner);
  }
  // fromEntries defines its keys, so a key named __proto__ stays a key.
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inner(each)]));
}

function plain(value: unknown, walk: Walk): unknown {
  if (typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))) return String(value);
  if (typeof value !== "object" || value === null) return value;
  const { open, met } = walk;
  if (open.has(value)) return "[circular]";
  if (met.has(value) && (walk.repeats += 1) > mostRepeats) throw tooLong();
  met.add(value);
  open.add(value);
  const made = ofObject(value, walk);
  open.delete(value);
  return made;
}

/** The value as JSON on one line. Nothing a task can return makes it fail; `undefined` becomes null. */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(isJson(value) ? value : plain(value, { open: new Set(), met: new Set(), repeats: 0 })) ?? "null";
  } catch {
    // Too long, or deeper than the stack: a shortened view is better than none.
    return JSON.stringify(inspect(value, { depth: 2, maxArrayLength: 20, maxStringLength: 1000 }));
  }
}

/** Named values as JSON on one line. One that is too long shortens only itself; those that are undefined are left out. */
export function recordJson(record: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(record).filter(([, value]) => value !== undefined);
  return `{${given.map(([name, value]) => `${JSON.stringify(name)}:${toJson(value)}`).join(",")}}`;
}
