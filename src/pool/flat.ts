// Small values as columns. Most tasks take and give primitives, or small plain objects of primitives, all of one shape. A batch
// of those is sent as its shape, once, and one list of primitives, which costs a tenth of what cloning the objects costs; and
// as primitives cannot be changed, putting them into the list is the copy that passing by value asks for.
//
// A value is flat when it is a primitive, or a plain object of at most `mostKeys` primitives. Arguments are flat when they are
// primitives, or the only one is a flat object. Nothing else is: whoever finds a value not flat takes the general way.

/** How flat values are laid out: so many primitives each, or the properties of one object each. */
export type Shape = number | readonly string[];

const mostKeys = 32;
const prototypeOf = Object.getPrototypeOf as (value: object) => object | null;

/** True for what needs no copy. Functions and symbols are not among it: they cannot be sent at all. */
export function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol");
}

/** How many primitives each value of a shape has. */
export function widthOf(shape: Shape): number {
  return typeof shape === "number" ? shape : shape.length;
}

/** Takes flat values apart. It remembers the shape it met last, so that objects of one shape get the very same one. */
export class Flattener {
  #keys: readonly string[] = [];

  /** Appends the primitives of a flat value to `into` and gives its shape; undefined, with nothing appended, for any other. */
  add(value: unknown, into: unknown[]): Shape | undefined {
    if (isPrimitive(value)) {
      into.push(value);
      return 1;
    }
    if (typeof value !== "object" || value === null) return undefined;
    const start = into.length;
    try {
      const keys = this.#addObject(value as Record<string, unknown>, into);
      if (!keys) into.length = start;
      return keys;
    } catch {
      // A getter or a Proxy failed: the general way meets it again and names its place.
      into.length = start;
      return undefined;
    }
  }

  #addObject(value: Record<string, unknown>, into: unknown[]): readonly string[] | undefined {
    if (prototypeOf(value) !== Object.prototype || Object.getOwnPropertySymbols(value).length > 0) return undefined;
    const keys = this.#keys;
    let count = 0;
    let isSame = true;
    for (const key in value) {
      const item = value[key];
      if (!isPrimitive(item) || key === "__proto__") return undefined;
      if (keys[count] !== key) isSame = false;
      into.push(item);
      count += 1;
    }
    if (isSame && count === keys.length && count > 0) return keys;
    const own = Object.keys(value);
    if (own.length !== count || count === 0 || count > mostKeys) return undefined;
    this.#keys = own;
    return own;
  }
}

/** The object whose primitives begin at `from`. */
function objectFrom(keys: readonly string[], values: readonly unknown[], from: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let i = 0; i < keys.length; i++) object[keys[i] as string] = values[from + i];
  return object;
}

/** The value of a shape whose primitives begin at `from`. */
export function valueFrom(shape: Shape, values: readonly unknown[], from: number): unknown {
  return typeof shape === "number" ? values[from] : objectFrom(shape, values, from);
}

/** The arguments of a shape whose primitives begin at `from`. */
export function argsFrom(shape: Shape, values: readonly unknown[], from: number): readonly unknown[] {
  if (typeof shape === "number") return values.slice(from, from + shape);
  return [objectFrom(shape, values, from)];
}

/** Where flat arguments are put: the only primitive there is, or the list of all. */
export interface FlatArgs {
  shape: Shape | undefined;
  data: unknown;
}

const scratch: unknown[] = [];

/** Copies the only argument into `target`; false, with nothing changed, when it is not flat. */
export function flattenOne(arg: unknown, target: FlatArgs, flattener: Flattener): boolean {
  if (isPrimitive(arg)) {
    target.shape = 1;
    target.data = arg;
    return true;
  }
  scratch.length = 0;
  const shape = flattener.add(arg, scratch);
  if (shape === undefined) return false;
  target.shape = shape;
  target.data = scratch.length === 1 ? scratch[0] : scratch.slice();
  return true;
}

/** Copies flat arguments into `target`; false, with nothing changed, when they are not flat. */
export function flatten(args: readonly unknown[], target: FlatArgs, flattener: Flattener): boolean {
  if (args.length === 1) return flattenOne(args[0], target, flattener);
  if (!args.every(isPrimitive)) return false;
  target.shape = args.length;
  target.data = args.slice();
  return true;
}

/** The list of the primitives in flat arguments. */
export function listOf({ shape = 0, data }: FlatArgs): readonly unknown[] {
  return widthOf(shape) === 1 ? [data] : (data as readonly unknown[]);
}
