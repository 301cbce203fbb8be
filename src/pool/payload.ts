// How one value, or one list of arguments, travels to a worker and back: by value, always. The kinds, from the cheapest:
//   flat        primitives, or an object of primitives: laid out in columns (flat.ts)
//   json        the JSON text of a value that JSON gives back exactly: cheaper than a structured clone, and already a copy
//   structured  everything else that a structured clone gives back as the codec would
//   text        the codec's text, for the rest (an Error somewhere inside)
//   failed      the codec's text of what the task threw;  refused: the same, where another attempt could not help
//
// Arguments are copied when they are submitted, not when they are sent: what the caller does with them afterwards
// changes nothing. This file knows nothing of tasks or workers.
import { CodecError } from "../core/errors.ts";
import { decode, encode, inspect } from "../task/codec.ts";
import { isJson } from "../task/codec/fast.ts";
import { transfersIn } from "../task/transfer.ts";
import { isPrimitive } from "./flat.ts";

export const flat = 0;
export const json = 1;
export const structured = 2;
export const text = 3;
export const failed = 4;
export const refused = 5;

/** How a value travels. */
export type PayloadKind = typeof flat | Packable | typeof failed | typeof refused;

type Packable = typeof json | typeof structured | typeof text;

/** How far values travel: shared memory can reach another thread, not another process. */
export type Crossing = "thread" | "process";

/** Arguments, copied and ready to be sent any number of times; only once when they hold moved buffers. */
export interface Packed {
  readonly kind: PayloadKind;
  /** The JSON, the codec's text, or the copied arguments. */
  readonly data: unknown;
  /** Buffers within `data` that the caller gave away with `transfer()`. */
  readonly moves: readonly ArrayBuffer[] | undefined;
}

// A long list of primitives needs no walk: a structured clone copies it exactly.
function isLongList(value: unknown): boolean {
  if (!Array.isArray(value) || value.length < 64) return false;
  for (const item of value as unknown[]) if (!isPrimitive(item)) return false;
  return true;
}

/** How a value that is not flat travels. Throws {@link CodecError} with the path of what cannot be sent; `where` names the root. */
export function kindOf(value: unknown, where: string, crossing: Crossing): Packable {
  if (isLongList(value)) return structured;
  if (isJson(value)) return json;
  if (inspect(value, where, crossing) !== "exotic") return structured;
  // The codec has a Buffer written as text for a process, because v8.serialize keeps it a Buffer. Our serializer does not.
  return crossing === "process" && inspect(value, where, "thread") !== "exotic" ? structured : text;
}

/** `value` as it travels; a structured one is not copied here. */
export function dataOf(kind: Packable, value: unknown, where: string): unknown {
  if (kind === json) return JSON.stringify(value);
  return kind === text ? encode(value, where) : value;
}

/** The value that travelled. Throws {@link CodecError} for a text that is not the codec's. */
export function valueOf(kind: PayloadKind, data: unknown): unknown {
  if (kind === json) return JSON.parse(data as string);
  return kind === text ? decode(data as string) : data;
}

/** The codec's text of the value that travelled. Throws {@link CodecError} where it has none: shared memory. */
export function textOf(kind: PayloadKind, data: unknown): string {
  return kind === json || kind === text ? (data as string) : encode(data, "result");
}

/** A copy of a structured value, with the given buffers moved into it. */
export function copy(value: unknown, moves: readonly ArrayBuffer[], where: string): readonly [unknown, readonly ArrayBuffer[]] {
  try {
    if (moves.length === 0) return [structuredClone(value), moves];
    return structuredClone([value, moves], { transfer: moves as ArrayBuffer[] }) as [unknown, ArrayBuffer[]];
  } catch (cause) {
    // A named property of a long list, for one. The walk names the place; where it finds none, the engine's words must do.
    inspect(value, where);
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new CodecError(`${where} could not be copied: ${found}`, where, { cause });
  }
}

/** Copies arguments that are not flat. Throws {@link CodecError} with the path of what cannot be sent. */
export function pack(args: readonly unknown[], crossing: Crossing): Packed {
  const isLong = args.some(isLongList) && args.every((arg) => isPrimitive(arg) || isLongList(arg));
  const kind = isLong ? structured : kindOf(args, "args", crossing);
  if (kind !== structured) return { kind, data: dataOf(kind, args, "args"), moves: undefined };
  const [data, moves] = copy(args, transfersIn(args), "args");
  return { kind, data, moves: moves.length > 0 ? moves : undefined };
}

/** Arguments that have travelled as the codec's text all the way. */
export function packedText(args: string): Packed {
  return { kind: text, data: args, moves: undefined };
}
