// The limit on the size of an encoded value. It is refused loudly, with the size, the limit and what to do.
import { CodecError } from "../../core/errors.ts";

/** The largest text that `encode` gives unless told otherwise: 16 MiB. */
export const defaultMaxBytes: number = 16 * 1024 * 1024;

function showBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** The error for a text of `bytes`; `prefix` is "more than " where it was not written to the end. */
export function refuseSize(where: string, bytes: number, maxBytes: number, prefix = ""): CodecError {
  return new CodecError(
    `${where} encodes to ${prefix}${showBytes(bytes)}, over the limit of ${showBytes(maxBytes)}. ` +
      "Send less: a file name or key the task reads by itself, or smaller parts in several calls.",
    where,
  );
}

/** Throws {@link CodecError} when the text is longer than `maxBytes` of UTF-8. */
export function checkSize(text: string, where: string, maxBytes: number): void {
  // No character of a text takes more than three bytes, so most texts need not be measured.
  if (text.length * 3 <= maxBytes) return;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw refuseSize(where, bytes, maxBytes);
}
