// What SQLite's errors mean for a user of the store: what failed, what was found, what to do.
import { ManyhandsError, StoreError, StoreLostError, tooLargeCode } from "../../core/errors.ts";

// Primary result codes, see https://www.sqlite.org/rescode.html; the extended ones carry them in their low byte.
const busy = 5;
const readOnly = 8;
const inputOutput = 10;
const corrupt = 11;
const full = 13;
const cannotOpen = 14;
const protocol = 15;
const tooBig = 18;
const constraint = 19;
const notADatabase = 26;

const advice: Readonly<Record<number, string>> = {
  [busy]: "Another program holds its lock for too long: look for one that keeps a transaction open, or is stopped.",
  [readOnly]:
    "It cannot be written: check the owner and the permissions of the file and its folder, and that the disk is not read-only.",
  [inputOutput]: "The disk gave an error: look into the system's log, and check the disk.",
  [corrupt]:
    'The file is damaged: stop all programs that use it, keep a copy, and restore a backup or save what can be with "sqlite3 FILE .recover".',
  [full]: "The disk is full: free some space and go on. What was acknowledged is kept.",
  [cannotOpen]: "A file could not be opened or made: check that its folder exists and that this user may write there.",
  [tooBig]: "A text is too large for it: let large values be kept elsewhere, see offload().",
  [notADatabase]: "The file is not a SQLite database: give the path of another file, or move this one away.",
};

/** After these, trying again is of no use. */
const lost: ReadonlySet<number> = new Set([corrupt, notADatabase]);

/** SQLite's result code, or undefined when the error is not SQLite's. */
export function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}

/** True when another connection was in the way and trying again will help. */
export function isBusy(error: unknown): boolean {
  const code = (codeOf(error) ?? 0) & 0xff;
  return code === busy || code === protocol;
}

/** True for a job whose id is stored already. */
export function isTakenId(error: unknown): boolean {
  return ((codeOf(error) ?? 0) & 0xff) === constraint && error instanceof Error && error.message.endsWith("job.id");
}

/** The error as users of a store get it. Our own errors pass unchanged. */
export function asStoreError(error: unknown, path: string): Error {
  if (error instanceof ManyhandsError) return error;
  const code = codeOf(error);
  const found = error instanceof Error ? error.message : String(error);
  const todo = code === undefined ? undefined : advice[code & 0xff];
  const message = `The store ${path} failed: ${found}.${todo ? ` ${todo}` : ""}`;
  if (code !== undefined && lost.has(code & 0xff)) return new StoreLostError(message, { cause: error });
  return new StoreError(message, { cause: error }, code !== undefined && (code & 0xff) === tooBig ? tooLargeCode : undefined);
}
