// SQLite's write-ahead log, as a file to be flushed. A commit with synchronous=NORMAL is in the log, whole and checksummed, but
// perhaps not yet on the disk; flushing the file is all that FULL does besides. The log stays the same file as long as a connection is open, and
// if a checkpoint has meanwhile moved the commit into the database, SQLite has flushed both.
import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { flushFolder } from "./open.ts";

export class Log {
  readonly #path: string;
  #file: number | undefined;

  /** `path` is that of the database. The log is opened when it is first flushed: only then it exists. */
  constructor(path: string) {
    this.#path = `${path}-wal`;
  }

  /** Returns when everything committed so far is on the disk. Throws what the system says when it cannot be. */
  flush(): void {
    this.#file ??= this.#open();
    fdatasyncSync(this.#file);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #open(): number {
    const file = openSync(this.#path, "r+");
    flushFolder(dirname(this.#path));
    return file;
  }
}
