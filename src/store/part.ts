// How much a part of a dump holds. Arguments and results may be long, and what one store gives at once another has to take at once, in
// one text or one message, so a part has fewer jobs where they are large.

/** A part holds texts of at most so many characters, or bytes where a store counts those; or a single job. */
export const partChars: number = 8 * 2 ** 20;

/** How many of the jobs that come next fit into one part, by the lengths of their arguments, results and errors. */
export function fitting(lengths: readonly number[]): number {
  let sum = 0;
  const tooMany = lengths.findIndex((length, index) => (sum += length) > partChars && index > 0);
  return tooMany === -1 ? lengths.length : tooMany;
}
