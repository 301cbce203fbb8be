// Counting words: one task for each file, one that adds all counts together.
import { readFile } from "node:fs/promises";
import { task } from "manyhands";

/** A word with how often it occurs. Pairs, not an object with words as keys: a word may well be "__proto__". */
export type Count = readonly [word: string, count: number];

/** What one file holds. */
export interface FileCounts {
  readonly characters: number;
  readonly sentences: number;
  readonly words: readonly Count[];
}

// Characters, sentences and words as Unicode defines them, in any script: an emoji is one character, "don't" is one word.
const characters = new Intl.Segmenter("en", { granularity: "grapheme" });
const sentences = new Intl.Segmenter("en", { granularity: "sentence" });
const segments = new Intl.Segmenter("en", { granularity: "word" });
const word = /^\p{Letter}[\p{Letter}'’]+$/u;

function lengthOf(segmented: Intl.Segments): number {
  let length = 0;
  for (const _ of segmented) length += 1;
  return length;
}

/** Counts the words of a file, in lower case. Words of one letter do not count. */
export const countWords = task(
  "countWords",
  async (path: string): Promise<FileCounts> => {
    const text = await readFile(path, "utf8");
    const counts = new Map<string, number>();
    for (const { segment } of segments.segment(text.toLowerCase())) {
      if (word.test(segment)) counts.set(segment, (counts.get(segment) ?? 0) + 1);
    }
    return {
      characters: lengthOf(characters.segment(text)),
      sentences: lengthOf(sentences.segment(text)),
      words: [...counts],
    };
  },
  { on: "thread" },
);

/** What all files come to. */
export interface Summary {
  readonly characters: number;
  readonly sentences: number;
  readonly words: number;
  readonly different: number;
  readonly top: readonly Count[];
}

/** The fan-in: adds the counts of all files and keeps the `limit` most common words. */
export const mostCommon = task(
  "mostCommon",
  (files: readonly FileCounts[], limit: number): Summary => {
    const total = new Map<string, number>();
    for (const [each, count] of files.flatMap((file) => file.words)) total.set(each, (total.get(each) ?? 0) + count);
    const sum = (numbers: Iterable<number>): number => Iterator.from(numbers).reduce((a, b) => a + b, 0);
    return {
      characters: sum(files.map((file) => file.characters)),
      sentences: sum(files.map((file) => file.sentences)),
      words: sum(total.values()),
      different: total.size,
      top: [...total].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit),
    };
  },
  { on: "thread" },
);
