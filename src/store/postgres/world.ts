// The numbers of the locks by which the programs that share a store keep out of each other's way.
import { createHash } from "node:crypto";

/** The number of a lock, from its name. */
export function lockNumber(name: string): string {
  return createHash("sha256").update(`manyhands ${name}`).digest().readBigInt64BE().toString();
}
