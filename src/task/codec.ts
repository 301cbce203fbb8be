// The boundary of every value that leaves its event loop: arguments and results; `thrown.ts` adds what tasks throw.
// Values are what structured clone allows, the same on every executor, and anything else is a CodecError with its path
// before it is sent. A value that is exactly JSON is plain JSON text; any other is a table that `codec/write.ts` describes.
//
// Kept: null, undefined, booleans, every number and string, bigint, Date, RegExp, Map, Set, arrays with their holes and
// named properties, plain objects, ArrayBuffer, typed arrays and DataView, Error; cycles and shared references.
// Changed, as little as can be: an object without prototype gets the ordinary one, a Buffer becomes a Uint8Array, a
// getter its value (it may be read more than once), and views over one ArrayBuffer may become copies of just their bytes.
// Refused: functions, symbols, instances of classes, symbol keys, what cannot be read, what is too large or too deep.
//
// Not here: moving memory instead of copying it (`transfer.ts`), and what middleware makes of a text for the store (`sealed.ts`).
import { CodecError } from "../core/errors.ts";
import { maxDepth, nestsTooDeep } from "./codec/depth.ts";
import { isJson, isPlain } from "./codec/fast.ts";
import type { Gathering } from "./codec/read.ts";
import { readTable } from "./codec/read.ts";
import { checkSize, defaultMaxBytes } from "./codec/size.ts";
import type { Crossing } from "./codec/survey.ts";
import { isExotic } from "./codec/survey.ts";
import { writeTable } from "./codec/write.ts";
import { isSealed, sealErrorOf } from "./sealed.ts";
import { gathered } from "./gather.ts";

function jsonOf(value: unknown): string | undefined {
  try {
    return isJson(value) ? JSON.stringify(value) : undefined;
  } catch {
    // The text grew too long. The table meets the same limit, and says so.
    return undefined;
  }
}

/**
 * The value as text: plain JSON where it is exactly that, else a table.
 *
 * `where` names the value in errors: `args`, `result`. `maxBytes` limits the text's size in UTF-8 (default 16 MiB).
 * Throws {@link CodecError} with the path of what cannot be sent (`args[0].onDone is a function`), which includes shared
 * memory, for more than 10,000 levels of nesting, for more than 256 Ki characters of regular expressions, and for a text
 * over the limit.
 */
export function encode(value: unknown, where: string, maxBytes: number = defaultMaxBytes): string {
  const text = jsonOf(value) ?? writeTable(value, { where }, maxBytes);
  checkSize(text, where, maxBytes);
  return text;
}

/**
 * The value that {@link encode} was given. `results` take the places of the dependencies' holes, and what `gather` makes of them
 * those of groups.
 *
 * The text may come from anywhere: it never runs code, never reaches a prototype, and takes memory and time in proportion
 * to its length. Throws {@link CodecError} for a text that `encode` does not write, and a SealError for one that is sealed still.
 */
export function decode(text: string, results: readonly unknown[] = [], gather: Gathering = gathered): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (isSealed(text)) throw sealErrorOf(text);
    throw new CodecError("The encoded text is damaged or foreign: it is not JSON.", "", { cause });
  }
  if (typeof value !== "object" || value === null) return value;
  if (Object.hasOwn(value, "$manyhands")) return readTable(value, results, gather);
  // Each level takes two characters.
  if (text.length > 2 * maxDepth && nestsTooDeep(value)) {
    throw new CodecError(`The encoded text is damaged or foreign: it nests more than ${maxDepth} deep.`, "");
  }
  return value;
}

/**
 * How a value may travel. `primitive`: no object at all. `plain`: structured clone gives what `decode(encode(value))` gives,
 * but for views over one buffer, which may stay together. `exotic`: it must travel as the text of {@link encode}, because
 * it holds an Error, a Hole, a Proxy, resizable memory, or more than 200 levels.
 *
 * `crossing` says what will clone it. For a `thread` (the default; postMessage) shared memory is plain, and passes by
 * reference. For a `process` (v8.serialize) shared memory is refused, and a Buffer is exotic because it would stay one.
 *
 * Throws {@link CodecError} with its path for what cannot be sent. Limits of size are not looked at, and neither are
 * named properties of arrays with more than 1,024 items: structured clone meets those itself.
 */
export function inspect(value: unknown, where: string, crossing: Crossing = "thread"): "primitive" | "plain" | "exotic" {
  if (value === null || (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol"))
    return "primitive";
  return isPlain(value) || !isExotic(value, where, crossing) ? "plain" : "exotic";
}
