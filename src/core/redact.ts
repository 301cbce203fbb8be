// Secrets stay out of whatever is printed, logged or thrown.

/** What is shown of a text that is no URL and may hold a password anywhere. */
export const notShown = "(not shown, it may hold a password)";

/**
 * The URL with its password, and parameters that may be secrets, replaced by `***`. A text that is no URL is given back as it is,
 * unless it looks as if somebody had left out a part of one.
 */
export function withoutPassword(url: string): string {
  const isReadable = /^([\w+.-]+:\/\/|sqlite:)/.test(url);
  if (!isReadable && /@|password/i.test(url)) return notShown;
  return url.replace(/^([\w+.-]+:\/\/[^:/?#]*):.*@/s, "$1:***@").replace(/(password=)[^&#]*/gi, "$1***");
}
