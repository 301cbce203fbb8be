// Counting words: one task for each file, one that adds all counts together.
import { readFile } from "node:fs/promises";
import { constants, zstdCompressSync } from "node:zlib";
import { task } from "manyhands";

/** A word with how often it occurs. Pairs, not an object with words as keys: a word may well be "__proto__". */
export type Count = readonly [word: string, count: number];

/** What one file holds. */
export interface FileCounts {
  readonly bytes: number;
  /** What Zstandard makes of them: the more a text repeats itself, the less. */
  readonly compressed: number;
  readonly words: readonly Count[];
}

// Two letters or more, of any script.
const word = /\p{Letter}{2,}/gu;
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 17 } };

/** Counts the words of a file, in lower case, and measures how far it compresses, which takes most of the time. */
export const countWords = task(
  "countWords",
  async (path: string): Promise<FileCounts> => {
    const bytes = await readFile(path);
    const counts = new Map<string, number>();
    for (const each of bytes.toString().toLowerCase().match(word) ?? []) counts.set(each, (counts.get(each) ?? 0) + 1);
    return { bytes: bytes.length, compressed: zstdCompressSync(bytes, compression).length, words: [...counts] };
  },
  { on: "thread" },
);

/** What all files come to. */
export interface Summary {
  readonly bytes: number;
  readonly compressed: number;
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
      bytes: sum(files.map((file) => file.bytes)),
      compressed: sum(files.map((file) => file.compressed)),
      words: sum(total.values()),
      different: total.size,
      top: [...total].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit),
    };
  },
  { on: "thread" },
);
