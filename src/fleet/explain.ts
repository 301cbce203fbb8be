// Why a job is as it is: why it does not run, why it ran again, why it failed. Everything said is read from the store when it is asked,
// nothing is guessed; a reason is a fact with a sentence for people. It costs a handful of reads, one of them over the jobs of the
// job's tree, and is for people, not for hot paths.
import { showMs } from "../core/durations.ts";
import type { Ended, Job } from "../store/job.ts";
import { isLate } from "../store/machine.ts";
import type { PastAttempt } from "../store/machine.ts";
import type { Store, StoredGate } from "../store/store.ts";
import { decode } from "../task/codec.ts";
import { nameOf } from "../task/requires.ts";
import { isFinal, liveStates } from "../task/state.ts";
import { decodeThrown } from "../task/thrown.ts";
import { errorsOf } from "./causes.ts";
import type { JobInfo } from "./job-info.ts";
import { jobInfo } from "./job-info.ts";
import { decodePolicy } from "./policy.ts";
import type { Unmatched, WorkerInfo } from "./worker-info.ts";
import { unmatched, workerInfo } from "./worker-info.ts";

/** One fact that keeps a job where it is, or made it what it is. `text` says it to people. */
export type Reason = { readonly text: string } & (
  | { readonly kind: "dependency" | "child"; readonly id: string; readonly task: string; readonly state: Job["state"] }
  | ({ readonly kind: "limit" } & StoredGate)
  | { readonly kind: "due"; readonly at: number; readonly isRetry: boolean }
  | { readonly kind: "paused"; readonly queue: string }
  | ({ readonly kind: "unmatched" } & Unmatched)
  | { readonly kind: "queued"; readonly workers: number; readonly running: number }
  | { readonly kind: "late"; readonly expiresAt: number }
  | { readonly kind: "sleep" | "signal"; readonly name: string; readonly until: number | null }
  | { readonly kind: "running"; readonly worker: string; readonly host: string | null; readonly since: number | null }
  | { readonly kind: "cancel-asked"; readonly at: number; readonly reason: string | null }
  | { readonly kind: "done" | "cancelled" | "expired"; readonly at: number | null }
  | { readonly kind: "failed"; readonly error: unknown; readonly cause: string | null }
  | { readonly kind: "unknown" }
);

/** An attempt that ended without ending its job. */
export interface AttemptInfo {
  /** It failed and was retried, its thread or process died, or its worker was lost. */
  readonly kind: PastAttempt[0];
  readonly worker: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What it threw; undefined of a lost one, which nobody saw end. */
  readonly error: unknown;
}

/** Why a job is as it is. */
export interface Explanation {
  readonly job: JobInfo;
  /** What keeps it from running or going on, or how it ended; at least one. */
  readonly reasons: readonly Reason[];
  /** Why it ran more than once: the attempts before the last, at most the last hundred. */
  readonly attempts: readonly AttemptInfo[];
}

/** At most so many jobs of a tree are looked at for those that are waited for. */
const mostJobs = 1000;
const mostShown = 10;
const mostLines = 1000;

function attemptInfo(text: string): AttemptInfo {
  const [kind, worker, startedAt, endedAt, error] = JSON.parse(text) as PastAttempt;
  return { kind, worker, startedAt, endedAt, error: error === null ? undefined : decodeThrown(error) };
}

/** The name of a gate as a limit of a task. */
function limitText({ name, room, everyMs, held, waiting, holders, nextAt }: StoredGate, now: number): string {
  const others = `${waiting} ${waiting === 1 ? "job stands" : "jobs stand"} before it`;
  if (everyMs !== null && held < room) {
    const when = nextAt === null ? "soon" : `in ${showMs(Math.max(0, nextAt - now))}`;
    return `It waits for the rate limit "${name}", which lets one through every ${showMs(everyMs)}; ${others}, the next goes ${when}.`;
  }
  const by = holders.length > 0 ? `, held by ${holders.join(", ")}${held > holders.length ? " and others" : ""}` : "";
  return `It waits for the limit "${name}": ${held} of ${room} places are taken${by}; ${others}.`;
}

class Explaining {
  readonly #store: Store;
  readonly #job: Job;
  readonly #now: number;

  constructor(store: Store, job: Job) {
    this.#store = store;
    this.#job = job;
    this.#now = store.now();
  }

  async reasons(): Promise<readonly Reason[]> {
    const { state, gate } = this.#job;
    if (isFinal(state)) return this.#ended();
    if (gate !== null) return this.#limit(gate);
    if (state === "blocked") return this.#dependencies();
    if (state === "scheduled") return this.#due();
    if (state === "ready") return this.#ready();
    return state === "waiting" ? this.#waiting() : this.#running();
  }

  async #limit(name: string): Promise<readonly Reason[]> {
    const [gate] = await this.#store.gates([name]);
    if (gate) return [{ kind: "limit", ...gate, text: limitText(gate, this.#now) }];
    return [{ kind: "unknown", text: `It waited for the limit "${name}" a moment ago.` }];
  }

  #due(): readonly Reason[] {
    const { dueAt, attempt, error, policy } = this.#job;
    const at = dueAt ?? this.#now;
    const isRetry = attempt > 0 && error !== null;
    const when = at > this.#now ? `in ${showMs(at - this.#now)}` : "now";
    const { dueBy } = decodePolicy(policy);
    if (isRetry) return [{ kind: "due", at, isRetry, text: `Attempt ${attempt} failed; the next is due ${when}.` }];
    if (dueBy === undefined) return [{ kind: "due", at, isRetry, text: `It is scheduled, and due ${when}.` }];
    const latest = dueBy === null ? "" : `, in ${showMs(Math.max(0, dueBy - this.#now))} at the latest`;
    return [{ kind: "due", at, isRetry, text: `It is debounced, and due ${when} unless it is submitted again${latest}.` }];
  }

  async #ready(): Promise<readonly Reason[]> {
    const { queue, task, expiresAt } = this.#job;
    const [queues, stored] = await Promise.all([this.#store.queues(), this.#store.workers()]);
    const reasons: Reason[] = [];
    if (queues.find((each) => each.queue === queue)?.paused)
      reasons.push({ kind: "paused", queue, text: `Its queue "${queue}" is paused.` });
    if (isLate(this.#job, this.#now) && expiresAt !== null)
      reasons.push({ kind: "late", expiresAt, text: "Its time to be started is over; it expires with the next upkeep." });
    const workers = stored.map(workerInfo);
    const [missing] = unmatched([{ queue, task }], workers, this.#now);
    if (missing) return [...reasons, { kind: "unmatched", ...missing, text: `${lackSentence(missing)} Start one.` }];
    return reasons.length > 0 ? reasons : [this.#queued(workers)];
  }

  #queued(workers: readonly WorkerInfo[]): Reason {
    const { queue, task } = this.#job;
    const able = workers.filter((worker) => unmatched([{ queue, task }], [worker], this.#now).length === 0);
    const running = able.reduce((sum, worker) => sum + worker.running, 0);
    const who = able.length === 1 ? "One worker may take it, and runs" : `${able.length} workers may take it, and run`;
    return {
      kind: "queued",
      workers: able.length,
      running,
      text: `It stands in line. ${who} ${running} jobs now.`,
    };
  }

  async #waiting(): Promise<readonly Reason[]> {
    const { waits, worker } = this.#job;
    if (worker !== null) return this.#children();
    const about = (waits === null ? [] : decode(waits)) as readonly (readonly ["sleep" | "signal", string, number | null])[];
    if (about.length === 0) return this.#due();
    return about.map(([kind, name, until]) => ({ kind, name, until, text: waitText(kind, name, until, this.#now) }));
  }

  async #running(): Promise<readonly Reason[]> {
    const { worker: id, startedAt, cancelAt, cancelReason } = this.#job;
    const worker = (await this.#store.workers()).find((each) => each.id === id);
    const since = startedAt === null ? "" : ` for ${showMs(Math.max(0, this.#now - startedAt))}`;
    const where = worker ? `on ${worker.host} (process ${worker.pid})` : "which has gone; the job is given out again soon";
    const lost = worker && worker.leaseUntil <= this.#now ? ", whose lease has run out" : "";
    const reasons: Reason[] = [
      {
        kind: "running",
        worker: id ?? "",
        host: worker?.host ?? null,
        since: startedAt,
        text: `It runs${since} with worker ${id ?? "?"} ${where}${lost}.`,
      },
    ];
    if (cancelAt !== null) {
      const why = cancelReason === null ? "" : ` (${cancelReason})`;
      const text = `It was asked to stop ${showMs(Math.max(0, this.#now - cancelAt))} ago${why}, and has not ended yet.`;
      reasons.push({ kind: "cancel-asked", at: cancelAt, reason: cancelReason, text });
    }
    return reasons;
  }

  async #dependencies(): Promise<readonly Reason[]> {
    const { id, pending, dependencies } = this.#job;
    const found = await this.#store.get(await this.#store.awaited(id, mostShown));
    if (found.length > 0) return found.map((job) => awaitedReason("dependency", job));
    return [{ kind: "unknown", text: `It waited for ${pending} of ${dependencies} jobs a moment ago.` }];
  }

  async #children(): Promise<readonly Reason[]> {
    const { id, root } = this.#job;
    const tree = await this.#store.list({ root, states: liveStates }, { limit: mostJobs });
    const found = tree.filter(({ parent }) => parent === id).slice(0, mostShown);
    if (found.length > 0) return found.map((job) => awaitedReason("child", job));
    return [{ kind: "unknown", text: "It waits for jobs it has submitted." }];
  }

  async #ended(): Promise<readonly Reason[]> {
    const { state, endedAt, cancelAt, cancelReason, cause } = this.#job;
    if (state === "done") return [{ kind: "done", at: endedAt, text: "It is done." }];
    const [ended] = await this.#store.endings([this.#job.id]);
    const error = ended ? await this.#errorOf(ended) : undefined;
    const text = error instanceof Error ? error.message : String(error);
    const why = cancelReason === null ? "." : `: ${cancelReason}`;
    const failed: Reason = { kind: "failed", error, cause, text };
    if (state === "failed" && cancelAt !== null) {
      return [failed, { kind: "cancel-asked", at: cancelAt, reason: cancelReason, text: `It was asked to stop as well${why}` }];
    }
    if (state === "failed") return [failed];
    if (state === "cancelled") return [{ kind: "cancelled", at: endedAt, text: `It was cancelled${why}` }];
    return [{ kind: "expired", at: endedAt, text }];
  }

  async #errorOf(ended: Ended): Promise<unknown> {
    return (await errorsOf(this.#store, [ended])).get(ended.id);
  }
}

function awaitedReason(kind: "dependency" | "child", { id, task, state }: Job): Reason {
  const name = nameOf(task);
  const what = kind === "child" ? "its child" : "job";
  return { kind, id, task: name, state, text: `It waits for ${what} ${id} of task "${name}", which is ${state}.` };
}

function lackSentence({ queue, task, requires, lacks }: Unmatched): string {
  if (lacks === "queue") return `No worker takes from its queue "${queue}".`;
  if (lacks === "task") return `No worker of its queue "${queue}" knows its task "${task}".`;
  return `No worker of its queue "${queue}" has what it requires: ${JSON.stringify(requires)}.`;
}

function waitText(kind: "sleep" | "signal", name: string, until: number | null, now: number): string {
  const left = until === null ? "" : ` for ${showMs(Math.max(0, until - now))} more`;
  return kind === "sleep" ? `It sleeps${left}.` : `It waits${left} for the signal "${name}", which nobody has sent.`;
}

/** Why a job is as it is, or undefined when there is none of this id. `reveal` opens what middleware has sealed. */
export async function explain(
  store: Store,
  id: string,
  reveal: (jobs: readonly Job[]) => Promise<readonly Job[]>,
): Promise<Explanation | undefined> {
  const [job] = await reveal(await store.get([id]));
  if (!job) return undefined;
  const [reasons, records] = await Promise.all([new Explaining(store, job).reasons(), store.records(id, "attempt/", mostLines)]);
  return { job: jobInfo(job), reasons, attempts: records.map(({ text }) => attemptInfo(text)) };
}
