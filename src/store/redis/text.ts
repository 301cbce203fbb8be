// The texts jobs are kept as: fields joined by a separator that no field holds. The server's scripts split at it and copy pieces;
// they know the same fields (`lua/fields.ts`). Times and other numbers are kept as JavaScript prints them.
import type { FinalState, JobState } from "../../task/state.ts";
import { tolerantPlaces } from "../arrival.ts";
import type { ClaimedJob, Ended, Job, NewJob } from "../job.ts";
import type { OtherCall } from "../store.ts";
import { fromField, numberField, numberOf, separator, textOf, toField } from "./field.ts";
import { gatesOf, gatesPart, placesIn } from "./gate-text.ts";

/** Ids of dependencies as a field of each: with a mark before it, which says whether it need not end as done. One that is gone is null. */
export function dependenciesField(job: {
  readonly dependsOn: readonly (string | null)[];
  readonly tolerates: readonly string[];
}): string {
  const tolerant = tolerantPlaces(job);
  return job.dependsOn.map((id, place) => (tolerant[place] === true ? "~" : "=") + toField(id)).join(separator);
}

/** A queue and a task, as their kind is named. */
export function kindName(queue: string, task: string): string {
  return toField(queue) + separator + toField(task);
}

/** The rank of a priority: with its sign turned, so that all orders ascend. */
export function rankOf(priority: number): string {
  return String(0 - priority);
}

/** True when nothing but what it depends on matters to whether and how a job is added. */
export function isSimple({ dueAt, expiresAt, unique, gates }: NewJob): boolean {
  return dueAt === null && expiresAt === null && unique === null && gates.length === 0;
}

/** What was submitted, as a script takes it; it puts mark, seq and kind before it. */
export function submittedText(job: NewJob, now: number): string {
  return job.keepMs + separator + submittedTail(job, now);
}

/** The same without how long the job is kept, which `addPlain` puts in, too. */
export function submittedTail(job: NewJob, now: number): string {
  const { priority, crashLimit, dueAt, expiresAt, submittedAt, root, id, unique, dependsOn, gates, parent, trace, policy, args } =
    job;
  const times = `${numberField(dueAt)}${separator}${numberField(expiresAt)}${separator}${submittedAt}${separator}`;
  const own = root === id ? "" : toField(root);
  const until = unique ? (unique.until === "started" ? "s" : "e") : "";
  const key = toField(unique?.key ?? null) + separator + until + (gates.length === 0 ? "" : gatesPart(gates));
  return (
    `${rankOf(priority)}${separator}${now}${separator}${crashLimit}${separator}${times}${own}${separator}` +
    `${key}${separator}${dependsOn.length}${separator}${toField(parent)}${separator}${toField(trace)}${separator}` +
    `${toField(policy)}${separator}${toField(args)}`
  );
}

/** A call in place of another, as a script takes it: a mark whether there is one, and what it changes of what was submitted. */
export function callFields(call: OtherCall | undefined): readonly string[] {
  if (!call) return ["", "", "", "", "", ""];
  const { expiresAt, submittedAt, gates, policy, args } = call;
  return ["=", numberField(expiresAt), String(submittedAt), gatesPart(gates), toField(policy), toField(args)];
}

/** The queue and the task of a kind's name. */
export function toKind(name: string): { readonly queue: string; readonly task: string } {
  const [queue, task] = name.split(separator);
  return { queue: textOf(queue), task: textOf(task) };
}

/** The names of kinds that came with an answer: number, queue and task, number, and so on. */
export class Kinds {
  readonly #names = new Map<string, { readonly queue: string; readonly task: string }>();

  constructor(flat: readonly string[]) {
    for (let i = 0; i + 1 < flat.length; i += 2) this.#names.set(flat[i] as string, toKind(flat[i + 1] as string));
  }

  find(kind: string | undefined): { readonly queue: string; readonly task: string } {
    return this.#names.get(kind ?? "") ?? { queue: "", task: "" };
  }
}

/** The fields of a claimed job: its id, what was submitted, and attempt, crashes and fence; at a first start what it gets of the one it waited for, or nothing. */
const claimedFields = 19;

function toClaimedJob(field: readonly string[], at: number, kinds: Kinds): ClaimedJob {
  const id = textOf(field[at]);
  const facts = field[at + 18] ?? "";
  const isGiven = facts.startsWith("=");
  const [attempt, crashes, fence] = facts === "" || isGiven ? [1, 0, 1] : facts.split(" ").map(Number);
  const { queue, task } = kinds.find(field[at + 2]);
  return {
    id,
    task,
    queue,
    args: textOf(field[at + 17]),
    policy: fromField(field[at + 16]),
    attempt: attempt ?? 1,
    crashes: crashes ?? 0,
    fence: fence ?? 1,
    root: fromField(field[at + 10]) ?? id,
    parent: fromField(field[at + 14]),
    trace: fromField(field[at + 15]),
    dependencies: Number(field[at + 13]),
    submittedAt: Number(field[at + 9]),
    ...(isGiven && { inputs: [textOf(facts.slice(1))] }),
  };
}

/** Claimed jobs, from one text of several. */
export function toClaimed(texts: string, kinds: Kinds): ClaimedJob[] {
  const field = texts.split(separator);
  const jobs: ClaimedJob[] = [];
  for (let at = 0; at < field.length; at += claimedFields) jobs.push(toClaimedJob(field, at, kinds));
  return jobs;
}

const stateNames: Readonly<Record<string, JobState>> = {
  b: "blocked",
  s: "scheduled",
  r: "ready",
  u: "running",
  w: "waiting",
  d: "done",
  f: "failed",
  c: "cancelled",
  e: "expired",
};

/** The letter of each state. */
export const stateLetters: Readonly<Record<JobState, string>> = Object.fromEntries(
  Object.entries(stateNames).map(([letter, state]) => [state, letter]),
) as Record<JobState, string>;

/** The state of a letter. */
export function stateOf(letter: string): JobState {
  return stateNames[letter] ?? "waiting";
}

/** An ended job from its record. */
export function toEnded(id: string, record: string, kinds: Kinds): Ended {
  const field = record.split(separator);
  return {
    id: textOf(id),
    task: kinds.find(field[5]).task,
    state: stateOf(field.at(-1) ?? "") as FinalState,
    result: fromField(field[24]),
    error: fromField(field[20]),
    cause: fromField(field[18]),
    cancelReason: fromField(field[17]),
    crashes: Number(field[10]),
    worker: fromField(field[0]),
  };
}

type Changing = Pick<
  Job,
  | "state"
  | "worker"
  | "fence"
  | "readyAt"
  | "attempt"
  | "crashes"
  | "startedAt"
  | "pending"
  | "dueAt"
  | "expiresAt"
  | "cancelAt"
  | "cancelReason"
  | "cause"
  | "progress"
  | "error"
  | "endedAt"
  | "result"
  | "waits"
>;

/** What it waits for, behind what else its end must care for. */
function waitsOf(care: string | undefined = ""): string | null {
  const at = care.indexOf("\u001e");
  return at === -1 ? null : fromField(care.slice(at + 1));
}

function changing(record: string, submitted: readonly string[]): Changing {
  const field = record.split(separator);
  // What is left out of the record of a first run is as it was submitted.
  const readyAt = field[4] === "" && field[8] === "" ? submitted[4] : field[8];
  return {
    state: stateOf(field.at(-1) ?? ""),
    worker: fromField(field[0]),
    fence: Number(field[1]),
    readyAt: numberOf(readyAt),
    attempt: Number(field[9]),
    crashes: Number(field[10]),
    startedAt: numberOf(field[11]),
    pending: Number(field[12]),
    dueAt: numberOf(field[14]),
    expiresAt: numberOf(field[15]),
    cancelAt: numberOf(field[16]),
    cancelReason: fromField(field[17]),
    cause: fromField(field[18]),
    progress: fromField(field[19]),
    error: fromField(field[20]),
    endedAt: numberOf(field[22]),
    result: fromField(field[24]),
    waits: waitsOf(field[2]),
  };
}

const unrecorded: Readonly<Record<string, JobState>> = { "*": "blocked", "~": "scheduled", "=": "blocked", ":": "blocked" };

/** A job that is ready for the first time has no record, nor have those that are marked: before their only gate, scheduled, or waiting for others. */
function withoutRecord(field: readonly string[]): Changing {
  const mark = field[0]?.charAt(0) ?? "";
  const state = unrecorded[mark] ?? "ready";
  return {
    state,
    worker: null,
    fence: 0,
    readyAt: state === "ready" ? Number(field[4]) : null,
    attempt: 0,
    crashes: 0,
    startedAt: null,
    pending: mark === "=" || mark === ":" ? Number(field[12]) : 0,
    dueAt: numberOf(field[6]),
    expiresAt: numberOf(field[7]),
    cancelAt: null,
    cancelReason: null,
    cause: null,
    progress: null,
    error: null,
    endedAt: null,
    result: null,
    waits: null,
  };
}

/** A job from what was submitted and its record, which may be empty. */
export function toJob(id: string, text: string, record: string, kinds: Kinds): Job {
  const field = text.split(separator);
  const name = textOf(id);
  const gates = gatesOf(field[11]);
  const facts = record === "" ? withoutRecord(field) : changing(record, field);
  return {
    id: name,
    ...kinds.find(field[1]),
    priority: 0 - Number(field[3]),
    args: textOf(field[16]),
    policy: fromField(field[15]),
    crashLimit: Number(field[5]),
    // What needs the job may stand behind the number.
    keepMs: Number.parseFloat(field[2] ?? ""),
    root: fromField(field[9]) ?? name,
    parent: fromField(field[13]),
    trace: fromField(field[14]),
    submittedAt: Number(field[8]),
    uniqueKey: fromField(field[10]),
    dependencies: Number(field[12]),
    gates,
    ...facts,
    gate: facts.state === "blocked" && facts.pending === 0 ? (gates[placesIn(record)]?.name ?? null) : null,
  };
}
