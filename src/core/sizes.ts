// Sizes as users write them: a number of bytes, or "256kB", "1.5MB", "1MiB".
import { UsageError } from "./errors.ts";
import { show } from "./show.ts";

/** A number of bytes, or a text such as `"256kB"` (of 1000 bytes), `"1MB"`, `"512KiB"` (of 1024), `"1MiB"`. */
export type Size = number | `${number}${"B" | "kB" | "MB" | "KiB" | "MiB"}`;

const unitBytes: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, KiB: 2 ** 10, MiB: 2 ** 20 };

/** The size in bytes. Throws {@link UsageError} naming `what` unless it is finite and not negative. */
export function toBytes(size: unknown, what: string): number {
  if (typeof size === "number" && Number.isFinite(size) && size >= 0) return size;
  const match = typeof size === "string" ? /^(\d+(?:\.\d+)?)(B|kB|MB|KiB|MiB)$/.exec(size) : null;
  if (match?.[1] !== undefined && match[2] !== undefined) return Number(match[1]) * (unitBytes[match[2]] ?? 1);
  throw new UsageError(`${what} must be a size, found ${show(size)}. Use bytes (262144) or a text such as "256kB" or "1MB".`);
}
