// The rows of the memory store and the lines they stand in. A book does single moves of single jobs and keeps every line, key
// and list in step with them; what a move means for other jobs is said in `ends.ts`, which jobs move in the verbs. It checks
// nothing and cannot fail half-way: verbs decide first and move afterwards, which is what makes them atomic.
import type { FinalState, JobState } from "../../task/state.ts";
import { isFinal } from "../../task/state.ts";
import type { Arrival } from "../arrival.ts";
import type { Landing } from "../landing.ts";
import type { AfterAttempt, AttemptEnd, PastAttempt } from "../machine.ts";
import {
  afterAttempt,
  asksForUndo,
  attemptRecord,
  attemptsKept,
  cancelSignal,
  isDueSoon,
  isHeld,
  isRecorded,
  isToUndo,
  keepsPlaces,
  restingState,
  retriedRecord,
  signalPrefix,
  undoPrefix,
  waitingStates,
} from "../machine.ts";
import type { Changes, NewWorker, ReadyLine, StoreEvent } from "../store.ts";
import type { Events } from "./events.ts";
import { Gates } from "./gates.ts";
import { Line } from "./line.ts";
import { Records } from "./records.ts";
import type { Row } from "./row.ts";
import { newRow, wholeRow } from "./row.ts";

/** A worker and what it runs. */
export interface Member {
  worker: NewWorker;
  leaseUntil: number;
  /** Someone asked it to stop. */
  draining: boolean;
  readonly running: Set<Row>;
}

type Resting = "blocked" | "scheduled" | "ready" | "waiting";

function isTimed(state: JobState): boolean {
  return state === "scheduled" || state === "waiting";
}

/** True for a job that waits for dependencies, and not before a gate. */
export function isPending({ job }: Row): boolean {
  return job.state === "blocked" && job.pending > 0;
}

/** All jobs and workers. */
export class Book {
  /** Every job by id, in the order they were added. */
  readonly rows: Map<string, Row> = new Map();
  readonly members: Map<string, Member> = new Map();
  readonly paused: Set<string> = new Set();
  /** Live jobs by the unique key they hold. */
  readonly holders: Map<string, Row> = new Map();
  readonly records: Records = new Records();
  readonly gates: Gates = new Gates();
  readonly events: Events;
  /** Scheduled and suspended jobs by when they are due. */
  readonly scheduled: Line = new Line(({ job }, order) => isTimed(job.state) && !isHeld(job) && job.dueAt === order);
  readonly expiring: Line = new Line(
    ({ job }, order) => job.attempt === 0 && waitingStates.includes(job.state) && job.expiresAt === order,
  );
  readonly ended: Line = new Line((row, order) => !row.removed && isFinal(row.job.state) && row.pruneAt === order);
  readonly #ready = new Map<string, Map<string, Line>>();
  #news = new Set<StoreEvent>();
  #seq = 0;

  constructor(events: Events) {
    this.events = events;
  }

  /** The ready jobs of a task in a queue, higher priority first. */
  ready(queue: string, task: string): Line | undefined {
    return this.#ready.get(queue)?.get(task);
  }

  /** The lines that have ready jobs. */
  *lines(): Iterable<ReadyLine> {
    for (const [queue, lines] of this.#ready) for (const [task, line] of lines) if (line.head()) yield { queue, task };
  }

  /** What happened since this was last asked. */
  takeNews(): ReadonlySet<StoreEvent> {
    const news = this.#news;
    if (news.size > 0) this.#news = new Set();
    return news;
  }

  insert(arrival: Arrival, now: number): Row {
    this.#seq += 1;
    const { job } = arrival;
    const row = newRow(
      this.#seq,
      arrival,
      arrival.dependsOn.map((id) => this.rows.get(id) as Row),
    );
    this.rows.set(job.id, row);
    if (arrival.state === "failed") this.end(row, "failed", now);
    else {
      this.#hold(row);
      this.#place(row, arrival.state, now);
    }
    return row;
  }

  /** Takes in a job from another store, as it is. */
  land({ job, holdsKey }: Landing, now: number): void {
    this.#seq += 1;
    const row = wholeRow(this.#seq, job, (id) => this.rows.get(id));
    this.rows.set(job.id, row);
    for (const { name, text } of job.records) this.records.set(job.id, name, text);
    const { state } = job;
    if (isFinal(state)) return this.end(row, state, job.endedAt ?? 0);
    if (holdsKey) this.#hold(row);
    if (state === "ready" && job.gates.length === 0) this.#place(row, state, job.readyAt ?? 0);
    else this.#place(row, state as Resting, now);
  }

  resume(queue: string): void {
    if (this.paused.delete(queue)) this.#news.add("ready");
  }

  /** Makes an ended job live again. */
  revive(row: Row, pending: number, now: number): void {
    const { job } = row;
    const since = Math.max(job.submittedAt, Number(this.records.get(job.id, retriedRecord)));
    if (job.expiresAt !== null) job.expiresAt = now + (job.expiresAt - since);
    if (job.attempt > 0) job.dueAt = null;
    Object.assign(job, { pending, attempt: 0, crashes: 0, worker: null, readyAt: null, startedAt: null, endedAt: null });
    Object.assign(job, { result: null, error: null, cause: null, cancelAt: null, cancelReason: null, progress: null });
    this.records.set(job.id, cancelSignal, null);
    this.records.set(job.id, retriedRecord, String(Math.floor(now)));
    for (const [above, { count }] of row.dependants) if (isPending(above)) above.job.pending += count;
    this.#hold(row);
    this.#place(row, restingState(pending, job.dueAt, now), now);
  }

  /** Takes `count` dependencies off a blocked job. */
  unblock(row: Row, count: number, now: number): void {
    const { job } = row;
    job.pending -= count;
    if (job.pending === 0) this.#place(row, restingState(0, job.dueAt, now), now);
  }

  /** Makes a scheduled or suspended job ready. */
  promote(row: Row, now: number): void {
    row.job.waits = null;
    this.#place(row, "ready", now);
  }

  /** Changes a job that is blocked, scheduled or ready. */
  change(row: Row, { call, ...changes }: Changes, now: number): void {
    const { job } = row;
    this.gates.leave(row);
    Object.assign(job, changes, call);
    if (call) row.age = row.seq;
    this.#place(row, restingState(job.pending, job.dueAt, now), now);
  }

  /** Lets those pass their gates that can. */
  openGates(now: number): void {
    const nextAge = (): number => (this.#seq += 1);
    if (this.gates.settle(now, nextAge, (row) => this.#makeReady(row, now))) this.#news.add("scheduled");
  }

  /** Says that the attempt of a job waits in its worker's memory, or works again. */
  suspend(row: Row, waits: string | null): void {
    row.job.state = waits === null ? "running" : "waiting";
    row.job.waits = waits;
    this.#came(row);
  }

  /** Listeners are to be told of a record of this job, or with "" of the store's own. */
  tellWritten(job: string): void {
    this.#news.add(job === "" ? "own" : "written");
  }

  /** How many signals a job has. */
  signals(id: string): number {
    return this.records.list(id, signalPrefix).length;
  }

  start(row: Row, member: Member, now: number): void {
    const { job } = row;
    Object.assign(job, { state: "running", worker: member.worker.id, startedAt: now });
    job.attempt += 1;
    job.fence += 1;
    this.#came(row);
    member.running.add(row);
    this.gates.start(row);
    if (row.uniqueUntil === "started") this.#release(row);
  }

  /** Ends the attempt of a job in its worker's hands; returns the state the job is now in. */
  stop(row: Row, end: AttemptEnd, now: number): AfterAttempt["state"] {
    const { job } = row;
    const hasUndo = asksForUndo(job, end) && this.hasUndo(job.id);
    const { state, ...facts } = afterAttempt({ ...job, hasUndo }, end, now);
    if (!isFinal(state)) this.#record(row, end, now);
    if (isToUndo(job, { state })) this.#askToUndo(row, job.cancelReason);
    this.members.get(job.worker ?? "")?.running.delete(row);
    Object.assign(job, facts);
    if (isFinal(state)) {
      this.end(row, state, now);
      return state;
    }
    job.worker = null;
    if (keepsPlaces(end.kind)) {
      this.#watchExpiry(row);
      this.#makeReady(row, now);
    } else {
      this.gates.leave(row);
      this.#place(row, state, now);
    }
    return state;
  }

  /** True when a job has something to undo. */
  hasUndo(id: string): boolean {
    return this.records.list(id, undoPrefix).length > 0;
  }

  /** Has a job that nobody holds undo what it did. */
  wakeToUndo(row: Row, reason: string | null, now: number): void {
    if (this.records.get(row.job.id, cancelSignal) === null) this.#askToUndo(row, reason);
    if (isTimed(row.job.state)) this.promote(row, now);
  }

  #askToUndo({ job }: Row, reason: string | null): void {
    this.records.set(job.id, cancelSignal, JSON.stringify(reason));
    Object.assign(job, { cancelAt: null, cancelReason: null });
  }

  #record({ job }: Row, end: AttemptEnd, now: number): void {
    if (!isRecorded(end.kind)) return;
    const past: PastAttempt = [end.kind, job.worker ?? "", job.startedAt ?? now, now, "error" in end ? end.error : null];
    this.records.set(job.id, attemptRecord(job.fence), JSON.stringify(past));
    this.records.set(job.id, attemptRecord(job.fence - attemptsKept), null);
  }

  /** Ends a job; what that does to others is not done here. */
  end(row: Row, state: FinalState, now: number): void {
    this.gates.leave(row);
    row.job.state = state;
    row.job.endedAt = now;
    row.job.waits = null;
    this.#came(row);
    this.#release(row);
    this.keepUntil(row, now + row.job.keepMs);
    this.#news.add("ended");
  }

  /** Prunes an ended job no earlier than this. */
  keepUntil(row: Row, time: number): void {
    row.pruneAt = time;
    this.ended.push(row, time);
  }

  remove(row: Row): void {
    row.removed = true;
    this.rows.delete(row.job.id);
    this.records.forget(row.job.id);
    // Ended jobs that needed it may keep the row for long.
    Object.assign(row.job, { args: "", result: null, error: null });
    for (const below of row.dependsOn) below.dependants.delete(row);
  }

  #place(row: Row, state: Resting, now: number): void {
    const { job } = row;
    job.state = state;
    this.#watchExpiry(row);
    if (state === "ready" && job.gates.length > 0) this.gates.enter(row);
    else if (state === "ready") this.#makeReady(row, now);
    else if (isTimed(state) && job.dueAt !== null) {
      this.scheduled.push(row, job.dueAt);
      if (isDueSoon(job.dueAt, now)) this.#news.add("scheduled");
    }
    this.#came(row);
  }

  /** Leaves an event, if the job is in another state than when this was last called. */
  #came(row: Row): void {
    this.events.note(row.job, row.told);
    row.told = row.job.state;
  }

  #watchExpiry(row: Row): void {
    if (row.job.attempt === 0 && row.job.expiresAt !== null) this.expiring.push(row, row.job.expiresAt);
  }

  #makeReady(row: Row, now: number): void {
    const { queue, task, priority } = row.job;
    row.job.state = "ready";
    row.job.readyAt = now;
    this.#came(row);
    let lines = this.#ready.get(queue);
    if (!lines) this.#ready.set(queue, (lines = new Map()));
    let line = lines.get(task);
    // A job may have been changed since it came into the line.
    const belongs = (row: Row, order: number, place: number): boolean =>
      row.job.state === "ready" && row.job.queue === queue && -row.job.priority === order && row.age === place;
    if (!line) lines.set(task, (line = new Line(belongs)));
    line.push(row, -priority, row.age);
    this.#news.add("ready");
  }

  #hold(row: Row): void {
    if (row.job.uniqueKey === null) return;
    row.holdsKey = true;
    this.holders.set(row.job.uniqueKey, row);
  }

  #release(row: Row): void {
    if (!row.holdsKey || row.job.uniqueKey === null) return;
    row.holdsKey = false;
    this.holders.delete(row.job.uniqueKey);
  }
}
