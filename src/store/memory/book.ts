// The rows of the memory store and the lines they stand in. A book does single moves of single jobs and keeps every line, key
// and list in step with them; what a move means for other jobs is said in `ends.ts`, which jobs move in the verbs. It checks
// nothing and cannot fail half-way: verbs decide first and move afterwards, which is what makes them atomic.
import type { FinalState } from "../../task/state.ts";
import { isFinal } from "../../task/state.ts";
import type { Arrival } from "../arrival.ts";
import type { Landing } from "../landing.ts";
import type { AfterAttempt } from "../machine.ts";
import { isDueSoon, restingState, waitingStates } from "../machine.ts";
import type { NewWorker, StoreEvent } from "../store.ts";
import { Line } from "./line.ts";
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

/** All jobs and workers. */
export class Book {
  /** Every job by id, in the order they were added. */
  readonly rows: Map<string, Row> = new Map();
  readonly members: Map<string, Member> = new Map();
  readonly paused: Set<string> = new Set();
  /** Live jobs by the unique key they hold. */
  readonly holders: Map<string, Row> = new Map();
  readonly scheduled: Line = new Line(({ job }, order) => job.state === "scheduled" && job.dueAt === order);
  readonly expiring: Line = new Line(
    ({ job }, order) => job.attempt === 0 && waitingStates.includes(job.state) && job.expiresAt === order,
  );
  readonly ended: Line = new Line((row, order) => !row.removed && isFinal(row.job.state) && row.pruneAt === order);
  readonly #ready = new Map<string, Map<string, Line>>();
  #events = new Set<StoreEvent>();
  #seq = 0;

  /** The ready jobs of a task in a queue, higher priority first. */
  ready(queue: string, task: string): Line | undefined {
    return this.#ready.get(queue)?.get(task);
  }

  /** What happened since this was last asked. */
  takeEvents(): ReadonlySet<StoreEvent> {
    const events = this.#events;
    if (events.size > 0) this.#events = new Set();
    return events;
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
  land({ job, holdsKey }: Landing): void {
    this.#seq += 1;
    const row = wholeRow(this.#seq, job, (id) => this.rows.get(id));
    this.rows.set(job.id, row);
    const { state } = job;
    if (isFinal(state)) return this.end(row, state, job.endedAt ?? 0);
    if (holdsKey) this.#hold(row);
    this.#place(row, state as "blocked" | "scheduled" | "ready", job.readyAt ?? 0);
  }

  resume(queue: string): void {
    if (this.paused.delete(queue)) this.#events.add("ready");
  }

  /** Makes an ended job live again. */
  revive(row: Row, pending: number, now: number): void {
    const { job } = row;
    if (job.expiresAt !== null) job.expiresAt = now + (job.expiresAt - job.submittedAt);
    if (job.attempt > 0) job.dueAt = null;
    Object.assign(job, { pending, attempt: 0, crashes: 0, worker: null, readyAt: null, startedAt: null, endedAt: null });
    Object.assign(job, { result: null, error: null, cause: null, cancelAt: null, cancelReason: null, progress: null });
    this.#hold(row);
    this.#place(row, restingState(pending, job.dueAt, now), now);
  }

  /** Takes `count` dependencies off a blocked job. */
  unblock(row: Row, count: number, now: number): void {
    const { job } = row;
    job.pending -= count;
    if (job.pending === 0) this.#place(row, restingState(0, job.dueAt, now), now);
  }

  /** Makes a scheduled job ready. */
  promote(row: Row, now: number): void {
    this.#place(row, "ready", now);
  }

  start(row: Row, member: Member, now: number): void {
    const { job } = row;
    Object.assign(job, { state: "running", worker: member.worker.id, startedAt: now });
    job.attempt += 1;
    job.fence += 1;
    member.running.add(row);
    if (row.uniqueUntil === "started") this.#release(row);
  }

  /** Ends the attempt of a running job; returns the state the job is now in. */
  stop(row: Row, after: AfterAttempt, now: number): AfterAttempt["state"] {
    const { job } = row;
    const { state, ...facts } = after;
    this.members.get(job.worker ?? "")?.running.delete(row);
    Object.assign(job, facts);
    if (isFinal(state)) this.end(row, state, now);
    else {
      job.worker = null;
      this.#place(row, state, now);
    }
    return state;
  }

  /** Ends a job; what that does to others is not done here. */
  end(row: Row, state: FinalState, now: number): void {
    row.job.state = state;
    row.job.endedAt = now;
    this.#release(row);
    this.keepUntil(row, now + row.job.keepMs);
    this.#events.add("ended");
  }

  /** Prunes an ended job no earlier than this. */
  keepUntil(row: Row, time: number): void {
    row.pruneAt = time;
    this.ended.push(row, time);
  }

  remove(row: Row): void {
    row.removed = true;
    this.rows.delete(row.job.id);
    // Ended jobs that needed it may keep the row for long.
    Object.assign(row.job, { args: "", result: null, error: null });
    for (const below of row.dependsOn) below.dependants.delete(row);
  }

  #place(row: Row, state: "blocked" | "scheduled" | "ready", now: number): void {
    const { job } = row;
    job.state = state;
    if (job.attempt === 0 && job.expiresAt !== null) this.expiring.push(row, job.expiresAt);
    if (state === "ready") this.#makeReady(row, now);
    else if (state === "scheduled") {
      this.scheduled.push(row, job.dueAt as number);
      if (isDueSoon(job.dueAt, now)) this.#events.add("scheduled");
    }
  }

  #makeReady(row: Row, now: number): void {
    const { queue, task, priority } = row.job;
    row.job.readyAt = now;
    let lines = this.#ready.get(queue);
    if (!lines) this.#ready.set(queue, (lines = new Map()));
    let line = lines.get(task);
    if (!line) lines.set(task, (line = new Line(({ job }) => job.state === "ready")));
    line.push(row, -priority);
    this.#events.add("ready");
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
