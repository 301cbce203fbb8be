// Opening a store's file: the folder and the file are made when they are missing, readable by their owner alone, and a path
// at which there can be no store is refused with what is wrong with it. Nothing is written to a file before it is known to
// be ours (`migrate.ts`).
import { accessSync, closeSync, constants, existsSync, fsyncSync, mkdirSync, openSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError, StoreLostError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { Connection, patiently } from "./connection.ts";
import { checkFile, migrate } from "./migrate.ts";
import type { Step } from "./schema.ts";
import { asStoreError } from "./trouble.ts";

/** What an acknowledged job survives: loss of power, or the death of every process. */
export type Durability = "full" | "normal";

/** How a file is opened. */
export interface OpenFileOptions {
  readonly durability: Durability;
  readonly runtime: Runtime;
  readonly steps: readonly Step[];
}

/** A new name in a folder survives the loss of power only when the folder is flushed, too. */
export function flushFolder(path: string): void {
  // Windows cannot open folders, and needs no flush for this.
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Folder by folder: the recursive mkdir of Node never ends where a folder cannot be made, as in /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have been faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  flushFolder(dirname(path));
}

function makeFile(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isFile())
      throw new StoreError(`${path} is not a file, so it cannot be a store. Give the path of a file.`);
    accessSync(path, constants.R_OK | constants.W_OK);
    accessSync(dirname(path), constants.W_OK);
    return;
  }
  makeFolder(dirname(path));
  // SQLite gives the files it makes beside this one the same permissions.
  closeSync(openSync(path, "a", 0o600));
  flushFolder(dirname(path));
}

function prepare(path: string): void {
  try {
    makeFile(path);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new StoreError(
      `The store ${path} cannot be opened: ${why}. Its folder must exist or be makeable, and this user must be allowed to write there.`,
      { cause: error },
    );
  }
}

/**
 * A check that the file at the path is still the one that was opened; it throws a StoreError otherwise. A deleted file can
 * be written as long as it is open, and everything acknowledged from then on would be gone.
 */
export function presenceCheck(path: string): () => void {
  const { dev, ino } = statSync(path);
  return () => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.ino === ino && found.dev === dev) return;
    throw new StoreLostError(
      `The store ${path} was ${found ? "replaced by another file" : "deleted"} while this program had it open. ` +
        "Nothing more is written to it: restart this program.",
    );
  };
}

/** The settings of every connection that writes. */
export function configure(db: Connection, durability: Durability): void {
  // A checkpoint follows each 1000 pages; after a burst the log is cut back to 64 MiB.
  db.exec(`PRAGMA synchronous = ${durability}; PRAGMA journal_size_limit = ${64 * 2 ** 20}; PRAGMA cache_size = -16384`);
}

function useLog(db: Connection): void {
  const mode = db.get<{ journal_mode: string }>("PRAGMA journal_mode = WAL")?.journal_mode;
  if (mode === "wal") return;
  throw new StoreError(
    `The store ${db.path} cannot use a write-ahead log (SQLite stays in mode "${mode}"). ` +
      "Several processes cannot share it there: put it on a local disk.",
  );
}

/** Opens the file, making it a store or bringing it to the current layout when needed. Rejects with a StoreError. */
export async function openFile(path: string, { durability, runtime, steps }: OpenFileOptions): Promise<Connection> {
  prepare(path);
  let db: Connection | undefined;
  try {
    // By a link SQLite puts its log beside the file itself; the bell and the flush must find the same place.
    const opened = new Connection(realpathSync(path));
    db = opened;
    const version = await patiently(runtime, () => checkFile(opened, steps));
    await patiently(runtime, () => useLog(opened));
    configure(opened, durability);
    if (version < steps.length) await patiently(runtime, () => opened.transaction(() => migrate(opened, steps)));
    return opened;
  } catch (error) {
    db?.close();
    throw asStoreError(error, path);
  }
}
