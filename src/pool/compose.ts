// From entries to the message that gives them to a worker: one column for each property, short where all entries agree.
import type { Entry } from "./entry.ts";
import type { Shape } from "./flat.ts";
import { argsFrom, listOf, widthOf } from "./flat.ts";
import { flat, structured } from "./payload.ts";
import type { TaskRecord } from "./record.ts";
import type { Column, GiveMessage, Ids, Introduction } from "./wire.ts";
import { give } from "./wire.ts";

function column<T extends number>(entries: readonly Entry[], of: (entry: Entry) => T): Column<T> {
  const first = of(entries[0] as Entry);
  for (const entry of entries) if (of(entry) !== first) return entries.map(of);
  return first;
}

function idsOf(entries: readonly Entry[]): Ids {
  const first = (entries[0] as Entry).number;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (entry.number !== first + i || entry.terms) return entries.map((each) => each.terms?.id ?? each.number);
  }
  return first;
}

function introductions(entries: readonly Entry[], known: Set<TaskRecord>): Introduction[] | undefined {
  let made: Introduction[] | undefined;
  let last: TaskRecord | undefined;
  for (const { record } of entries) {
    if (record === last) continue;
    last = record;
    if (known.has(record)) continue;
    known.add(record);
    (made ??= []).push(record.introduction);
  }
  return made;
}

/** The shape that all entries have. */
function shapeOf(entries: readonly Entry[]): Shape | undefined {
  const { shape } = entries[0] as Entry;
  for (const entry of entries) if (entry.shape !== shape) return undefined;
  return shape;
}

/** What the entries of one shape are made of. */
function columnOf(entries: readonly Entry[], shape: Shape): unknown[] {
  const values: unknown[] = [];
  if (widthOf(shape) === 1) for (const { data } of entries) values.push(data);
  else for (const { data } of entries) for (const value of data as unknown[]) values.push(value);
  return values;
}

/** The arguments of an entry by themselves. Flat ones go as what they are: a list for a structured clone. */
function itemOf(entry: Entry): unknown {
  return entry.shape === undefined ? entry.data : argsFrom(entry.shape, listOf(entry), 0);
}

/** The message that gives `entries` to a worker that knows the tasks of `known`; these are added to. */
export function compose(slot: number, entries: readonly Entry[], known: Set<TaskRecord>): GiveMessage {
  const shape = shapeOf(entries);
  return [
    give,
    slot,
    entries.length,
    column(entries, (entry) => entry.record.number),
    shape === undefined ? column(entries, (entry) => (entry.kind === flat ? structured : entry.kind)) : flat,
    shape,
    shape === undefined ? entries.map(itemOf) : columnOf(entries, shape),
    idsOf(entries),
    column(entries, (entry) => entry.attempt),
    introductions(entries, known),
  ];
}
