// What a task throws, as text. Anything can be thrown, so nothing here may fail: what cannot be sent is replaced, in its
// place, by a CodecError that says what was there; what is too large is cut down to its class and texts; and a text that
// cannot be read becomes an error that says so.
import { CodecError, ManyhandsError, SealError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { decode, encode } from "./codec.ts";
import { errorClassOf, makeError } from "./codec/error-classes.ts";
import { defaultMaxBytes } from "./codec/size.ts";
import { writeTable } from "./codec/write.ts";

const longText = 10_000;

function cut(text: string): string {
  return text.length > longText ? `${text.slice(0, longText)}... (${text.length - longText} more characters)` : text;
}

/** The class, name, message and stack of an error that cannot be sent whole; `cause` tells why. */
function outline(thrown: unknown, cause: unknown): unknown {
  if (!(thrown instanceof Error)) return cause;
  const made = makeError(errorClassOf(thrown)) ?? new Error();
  for (const key of ["name", "message", "stack"] as const) {
    const text: unknown = thrown[key];
    if (typeof text === "string") Object.defineProperty(made, key, { value: cut(text), configurable: true, writable: true });
  }
  const { code } = thrown as { readonly code?: unknown };
  if (typeof code === "string" || typeof code === "number") Object.assign(made, { code });
  made.cause = cause;
  return made;
}

function encodeOutline(thrown: unknown, cause: unknown): string {
  try {
    return encode(outline(thrown, cause), "thrown");
  } catch (error) {
    return encode(
      new CodecError(`What the task threw cannot be sent: ${error instanceof Error ? cut(error.message) : ""}`, "thrown"),
      "thrown",
    );
  }
}

/**
 * What a task threw, as text for {@link decodeThrown}. Never throws: a function, a class instance, a getter that fails and
 * the like are replaced by a {@link CodecError} in their place, and what encodes to more than 16 MiB by its class, name,
 * message and stack.
 */
export function encodeThrown(thrown: unknown): string {
  try {
    return encode(thrown, "thrown");
  } catch {
    // Something in it cannot be sent: what follows names it in its place.
  }
  try {
    return writeTable(thrown, { where: "thrown", replace: true }, defaultMaxBytes);
  } catch (tooLarge) {
    return encodeOutline(thrown, tooLarge);
  }
}

/** What {@link encodeThrown} was given. Never throws: for a text it cannot read it gives a {@link ManyhandsError} that says so. */
export function decodeThrown(text: string): unknown {
  try {
    return decode(text);
  } catch (cause) {
    if (cause instanceof SealError) return cause;
    return new ManyhandsError("CODEC", `What the task threw cannot be read. Found ${show(text)}.`, { cause });
  }
}
