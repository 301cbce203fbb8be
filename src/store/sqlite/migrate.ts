// Making a file a store, and bringing an older store to the current layout: the steps it lacks are applied in order in one
// transaction, so a file is of one version or the next, never between, whatever happens. Several processes may open it
// at once: the version is read again under the write lock, and whoever comes second finds nothing left to do. A file that is
// not ours, or newer than this program knows, is refused before anything is written to it.
import { StoreError, StoreLostError } from "../../core/errors.ts";
import type { Connection } from "./connection.ts";
import type { Step } from "./schema.ts";
import { applicationId } from "./schema.ts";

/** The version a file is of: the number of steps applied to it. 0 for an empty file. */
export function versionOf(db: Connection): number {
  return db.get<{ user_version: number }>("PRAGMA user_version")?.user_version ?? 0;
}

function newerFile(path: string, found: number, known: number): StoreError {
  return new StoreLostError(
    `The store ${path} has layout ${found}; this version of manyhands knows ${known} and older. ` +
      "It was written by a newer one: use that, or give the path of another file.",
  );
}

/** Throws a StoreError for a file that is not a manyhands store, or of a newer layout; returns its version. */
export function checkFile(db: Connection, steps: readonly Step[]): number {
  return db.snapshot(() => checkNow(db, steps));
}

function checkNow(db: Connection, steps: readonly Step[]): number {
  const found = db.get<{ application_id: number }>("PRAGMA application_id")?.application_id ?? 0;
  const tables = db.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 5");
  const version = versionOf(db);
  const isEmpty = found === 0 && tables.length === 0 && version === 0;
  if (found !== applicationId && !isEmpty) {
    const names = tables.map(({ name }) => `"${name}"`).join(", ");
    throw new StoreError(
      `${db.path} is not a manyhands store: it is the SQLite file of another program (application id ${found}, ` +
        `${tables.length === 0 ? "no tables" : `tables ${names}`}). Nothing was changed. Give the path of another file.`,
    );
  }
  if (version > steps.length) throw newerFile(db.path, version, steps.length);
  return version;
}

/** Applies the steps the file lacks. Call it under the write lock; commits nothing itself. */
export function migrate(db: Connection, steps: readonly Step[]): void {
  const version = checkFile(db, steps);
  for (const [index, step] of steps.entries()) {
    if (index < version) continue;
    try {
      db.exec(step.sql);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new StoreError(
        `The store ${db.path} could not be brought from layout ${index} to ${index + 1} ("${step.name}"): ${why}. Nothing was changed.`,
        { cause: error },
      );
    }
  }
  if (version < steps.length) db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}`);
}

/** Throws when another program has changed the layout since this one opened the file. Cheap: asked in each transaction. */
export function checkVersion(db: Connection, expected: number): void {
  const found = versionOf(db);
  if (found === expected) return;
  throw new StoreLostError(
    `The store ${db.path} was brought from layout ${expected} to ${found} by another program while this one had it open. ` +
      "Restart this program with the newer version of manyhands.",
  );
}
