// Fields: texts that are joined by a separator, and therefore hold none.

/** Stands between fields: ASCII's unit separator. */
export const separator = "\u001f";

/** Stands before what a field cannot hold. */
export const escape = "\u001b";
// Nothing is left empty by this but null.
const emptyText = `${escape}0`;

/** A text as a field: without separators, and not empty. Null is the empty field. */
export function toField(text: string | null): string {
  if (text === null) return "";
  if (text === "") return emptyText;
  if (!text.includes(separator) && !text.includes(escape)) return text;
  return text.replaceAll(escape, `${escape}1`).replaceAll(separator, `${escape}2`);
}

/** The text of a field, or null. */
export function fromField(field: string | undefined): string | null {
  if (field === undefined || field === "") return null;
  if (!field.includes(escape)) return field;
  if (field === emptyText) return "";
  return field.replaceAll(`${escape}2`, separator).replaceAll(`${escape}1`, escape);
}

/** The text of a field that is never null. */
export function textOf(field: string | undefined): string {
  return fromField(field) ?? "";
}

/** A number as a field; null is the empty one. */
export function numberField(value: number | null): string {
  return value === null ? "" : String(value);
}

/** The number of a field, or null. */
export function numberOf(field: string | undefined): number | null {
  return field === undefined || field === "" ? null : Number(field);
}
