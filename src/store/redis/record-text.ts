// The texts of records.
import type { PastAttempt } from "../machine.ts";
import { escape, fromField, textOf } from "./field.ts";

const between = `${escape}3`;
const asJson = `${escape}4`;

/** The text of a record. Where the server makes one, it marks what is to be JSON: a text or null, or the fields of a past attempt. */
export function recordText(field: string): string {
  if (field.startsWith(asJson)) return JSON.stringify(fromField(field.slice(asJson.length)));
  if (!field.includes(between)) return textOf(field);
  const [kind, worker, startedAt, endedAt, error] = field.split(between);
  const past = [
    kind as PastAttempt[0],
    textOf(worker),
    Number(startedAt),
    Number(endedAt),
    fromField(error),
  ] satisfies PastAttempt;
  return JSON.stringify(past);
}
