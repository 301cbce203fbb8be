// Values as JSON for other programs. Results may hold more than JSON knows (design: what structured clone allows); each such
// value has one fixed rendering here: dates as ISO texts, bigints as decimal texts, maps with text keys as objects, other maps as
// pairs, sets and typed arrays as arrays, errors as { name, message, code }. It is a view for readers, not a codec: no way back.
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
  const line = oneLine(message);
  return name === "NonError" || name === "Error" ? line : `${name}: ${line}`;
}

function ofObject(value: object, open: Set<object>): unknown {
  const inner = (each: unknown): unknown => plain(each, open);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
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
  if (Array.isArray(value)) return value.map(inner);
  // fromEntries defines its keys, so a key named __proto__ stays a key.
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inner(each)]));
}

function plain(value: unknown, open: Set<object>): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (open.has(value)) return "[circular]";
  open.add(value);
  const made = ofObject(value, open);
  open.delete(value);
  return made;
}

/** The value as JSON on one line. Nothing a task can return makes it fail; `undefined` becomes null. */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(isJson(value) ? value : plain(value, new Set())) ?? "null";
  } catch {
    // Deeper than the stack, or longer than a string may be: a shortened view is better than none.
    return JSON.stringify(inspect(value, { depth: 2, maxArrayLength: 20, maxStringLength: 1000 }));
  }
}
