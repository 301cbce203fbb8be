// What the scripts answer, and what it means.
import { StoreError } from "../../core/errors.ts";
import type { JobState } from "../../task/state.ts";
import { jobStates } from "../../task/state.ts";
import type { Ended, Input, Job, StoredRecord } from "../job.ts";
import type { Renewal } from "../lease.ts";
import type { NewWorker, QueueStats, ReadyLine, Settled, StoredGate, StoredWorker, Tended } from "../store.ts";
import { separator, textOf } from "./field.ts";
import { gateNameOf } from "./gate-text.ts";
import { recordText } from "./record-text.ts";
import { Kinds, stateOf, toClaimed, toEnded, toJob, toKind } from "./text.ts";

/** The server's clock: seconds and microseconds. */
export type Time = readonly [seconds: string, micros: string];
/** Flat rows, the names of kinds, and where to go on. */
export type Page = readonly [rows: readonly string[], kinds: readonly string[], after: string];
/** What `settle` answers. */
export type SettleReply = readonly [
  refused: readonly number[],
  ended: readonly string[],
  claimed: readonly string[],
  kinds: readonly string[],
  events: string,
];
/** What a job gets of a dependency: its result, or id and record of one that ended otherwise. */
type InputReply = string | readonly [id: string, record: string];
/** What each job gets, or why that cannot be said; and the names of kinds. */
export type InputsReply = readonly [answers: readonly (readonly InputReply[] | string)[], kinds: readonly string[]];
/** What `change` answers. */
export type ChangeReply = readonly [changed: readonly string[], events: string];
/** What `write` answers: for each record whether it was written; and what happened. */
export type WriteReply = readonly [written: readonly number[], others: unknown, events: string];
/** What `cancel` answers. */
export type CancelReply = readonly [
  cancelled: readonly string[],
  requested: readonly string[],
  failed: readonly string[],
  events: string,
];
/** What `retry` answers. */
export type RetryReply = readonly [revived: readonly string[], events: string];
/** How many, and where to go on. */
export type RemoveReply = readonly [count: number, after: string];
/** What `releaseOthers` answers. */
export type ReleaseReply = readonly [count: number, events: string];
/** What `renew` answers. */
export type RenewReply = readonly [alive: number, cancels: readonly string[], drain: number, time: Time];
/** What `tend` answers. */
export type TendReply = readonly [
  promoted: number,
  recovered: number,
  pruned: number,
  ended: readonly string[],
  lost: readonly string[],
  nextDue: string,
  kinds: readonly string[],
  events: string,
  time: Time,
];
/** What `queues` answers. */
export type QueuesReply = readonly [
  counts: readonly string[],
  kinds: readonly string[],
  paused: readonly string[],
  oldestReadyAt: readonly string[],
];

/** Ids from their fields. */
export function toIds(fields: readonly string[]): string[] {
  return fields.map(textOf);
}

function pairs<T>(flat: readonly string[], make: (first: string, second: string) => T): T[] {
  const made: T[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) made.push(make(flat[i] as string, flat[i + 1] as string));
  return made;
}

function triples<T>(flat: readonly string[], make: (first: string, second: string, third: string) => T): T[] {
  const made: T[] = [];
  for (let i = 0; i + 2 < flat.length; i += 3) made.push(make(flat[i] as string, flat[i + 1] as string, flat[i + 2] as string));
  return made;
}

function endedOf(flat: readonly string[], kinds: Kinds): Ended[] {
  return pairs(flat, (id, record) => toEnded(id, record, kinds));
}

/** What `settle` did. */
export function toSettled([refused, ended, claimed, names]: SettleReply): Settled {
  const kinds = new Kinds(names);
  return { refused, ended: endedOf(ended, kinds), claimed: claimed.flatMap((texts) => toClaimed(texts, kinds)) };
}

/** Jobs of a page. */
export function toJobs([rows, names]: Page): Job[] {
  const kinds = new Kinds(names);
  return triples(rows, (id, text, record) => toJob(id, text, record, kinds));
}

/** Ended jobs of a page. */
export function toEndings([rows, names]: Page): Ended[] {
  return endedOf(rows, new Kinds(names));
}

/** What jobs of these ids get. Throws a StoreError where that cannot be said. */
export function toInputs(ids: readonly string[], [answers, names]: InputsReply): Input[][] {
  const kinds = new Kinds(names);
  const inputOf = (input: InputReply): Input => (typeof input === "string" ? textOf(input) : toEnded(input[0], input[1], kinds));
  return answers.map((answer, index) => {
    if (typeof answer !== "string") return answer.map(inputOf);
    const failure = `The inputs of job "${ids[index]}" cannot be read`;
    if (answer === "gone") throw new StoreError(`${failure}: the job is not stored. It was removed or pruned.`);
    const [what, id] = answer.split(separator);
    if (what === "missing") throw new StoreError(`${failure}: jobs it depends on are no longer stored.`);
    throw new StoreError(`${failure}: "${textOf(id)}", which it depends on, is not done.`);
  });
}

/** Records: name, text, name, text. */
export function toRecords(flat: readonly string[]): StoredRecord[] {
  return pairs(flat, (name, text) => ({ name: textOf(name), text: recordText(text) }));
}

/** Gates: name, what is known of it, ids of some that have a place. */
export function toGates(flat: readonly string[]): StoredGate[] {
  return triples(flat, (name, text, ids) => {
    const [waiting, room, held, everyMs = "", , , nextAt = ""] = text.split(" ");
    return {
      name: gateNameOf(name),
      room: Number(room),
      everyMs: everyMs === "" ? null : Number(everyMs),
      held: Number(held),
      waiting: Number(waiting),
      holders: ids === "" ? [] : ids.split(separator).map(textOf),
      nextAt: nextAt === "" ? null : Number(nextAt),
    };
  });
}

/** Lines from the names of kinds. */
export function toLines(names: readonly string[]): ReadyLine[] {
  return names.map(toKind);
}

/** What a renewal tells. */
export function toRenewal([alive, cancels, drain]: RenewReply): Renewal {
  return { alive: alive === 1, cancels: toIds(cancels), drain: drain === 1 };
}

/** What `tend` did. */
export function toTended([promoted, recovered, pruned, ended, lost, nextDue, names]: TendReply): Tended {
  return {
    promoted,
    recovered,
    pruned,
    ended: endedOf(ended, new Kinds(names)),
    lost: toIds(lost),
    nextDueAt: nextDue === "" ? null : Number(nextDue),
  };
}

/** Workers, by id. */
export function toWorkers(flat: readonly string[]): StoredWorker[] {
  const workers: StoredWorker[] = [];
  for (let i = 0; i + 3 < flat.length; i += 4) {
    const worker = JSON.parse(flat[i + 2] as string) as NewWorker;
    workers.push({ ...worker, leaseUntil: Number(flat[i + 1]), running: Number(flat[i + 3]) });
  }
  return workers.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function noJobs(): Record<JobState, number> {
  return Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>;
}

/** Numbers of queues, by name. */
export function toQueues([counts, names, paused, oldest]: QueuesReply): QueueStats[] {
  const kinds = new Kinds(names);
  const found = new Map<string, Record<JobState, number>>();
  for (const [field, count] of pairs(counts, (a, b) => [a, Number(b)] as const)) {
    if (count === 0) continue;
    const { queue } = kinds.find(field.slice(1));
    let of = found.get(queue);
    if (!of) found.set(queue, (of = noJobs()));
    of[stateOf(field.charAt(0))] += count;
  }
  const stopped = new Set(toIds(paused));
  for (const queue of stopped) if (!found.has(queue)) found.set(queue, noJobs());
  const oldestIn = new Map(pairs(oldest, (queue, at) => [textOf(queue), Number(at)]));
  return [...found]
    .map(([queue, numbers]) => ({
      queue,
      paused: stopped.has(queue),
      counts: numbers,
      oldestReadyAt: oldestIn.get(queue) ?? null,
    }))
    .sort((a, b) => (a.queue < b.queue ? -1 : 1));
}
