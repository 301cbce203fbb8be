// A bound on the work of reading regular expressions. They are compiled when a text is read, never run; but compiling is
// slow where Unicode properties are used: one \p{RGI_Emoji} takes up to 2 ms, so that a text of some hundred kilobytes
// could hold a worker for minutes. The sum over one value is bounded instead, far above what programs write.

const propertyCost = 512;

/** How much regular expression one value may hold: characters of source, each `\p` or `\P` counted as 512. */
export const regexpBudget: number = 256 * 1024;

/** What a regular expression takes from {@link regexpBudget}. */
export function regexpCost(source: string): number {
  let cost = source.length;
  for (let at = source.indexOf("\\"); at >= 0; at = source.indexOf("\\", at + 2)) {
    const escaped = source[at + 1];
    if (escaped === "p" || escaped === "P") cost += propertyCost;
  }
  return cost;
}
