// "Did you mean": the nearest known name by Levenshtein distance (Wagner and Fischer, 1974), in which two letters that have changed places
// are one mistake; and the check of option bags.
import { UsageError } from "./errors.ts";
import { show } from "./show.ts";

function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwapped ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(substitution, swap, (next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** `Did you mean "x"?` for the closest known name, or the whole list when none is close. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const names = [...known].sort();
  const scored = names.map((each) => [distance(name.toLowerCase(), each.toLowerCase()), each] as const);
  const best = scored.sort((a, b) => a[0] - b[0])[0];
  if (best && best[0] <= Math.max(2, Math.floor(name.length / 3))) return `Did you mean "${best[1]}"?`;
  if (names.length === 0) return "There are none.";
  const listed = names.slice(0, 20).map((each) => `"${each}"`);
  return `Known: ${listed.join(", ")}${names.length > 20 ? ", ..." : ""}.`;
}

/** Throws {@link UsageError} unless `options` is a plain bag with only `known` keys. */
export function checkOptions(options: unknown, known: readonly string[], where: string): void {
  if (options === undefined) return;
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    throw new UsageError(`${where} takes an object of options, found ${show(options)}.`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new UsageError(`${where} has no option "${key}". ${didYouMean(key, known)}`);
  }
}

/** The value as an integer within the range, or a {@link UsageError} naming `what`. */
export function checkInteger(value: unknown, what: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new UsageError(`${what} must be a whole number ${range}, found ${show(value)}.`);
}
