// Counting words: one task for each file, one that adds all counts together.
import { readFile } from "node:fs/promises";
import { task } from "manyhands";

/** Words of one file with how often each occurs. Pairs, not an object: a word may well be "__proto__". */
export type Counts = readonly (readonly [word: string, count: number])[];

// Finds words as Unicode defines them, in any script; two letters or more.
const segmenter = new Intl.Segmenter("en", { granularity: "word" });
const word = /^\p{Letter}[\p{Letter}'’]+$/u;

/** The words of a file in lower case, the most common first. */
export const countWords = task(
  "countWords",
  async (path: string): Promise<Counts> => {
    const counts = new Map<string, number>();
    for (const { segment } of segmenter.segment((await readFile(path, "utf8")).toLowerCase())) {
      if (word.test(segment)) counts.set(segment, (counts.get(segment) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]);
  },
  { on: "thread" },
);

/** What all files come to. */
export interface Summary {
  readonly words: number;
  readonly different: number;
  readonly top: Counts;
}

/** The fan-in: adds the counts of all files and keeps the `limit` most common words. */
export const mostCommon = task(
  "mostCommon",
  (files: readonly Counts[], limit: number): Summary => {
    const total = new Map<string, number>();
    let words = 0;
    for (const counts of files) {
      for (const [each, count] of counts) {
        total.set(each, (total.get(each) ?? 0) + count);
        words += count;
      }
    }
    const top = [...total].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit);
    return { words, different: total.size, top };
  },
  { on: "thread" },
);
