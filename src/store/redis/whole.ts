// Whole jobs as scripts give and take them.
import { isFinal } from "../../task/state.ts";
import type { StoredJob } from "../job.ts";
import { heldKey, holdsKey, missingDependency, stillRuns } from "../landing.ts";
import type { Dump } from "../store.ts";
import { isHeld } from "../machine.ts";
import type { Page } from "./replies.ts";
import { toRecords } from "./replies.ts";
import { fromField, numberField, separator, textOf, toField } from "./field.ts";
import { gatesMark } from "./gate-text.ts";
import { dependenciesField, isSimple, kindName, Kinds, rankOf, stateLetters, submittedText, toJob } from "./text.ts";

/** What `load` answers: how many were written and what happened; or why nothing was. */
export type LoadReply = readonly [count: number, events: string] | readonly [why: string, ...names: string[]];

/** A part of the jobs. */
export function toDump([rows, names, more]: Page): Dump {
  const kinds = new Kinds(names);
  const jobs: StoredJob[] = [];
  for (let i = 0; i + 4 < rows.length; i += 5) {
    const [id, text, record, below, records] = rows.slice(i, i + 5) as [string, string, string, string, string];
    const job = toJob(id, text, record, kinds);
    const edges = job.dependencies === 0 ? [] : below.split(separator);
    const until = text.split(separator, 12)[11] ?? "";
    jobs.push({
      ...job,
      dependsOn: edges.map((edge) => fromField(edge.slice(1))),
      tolerates: [...new Set(edges.filter((edge) => edge.startsWith("~") && edge !== "~").map((edge) => textOf(edge.slice(1))))],
      records: records === "" ? [] : toRecords(records.split(separator)),
      uniqueUntil: job.uniqueKey === null ? null : until.startsWith("s") ? "started" : "ended",
    });
  }
  return { jobs, next: more === "" ? null : more };
}

/** True when all that is to know of a job is what was submitted: it has no record. */
function hasNoRecord(job: StoredJob, submitted: Parameters<typeof isSimple>[0]): boolean {
  const { state, fence, attempt, crashes, readyAt, startedAt, error, progress, waits, dependencies } = job;
  const isFresh = fence + attempt + crashes === 0 && (startedAt ?? error ?? progress ?? waits) === null;
  return isSimple(submitted) && dependencies === 0 && state === "ready" && readyAt !== null && isFresh;
}

/** What changes of a job; the fields of `lua/fields.ts`, in their order. The script puts seq and kind in, and when an ended one is pruned. */
function recordOf(job: StoredJob): string {
  const { state, endedAt, waits } = job;
  const letter = stateLetters[state];
  const isOver = isFinal(state);
  const fields = [
    toField(job.worker),
    String(job.fence),
    gatesMark(job.gates) + (waits === null ? "" : `\u001e${toField(waits)}`),
    "",
    "",
    "",
    String(job.keepMs),
    rankOf(job.priority),
    numberField(job.readyAt),
    String(job.attempt),
    String(job.crashes),
    numberField(job.startedAt),
    String(job.pending),
    !isOver && holdsKey(job) ? "h" : "",
    numberField(job.dueAt),
    numberField(job.expiresAt),
    numberField(job.cancelAt),
    toField(job.cancelReason),
    toField(job.cause),
    toField(job.progress),
    toField(job.error),
    letter,
    ...(isOver ? [numberField(endedAt), "", toField(job.result), letter] : []),
  ];
  return fields.join(separator);
}

/** The arguments of `load` for these jobs. Throws a StoreError for one that runs. */
export function loadArguments(jobs: readonly StoredJob[]): string[] {
  return jobs.flatMap((job) => {
    const { id, uniqueKey, uniqueUntil, dependsOn, ...facts } = job;
    if (isHeld(job)) throw stillRuns(id);
    const unique = uniqueKey === null ? null : { key: uniqueKey, until: uniqueUntil ?? "ended" };
    const submitted = { ...facts, id, unique, dependsOn: dependsOn.map((each) => each ?? "") };
    return [
      toField(id),
      kindName(job.queue, job.task),
      submittedText(submitted, job.readyAt ?? job.submittedAt),
      hasNoRecord(job, submitted) ? "" : recordOf(job),
      dependenciesField(job),
      job.records.flatMap(({ name, text }) => [toField(name), toField(text)]).join(separator),
    ];
  });
}

/** How many jobs were written, and what happened. Throws a StoreError when none were because one could not be. */
export function loadedOf(reply: LoadReply): readonly [count: number, events: string] {
  if (typeof reply[0] === "number") return reply as readonly [number, string];
  const [why, id, ...others] = reply as readonly string[];
  if (why === "key") throw heldKey(textOf(id), textOf(others[0]), textOf(others[1]));
  throw missingDependency(textOf(id), fromField(others[0]));
}
