// Secrets stay out of whatever is printed, logged or thrown.

/** The URL with its password, and parameters that may be secrets, replaced by `***`. A text that is no URL is given back as it is. */
export function withoutPassword(url: string): string {
  return url.replace(/^([\w+.-]+:\/\/[^:@/?#]*):.*@/s, "$1:***@").replace(/([?&]\w*password=)[^&#]*/gi, "$1***");
}
