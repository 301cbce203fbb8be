// Reading and changing the stored schedules. A change compares what it saw with what stands there, and looks again when someone
// else was faster.
import type { ManyhandsError } from "../../core/errors.ts";
import { SealError, StoreError } from "../../core/errors.ts";
import type { NewJob } from "../../store/job.ts";
import type { Added, Store } from "../../store/store.ts";
import { isSealed, sealErrorOf } from "../../task/sealed.ts";
import type { Stored } from "./record.ts";
import { nameOfRecord, readRecord, recordName, writeRecord } from "./record.ts";

const pageRows = 500;

/** A schedule as it was read. */
export interface Entry {
  readonly name: string;
  readonly text: string;
  /** Undefined when this version cannot read the text. */
  readonly stored: Stored | undefined;
}

/** What a stored schedule is to become; jobs are added in the same step. */
export interface Change {
  /** Null deletes it. */
  readonly to: Stored | null;
  readonly jobs?: readonly NewJob[];
}

function entryOf({ name, text }: { readonly name: string; readonly text: string }): Entry {
  return { name: nameOfRecord(name), text, stored: readRecord(text) };
}

/** All schedules, by name. */
export async function readAll(store: Store): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  for (let after: string | undefined; ;) {
    const rows = await store.records("", recordName(""), pageRows, after);
    found.push(...rows.map(entryOf));
    if (rows.length < pageRows) return found;
    after = rows.at(-1)?.name;
  }
}

/** One schedule, or undefined when there is none of this name. */
export async function readOne(store: Store, name: string): Promise<Entry | undefined> {
  // Of the names that begin so, its own is the first.
  const [row] = await store.records("", recordName(name), 1);
  return row?.name === recordName(name) ? entryOf(row) : undefined;
}

/** What is wrong with a schedule whose text cannot be read. */
export function notUnderstood({ name, text }: Entry): ManyhandsError {
  if (isSealed(text)) {
    const why = sealErrorOf(text);
    return new SealError(`Schedule "${name}" cannot be read: ${why.message} Or remove the schedule and define it again.`, {
      cause: why,
    });
  }
  return new StoreError(
    `Schedule "${name}" was written by another version of manyhands, or damaged. Use that version, or remove the schedule and define it again.`,
  );
}

/** The schedule as this version understands it. Throws a StoreError when it does not, a SealError where it is sealed. */
export function understood(entry: Entry): Stored {
  if (entry.stored) return entry.stored;
  throw notUnderstood(entry);
}

/** Sets what `before` is to become, if it stands there still; null when it does not. */
export function replace(
  store: Store,
  name: string,
  before: string | null,
  { to, jobs = [] }: Change,
): Promise<readonly Added[] | null> {
  const record = { name: recordName(name), from: before, to: to && writeRecord(to) };
  return store.addIf(record, jobs, store.now());
}

/** Changes a schedule, as often as someone else is faster; `decide` gives undefined to leave it as it is. */
export async function change(
  store: Store,
  name: string,
  decide: (entry: Entry | undefined) => Promise<Change | undefined> | Change | undefined,
): Promise<readonly Added[] | undefined> {
  for (;;) {
    const entry = await readOne(store, name);
    const wanted = await decide(entry);
    if (wanted === undefined) return undefined;
    const added = await replace(store, name, entry?.text ?? null, wanted);
    if (added !== null) return added;
  }
}
