// Texts that middleware has changed for the store: `~<name of the middleware>:<what it made of the text>`, perhaps several times over. No
// encoded text begins with "~", so whoever meets one knows that it has to be opened first, and by whom. What could not be opened travels on as
// `~!<why>`, within a program only, and comes to light where it is decoded: so one text that nobody can open fails one job, or is shown
// as what it is, and stops nothing else.
import { SealError } from "../core/errors.ts";

const mark = "~";

/** True for a text that is not what was encoded, but what middleware has made of it. */
export function isSealed(text: string): boolean {
  return text.startsWith(mark);
}

/** The text as this middleware has sealed it. */
export function sealedBy(name: string, sealed: string): string {
  return `${mark}${name}:${sealed}`;
}

/** The middleware that sealed the text last, and what it made. Undefined for what is no such text. */
export function sealOf(text: string): { readonly name: string; readonly sealed: string } | undefined {
  const end = text.indexOf(":");
  const name = text.slice(1, end);
  return isSealed(text) && end > 0 && /^[\w.-]+$/.test(name) ? { name, sealed: text.slice(end + 1) } : undefined;
}

/** Takes the place of a text that could not be opened. */
export function unopened(why: string): string {
  return `${mark}!${why}`;
}

/** The text, if it is not sealed. Throws a SealError otherwise. */
export function unsealed(text: string): string {
  if (isSealed(text)) throw sealErrorOf(text);
  return text;
}

/** Why a sealed text cannot be decoded. */
export function sealErrorOf(text: string): SealError {
  if (text.startsWith(`${mark}!`)) return new SealError(text.slice(2));
  const by = sealOf(text);
  return by
    ? notUsed(by.name)
    : new SealError("The stored text is damaged or foreign: it begins as a sealed one, and names no middleware.");
}

/** The error for a text that names middleware this program does not use. */
export function notUsed(name: string): SealError {
  return new SealError(
    `The stored text is sealed by the middleware "${name}", which this program does not use. Connect with it: connect(url, { use: [...] }).`,
  );
}
