// What a value is to the codec: one of the kinds it can send, or the reason why it cannot. This is the one place that
// decides it; the walk, the writer and `inspect` all ask here. A kind is read from the engine's own brand where there is
// one (a Map made in another realm is a Map), and a subclass of a builtin is refused like any other class instance,
// because its methods would be lost without a word.
import { types } from "node:util";
import { isCall, Hole } from "../call.ts";
import { Gather } from "../gather.ts";
import { isTask } from "../task.ts";

/** The kinds of objects that can be sent. `shared` is a SharedArrayBuffer, `hole` the place of dependencies' results. */
export type Kind = "object" | "array" | "map" | "set" | "date" | "regexp" | "error" | "buffer" | "view" | "shared" | "hole";

/** Why a value cannot be sent, phrased to follow its path: "is a function: ...". */
export interface Refusal {
  readonly reason: string;
}

/** Any typed array or DataView. */
export type View = ArrayBufferView & { readonly [Symbol.toStringTag]: string };

function chainLength(prototype: object | null): number {
  let length = 0;
  for (let next = prototype; next !== null && length < 10; next = Object.getPrototypeOf(next) as object | null) length++;
  return length;
}

/** True for the builtin's own prototype, or the same builtin's of another realm (`node:vm`, some test runners). */
function isBuiltin(prototype: object | null, expected: object): boolean {
  if (prototype === expected) return true;
  if (prototype === null || chainLength(prototype) !== chainLength(expected)) return false;
  return prototype.constructor?.name === expected.constructor.name;
}

function isForeignPlain(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty");
}

/** True for the prototype of a plain object: `Object.prototype` of any realm, or null. */
export function isPlainPrototype(prototype: object | null): boolean {
  return prototype === Object.prototype || prototype === null || isForeignPlain(prototype);
}

function viewPrototype(view: View): object {
  const named = (globalThis as unknown as Record<string, { readonly prototype: object } | undefined>)[view[Symbol.toStringTag]];
  return named?.prototype ?? Uint8Array.prototype;
}

function brandOf(value: object): readonly [Kind, object] | undefined {
  if (types.isMap(value)) return ["map", Map.prototype];
  if (types.isSet(value)) return ["set", Set.prototype];
  if (types.isDate(value)) return ["date", Date.prototype];
  if (types.isRegExp(value)) return ["regexp", RegExp.prototype];
  if (types.isArrayBuffer(value)) return ["buffer", ArrayBuffer.prototype];
  if (types.isSharedArrayBuffer(value)) return ["shared", SharedArrayBuffer.prototype];
  if (ArrayBuffer.isView(value)) return ["view", Buffer.isBuffer(value) ? Buffer.prototype : viewPrototype(value as View)];
  return undefined;
}

/** The buffer's bytes have been moved away, by `transfer` or `structuredClone`. */
function isDetached(value: object): boolean {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  return buffer instanceof ArrayBuffer && buffer.detached;
}

/** The kind of an object, or why it cannot be sent. Throws what the traps of a Proxy throw. */
export function kindOf(value: object): Kind | Refusal {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (Array.isArray(value)) return isBuiltin(prototype, Array.prototype) ? "array" : refuseInstance(value);
  if (isCall(value)) return refuseCall();
  if (isPlainPrototype(prototype)) return "object";
  if (types.isNativeError(value) || value instanceof Error) return "error";
  if (value instanceof Hole || value instanceof Gather) return "hole";
  const brand = brandOf(value);
  if (brand === undefined || !isBuiltin(prototype, brand[1])) return refuseInstance(value);
  if (isDetached(value)) {
    return {
      reason: "has no bytes any more: its ArrayBuffer was transferred elsewhere. Transfer a copy (.slice()) and keep this one.",
    };
  }
  return brand[0];
}

/** True for memory that other threads may see: a SharedArrayBuffer, or a view over one. */
export function isShared(value: object, kind: Kind): boolean {
  return kind === "shared" || (kind === "view" && types.isSharedArrayBuffer((value as View).buffer));
}

/** Why shared memory is refused wherever a value must become text or leave the process. */
export function refuseShared(kind: Kind): Refusal {
  const copy = kind === "view" ? ".slice()" : "new Uint8Array(buffer).slice()";
  return {
    reason: `is shared memory (SharedArrayBuffer), which cannot leave this process, nor travel with an Error: use a ThreadPool, or send a copy (${copy}).`,
  };
}

/** True for bytes that may change their length; they are sent as a copy of fixed length. */
export function isResizable(value: object, kind: Kind): boolean {
  if (kind !== "view" && kind !== "buffer") return false;
  const buffer = kind === "view" ? (value as View).buffer : (value as ArrayBuffer);
  return buffer instanceof ArrayBuffer && buffer.resizable;
}

function refuseCall(): Refusal {
  return { reason: "is a call, which is not a value. Submit it, or pass it as an argument of call() or submit()." };
}

/** The name of the class of an object, as far as it can be told without failing. */
export function classNameOf(value: object): string {
  const { constructor } = value as { readonly constructor?: unknown };
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "an unnamed class";
}

const advice: Readonly<Record<string, string>> = {
  Promise: "Await it first.",
  WeakMap: "Its entries cannot be listed: send a Map.",
  WeakSet: "Its members cannot be listed: send a Set.",
  WeakRef: "Send what it refers to.",
  Number: "Send the plain number (.valueOf()).",
  String: "Send the plain string (.valueOf()).",
  Boolean: "Send the plain boolean (.valueOf()).",
  BigInt: "Send the plain bigint (.valueOf()).",
  URL: "Send its text (.href).",
};

function refuseInstance(value: object): Refusal {
  const name = classNameOf(value);
  const seen = types.isProxy(value) ? " seen through a Proxy" : "";
  const what = advice[name] ?? "Send a plain object of its data ({ ...value }) and rebuild it in the task.";
  return { reason: `is an instance of ${name}${seen}: class instances cannot be sent. ${what}` };
}

/** Why a function or a symbol cannot be sent. */
export function refuseLeaf(value: unknown): Refusal {
  if (isTask(value))
    return { reason: `is a task ("${value.name}"), which is a function. Use call(task, ...args), or send its name.` };
  if (typeof value === "function") {
    const name = value.name === "" ? "" : ` (${value.name})`;
    return { reason: `is a function${name}: functions cannot be sent. Send data, and let the task hold the code.` };
  }
  return { reason: `is a symbol (${String(value)}): symbols cannot be sent. Send a string.` };
}

/** The first enumerable symbol key of an object; structured clone would drop it without a word. */
export function symbolKeyOf(value: object): symbol | undefined {
  const symbols = Object.getOwnPropertySymbols(value);
  return symbols.length === 0 ? undefined : symbols.find((key) => Object.prototype.propertyIsEnumerable.call(value, key));
}
