// The two questions asked of every value on the fast path: is it exactly JSON, and does structured clone give what the
// codec gives. Both answer "no" where they are not sure: the walk then decides, more slowly, and names what is wrong.
// They recurse, so they stop at a depth that no stack minds.
import { types } from "node:util";
import { shallow } from "./depth.ts";
import { isEscaped } from "./keys.ts";

const { hasOwn, keys: keysOf, getOwnPropertySymbols: symbolsOf } = Object;
const prototypeOf = Object.getPrototypeOf as (value: object) => object | null;

/** The objects met so far: a short list first, because a Set costs more than most values do. */
class Met {
  readonly #list: object[] = [];
  #set: Set<object> | undefined;

  /** False when the object was met before. */
  add(value: object): boolean {
    if (this.#set !== undefined) {
      const before = this.#set.size;
      return this.#set.add(value).size !== before;
    }
    if (this.#list.includes(value)) return false;
    this.#list.push(value);
    if (this.#list.length > 12) this.#set = new Set(this.#list);
    return true;
  }
}

function isJsonNumber(value: number): boolean {
  return value - value === 0 && (value !== 0 || 1 / value > 0);
}

/** True unless the value is met a second time, or is deeper than the stack should bear, or is not JSON. */
function isJsonItem(value: unknown, met: Met, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return isJsonNumber(value);
    case "object":
      return value === null || (depth < shallow && met.add(value) && isJsonObject(value, met, depth + 1));
    default:
      return false;
  }
}

function isJsonArray(array: readonly unknown[], met: Met, depth: number): boolean {
  // JSON has no holes, and drops the named properties of an array, such as those of a match.
  if (keysOf(array).length !== array.length) return false;
  for (let i = 0; i < array.length; i++) if (!isJsonItem(array[i], met, depth)) return false;
  return true;
}

function isJsonObject(value: object, met: Met, depth: number): boolean {
  if (symbolsOf(value).length > 0) return false;
  const prototype = prototypeOf(value);
  if (prototype === Array.prototype) return Array.isArray(value) && isJsonArray(value, met, depth);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) {
    if (!hasOwn(value, key)) continue;
    if (isEscaped(key) || !isJsonItem((value as Record<string, unknown>)[key], met, depth)) return false;
  }
  return true;
}

/** True when JSON.stringify and JSON.parse give the value back: a tree of JSON values that cannot be taken for a table. Never throws. */
export function isJson(value: unknown): boolean {
  try {
    if (typeof value === "object" && value !== null && hasOwn(value, "$manyhands")) return false;
    return isJsonItem(value, new Met(), 0);
  } catch {
    // A getter or a Proxy failed: the walk meets it again and names its place.
    return false;
  }
}

/** Named properties are looked for in arrays up to this length: to list the keys costs as much as to clone them. */
const longArray = 1024;

function isPlainItem(value: unknown, met: Met, depth: number): boolean {
  switch (typeof value) {
    case "object":
      // Met before is being looked at already: structured clone keeps cycles and shared references.
      return value === null || !met.add(value) || (depth < shallow && isPlainObject(value, met, depth + 1));
    case "function":
    case "symbol":
      return false;
    default:
      return true;
  }
}

function isPlainArray(array: readonly unknown[], met: Met, depth: number): boolean {
  if (array.length <= longArray && keysOf(array).length !== array.length) return false;
  for (let i = 0; i < array.length; i++) {
    const item = array[i];
    // There may be billions of holes, so the walk takes such an array by its keys.
    if (item === undefined && !(i in array)) return false;
    if (!isPlainItem(item, met, depth)) return false;
  }
  return true;
}

const byteClasses: ReadonlySet<unknown> = new Set(
  [
    ArrayBuffer,
    DataView,
    Uint8Array,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
  ].map((each) => each.prototype),
);

function isPlainBytes(value: object): boolean {
  const buffer: unknown = ArrayBuffer.isView(value) ? value.buffer : value;
  return buffer instanceof ArrayBuffer && !buffer.detached && !buffer.resizable;
}

function isPlainObject(value: object, met: Met, depth: number): boolean {
  if (types.isProxy(value) || symbolsOf(value).length > 0) return false;
  const prototype = prototypeOf(value);
  if (prototype === Array.prototype) return Array.isArray(value) && isPlainArray(value, met, depth);
  if (prototype !== Object.prototype && prototype !== null) return byteClasses.has(prototype) && isPlainBytes(value);
  for (const key in value) {
    if (hasOwn(value, key) && !isPlainItem((value as Record<string, unknown>)[key], met, depth)) return false;
  }
  return true;
}

/** True when structured clone certainly gives what the codec gives; shared memory and Buffers are left to the walk. Never throws. */
export function isPlain(value: unknown): boolean {
  try {
    return isPlainItem(value, new Met(), 0);
  } catch {
    // As above.
    return false;
  }
}
