// What a task logs, on its way into records of its job: chunks of lines, of which the last is written anew until it is full. A job keeps its
// last lines only; how many were dropped is kept with them.
import type { Change } from "../task/durable/host.ts";

/** What records of a log begin with: then the number of the claim, and that of the chunk. */
export const logPrefix = "log/";
/** How many lines were dropped; by name behind all chunks. */
export const droppedRecord: string = `${logPrefix}dropped`;

const keptLines = 1000;
const keptChars = 64 * 1024;
const chunkLines = 50;
const chunkChars = 4096;
/** The rest of a longer line is cut off. */
const longestLine = 4000;

/** A line with its time, in ms since 1970. */
export type TimedLine = readonly [at: number, line: string];

/** A chunk as it is stored. */
export interface StoredChunk {
  readonly attempt: number;
  readonly lines: readonly TimedLine[];
}

interface Chunk {
  readonly name: string;
  lines: number;
  chars: number;
}

/** A chunk's record, read; undefined for what another program wrote there. */
export function readChunk(text: string): StoredChunk | undefined {
  try {
    const { attempt, lines } = JSON.parse(text) as StoredChunk;
    return typeof attempt === "number" && Array.isArray(lines) ? { attempt, lines } : undefined;
  } catch {
    return undefined;
  }
}

/** The log of one attempt. */
export class JobLog {
  readonly #fence: number;
  readonly #attempt: number;
  #pending: TimedLine[] = [];
  /** Oldest first, also those of attempts before. */
  #chunks: Chunk[] = [];
  /** The lines of the last chunk. */
  #tail: TimedLine[] = [];
  #count = 0;
  #dropped = 0;
  #droppedWritten = 0;

  constructor(fence: number, attempt: number) {
    this.#fence = fence;
    this.#attempt = attempt;
  }

  add(at: number, line: string): void {
    this.#pending.push([at, line.length > longestLine ? `${line.slice(0, longestLine)}…` : line]);
    // A task may log in a loop that lets nobody else run.
    if (this.#pending.length < 2 * keptLines) return;
    this.#dropped += keptLines;
    this.#pending = this.#pending.slice(keptLines);
  }

  /** What attempts before have left: records by name, oldest first. */
  adopt(records: readonly { readonly name: string; readonly text: string }[]): void {
    const chunks: Chunk[] = [];
    for (const { name, text } of records) {
      if (name === droppedRecord) {
        this.#dropped += Number(text) || 0;
        this.#droppedWritten = Number(text) || 0;
      } else chunks.push({ name, lines: readChunk(text)?.lines.length ?? 0, chars: text.length });
    }
    const own = new Set(this.#chunks.map(({ name }) => name));
    this.#chunks = [...chunks.filter(({ name }) => !own.has(name)), ...this.#chunks];
  }

  /** The records to write now. */
  take(): Change[] {
    const texts = new Map<string, string>();
    for (const line of this.#pending) {
      let chunk = this.#tail.length === 0 ? undefined : this.#chunks.at(-1);
      if (!chunk || chunk.lines >= chunkLines || chunk.chars >= chunkChars) chunk = this.#open();
      this.#tail.push(line);
      chunk.lines += 1;
      chunk.chars += line[1].length;
      texts.set(chunk.name, "");
      if (chunk.lines >= chunkLines || chunk.chars >= chunkChars) texts.set(chunk.name, this.#tailText());
    }
    this.#pending = [];
    const last = this.#chunks.at(-1);
    if (last && texts.has(last.name)) texts.set(last.name, this.#tailText());
    return this.#trimmed(texts);
  }

  #open(): Chunk {
    const number = String(this.#count++).padStart(6, "0");
    const chunk = { name: `${logPrefix}${String(this.#fence).padStart(10, "0")}/${number}`, lines: 0, chars: 0 };
    this.#chunks.push(chunk);
    this.#tail = [];
    return chunk;
  }

  #tailText(): string {
    const chunk: StoredChunk = { attempt: this.#attempt, lines: this.#tail };
    return JSON.stringify(chunk);
  }

  #trimmed(texts: Map<string, string>): Change[] {
    const gone: Change[] = [];
    let lines = this.#chunks.reduce((sum, chunk) => sum + chunk.lines, 0);
    let chars = this.#chunks.reduce((sum, chunk) => sum + chunk.chars, 0);
    while ((lines > keptLines || chars > keptChars) && this.#chunks.length > 1) {
      const oldest = this.#chunks.shift() as Chunk;
      lines -= oldest.lines;
      chars -= oldest.chars;
      this.#dropped += oldest.lines;
      // One that was never written need not be deleted, but may have been, before it was full.
      texts.delete(oldest.name);
      gone.push([oldest.name, null]);
    }
    if (this.#dropped > this.#droppedWritten) {
      this.#droppedWritten = this.#dropped;
      gone.push([droppedRecord, String(this.#dropped)]);
    }
    return [...texts, ...gone];
  }
}
