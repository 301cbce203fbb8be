// Texts and lists as PostgreSQL takes them. Its texts cannot hold the character NUL, which ids and reasons may: NUL and the
// character used to write it are written as two. Lists are written as array literals here, since the client library's own way takes
// longer than the server needs for the whole statement.

const nul = "\u0000";
const mark = "\u0001";

/** A text as it is stored. */
export function toStored(text: string): string {
  if (!text.includes(nul) && !text.includes(mark)) return text;
  return text.replaceAll(mark, `${mark}1`).replaceAll(nul, `${mark}0`);
}

/** A stored text as it was given. */
export function fromStored(text: string): string {
  if (!text.includes(mark)) return text;
  return text.replaceAll(`${mark}0`, nul).replaceAll(`${mark}1`, mark);
}

/** As {@link toStored}; null stays null. */
export function toStoredOrNull(text: string | null): string | null {
  return text === null ? null : toStored(text);
}

/** As {@link fromStored}; null stays null. */
export function fromStoredOrNull(text: string | null): string | null {
  return text === null ? null : fromStored(text);
}

const special = /["\\]/g;

/** An array of texts. */
export function textArray(texts: readonly (string | null)[]): string {
  let literal = "{";
  for (const text of texts) {
    if (literal.length > 1) literal += ",";
    literal += text === null ? "NULL" : `"${toStored(text).replace(special, "\\$&")}"`;
  }
  return `${literal}}`;
}

/** An array of arrays, each written as a text, or null when all are null. */
export function sparseListArray(lists: readonly (string | null)[]): string | null {
  if (lists.every((list) => list === null)) return null;
  return `{${lists.map((list) => (list === null ? "NULL" : `"${list.replace(special, "\\$&")}"`)).join(",")}}`;
}

/** An array of texts, or null when all are null. */
export function sparseTextArray(texts: readonly (string | null)[]): string | null {
  return texts.every((text) => text === null) ? null : textArray(texts);
}

/** An array of numbers. */
export function numberArray(numbers: readonly (number | string | null)[]): string {
  return `{${numbers.map((number) => number ?? "NULL").join(",")}}`;
}

/** An array of numbers, or null when all are `empty`. */
export function sparseNumberArray(numbers: readonly (number | null)[], empty: number | null): string | null {
  return numbers.every((number) => number === empty) ? null : numberArray(numbers);
}

/** A name for use in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
