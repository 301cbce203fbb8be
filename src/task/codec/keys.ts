// Property names that JSON writes with an escape. The JSON.parse of Node 24 and 26 can give such a property another name:
// where the name is looked up among those of earlier objects, its escapes are not undone, so that after an object with the
// key `\` a key of one line feed is read as `\` too (github.com/nodejs/node/issues/63785). Texts of this codec therefore
// never hold such a name as a key: the table writes the properties of those objects as a list.

/** True for a property name that JSON.stringify writes with a backslash. It runs for every property: no regular expression. */
export function isEscaped(key: string): boolean {
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    if (code < 32 || code === 34 || code === 92) return true;
    // Of surrogates, those without their other half are escaped.
    if (code >= 0xd800 && code <= 0xdfff && !key.isWellFormed()) return true;
  }
  return false;
}
