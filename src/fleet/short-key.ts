// What stands for a key in a store. Stores index keys, and an index has room for so much of a text only (of PostgreSQL 2.7 kB); so a long
// one is stored as its beginning, for people, and a digest of all of it. What comes of that is longer than any key that is left as
// it is, so that no two keys come to the same.
import { createHash } from "node:crypto";

/** In characters, of which each takes three bytes at most. */
const longest = 500;
const digestLength = 43;

/** The key as it is stored: itself, or where it has more than 500 characters its beginning, "…" and its SHA-256. */
export function shortKey(key: string): string {
  if (key.length <= longest) return key.toWellFormed();
  const digest = createHash("sha256").update(key).digest("base64url");
  return `${key.slice(0, longest - digestLength)}…${digest}`.toWellFormed();
}
