// The jobs a worker holds: those claimed and not started, in slots, and the attempts that run. It starts what there is room for,
// a few ms at a time, and turns the end of each attempt into the outcome to record. It knows no store.
import { CancelledError } from "../core/errors.ts";
import type { Claim, ClaimedJob, Outcome } from "../store/job.ts";
import { chunkOf } from "../task/chunk.ts";
import { encode } from "../task/codec.ts";
import { groupTask } from "../task/flow.ts";
import type { Place } from "../task/options.ts";
import type { Definition } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";
import type { AttemptEnd, AttemptOptions } from "./attempt.ts";
import { ChildWaits, failsWithStore } from "./child-waits.ts";
import type { Children, Waiting } from "./children.ts";
import { overdueRecord } from "./control.ts";
import type { Deadline } from "./deadline.ts";
import { Gathering } from "./gathering.ts";
import type { Given } from "./given.ts";
import { isUncalledFor } from "./given.ts";
import type { JobOutput } from "./job-output.ts";
import type { Journal } from "./journal.ts";
import { isLastAttempt, isOverdue, outcomeOf } from "./outcome.ts";
import { decodePolicy } from "./policy.ts";
import type { Running } from "./running.ts";
import type { Held } from "./slots.ts";
import { Slots } from "./slots.ts";
import type { StartingHost } from "./starting.ts";
import { Starting } from "./starting.ts";
import { mayLeaveSteps, orUndoing, recordsFor } from "./undoing.ts";
import type { WorkerEvent } from "./worker-event.ts";

const turnMs = 5;
/** How many batches of a task there are at a time on the event loop: one runs while the next is gathered. */
const loopBatches = 2;

/** What attempts need of their worker. */
export interface AttemptsHost extends StartingHost {
  /** How many tasks at a time run on the event loop. */
  readonly concurrency: number;
  readonly graceMs: number;
  /** An attempt has ended; its slot is free. */
  ended(job: ClaimedJob, outcome: Outcome): void;
  report(event: WorkerEvent): void;
  readonly journal: Journal;
  readonly output: JobOutput;
  /** What a job may submit. */
  children(job: ClaimedJob, waiting: Waiting): Children;
  /** Slots have become free, or the state of these jobs has changed between running and waiting. */
  waits(): void;
}

/** The jobs of one worker. */
export class Attempts {
  readonly slots: readonly Slots[];
  readonly #host: AttemptsHost;
  /** By the task. */
  readonly #slotsOf = new Map<string, Slots>();
  readonly #starting: Starting;
  readonly #gathering: Gathering;
  readonly #waits: ChildWaits;
  readonly #running = new Map<string, Running>();
  readonly #progress = new Map<string, readonly [id: string, fence: number, text: string]>();
  #isTurnDeferred = false;

  constructor(host: AttemptsHost) {
    const { runtime, graceMs } = host;
    this.#host = host;
    this.#waits = new ChildWaits({
      children: (job, waiting) => host.children(job, waiting),
      isHere: (running) => this.#isHere(running),
      hasRoom: (slots) => this.#hasRoom(slots),
      changed: () => host.waits(),
    });
    const needs = {
      runtime,
      graceMs,
      progress: ({ job }: Running, fraction: number, note: string | undefined): void => {
        this.#progress.set(job.id, [job.id, job.fence, encode([fraction, note ?? null], "progress")]);
      },
      log: (running: Running, message: string): void => this.#log(running, message),
      part: (running: Running, text: string): Promise<void> | undefined =>
        this.#isHere(running) ? host.output.part(running.job, text) : undefined,
      durable: (running: Running): AttemptOptions["durable"] => this.#durableOf(running),
      children: (running: Running): Children => this.#waits.childrenOf(running),
    };
    this.#starting = new Starting(host, needs, (running, ended) => this.#end(running, ended));
    const definitions = [...host.tasks.values()];
    // Threads and processes first: a start there is cheap, and short tasks on the loop could keep them waiting.
    for (const place of ["thread", "process", "loop"] as const) this.#addPlace(place, definitions);
    // Every worker serves groups, wherever it has slots: they take no time.
    this.slots = [...new Set(this.#slotsOf.values())];
    this.slots.at(-1)?.serve(groupTask.name);
    this.#gathering = new Gathering(runtime, (definition, batch, slots) => {
      const begun = batch.map((held) => [this.#runningOf(held, slots), held] as const);
      this.#starting.beginBatch(definition, begun, slots);
    });
  }

  #addPlace(place: Place, definitions: readonly Definition[]): void {
    const here = definitions.filter(({ policy }) => policy.on === place);
    const capacity = place === "loop" ? this.#host.concurrency : this.#host.pools.size(place);
    const batches = place === "loop" ? loopBatches : capacity;
    // Tasks that do many at once have slots of their own: a batch of them is one turn of the worker.
    for (const task of here) if (task.many) this.#addSlots(place, [task], batches * (task.policy.batch?.size ?? 1));
    const singles = here.filter(({ many }) => !many);
    if (singles.length > 0) this.#addSlots(place, singles, capacity);
  }

  #addSlots(place: Place, tasks: readonly Definition[], capacity: number): void {
    const slots = new Slots(place, tasks, capacity, this.#host.runtime.elapsed());
    for (const { name } of tasks) this.#slotsOf.set(name, slots);
  }

  /** How many attempts run. */
  get running(): number {
    return this.#running.size;
  }

  /** True while nothing that a claim could bring would start at once. */
  get isBusy(): boolean {
    return this.slots.every((slots) => slots.isFull);
  }

  /** What runs or waits here. */
  claims(): Claim[] {
    const held = this.slots.flatMap((slots) => slots.claims());
    return [...this.#running.values()].map(({ job }): Claim => job).concat(held, this.#gathering.claims());
  }

  /** Takes in a claimed job, with what it gets of its dependencies. */
  hold(job: ClaimedJob, inputs: readonly Given[], deadline?: Deadline): void {
    const slots = this.#slotsOf.get(job.task) ?? this.slots.at(-1);
    slots?.hold({ job, inputs, deadline, since: this.#host.runtime.elapsed() });
  }

  /** Starts held jobs, and gives the loop back every few ms: many short jobs hold up neither I/O nor the commit of their outcomes. */
  turn(): void {
    const { runtime } = this.#host;
    const until = runtime.elapsed() + turnMs;
    for (const slots of this.slots) {
      for (let held = slots.take(); held; held = slots.take()) {
        this.#begin(held, slots);
        if (runtime.elapsed() >= until) return this.#turnSoon();
      }
    }
  }

  /** Takes out those not started that `which` selects. */
  drop(which: (held: Held) => boolean): ClaimedJob[] {
    return [...this.slots.flatMap((slots) => slots.drop(which)), ...this.#gathering.drop(which)].map(({ job }) => job);
  }

  /** Jobs that have begun to wait, or to work again, since this was last asked. */
  takeWaits(): (readonly [id: string, fence: number, waits: string | null])[] {
    return this.#waits.take();
  }

  /** Takes back those that were given to a pool before `elapsed` and that it has not begun; they end as released. */
  retract(elapsed: number): void {
    for (const { since, attempt } of this.#running.values()) if (since < elapsed) attempt?.retract();
  }

  /** Takes out those that run, or only those that wait, and aborts them; how they end is of no interest any more. */
  abandon(reason: Error, which: "all" | "waiting" = "all"): ClaimedJob[] {
    const abandoned = [...this.#running.values()].filter(({ hasSlot }) => which === "all" || !hasSlot);
    for (const { job, attempt } of abandoned) {
      this.#forget(job);
      attempt?.abandon(reason);
    }
    return abandoned.map(({ job }) => job);
  }

  /** Aborts those of these jobs that run here, as cancelled. */
  cancel(ids: readonly string[]): void {
    for (const id of ids) {
      const running = this.#running.get(id);
      if (!running || running.isCancelled) continue;
      running.isWished = true;
      this.#cancelled(running);
      running.attempt?.abort(new CancelledError(`Job ${id} of task "${running.job.task}" was cancelled.`));
    }
  }

  #cancelled(running: Running): void {
    running.isCancelled = true;
    const { id } = running.job;
    running.children?.cancel(`job ${id}, which had submitted it, was cancelled`).catch((error: unknown) => {
      this.#host.report({ kind: "store-failed", error: error as Error });
    });
  }

  /** The progress reported since it was last asked for. */
  takeProgress(): (readonly [id: string, fence: number, text: string])[] {
    const progress = [...this.#progress.values()];
    this.#progress.clear();
    return progress;
  }

  #hasRoom({ held }: Slots): void {
    if (held > 0) this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isTurnDeferred) return;
    this.#isTurnDeferred = true;
    this.#host.runtime.defer(() => {
      this.#isTurnDeferred = false;
      this.turn();
    });
  }

  #begin(held: Held, slots: Slots): void {
    const { job, inputs } = held;
    const known = this.#host.tasks.get(job.task);
    // One that was with a worker that died might be the reason: it is alone.
    if (known?.many && job.crashes === 0 && !decodePolicy(job.policy).isChunk) this.#gathering.add(known, held, slots);
    else this.#starting.begin(this.#runningOf(held, slots), inputs);
  }

  #runningOf({ job, inputs, deadline }: Held, slots: Slots): Running {
    const definition = this.#host.tasks.get(job.task) ?? definitionOf(groupTask);
    const policy = decodePolicy(job.policy);
    const running: Running = {
      job,
      slots,
      definition: policy.isChunk ? chunkOf(definition) : definition,
      policy,
      deadline,
      since: this.#host.runtime.elapsed(),
      attempt: undefined,
      isCancelled: isUncalledFor(inputs, policy),
      isWished: false,
      hasFailed: false,
      hasRecords: false,
      children: undefined,
      awaited: 0,
      hasMissedStore: false,
      hasSlot: true,
      isOver: false,
    };
    this.#running.set(job.id, running);
    return running;
  }

  #isHere(running: Running): boolean {
    return this.#running.get(running.job.id) === running;
  }

  #forget(job: ClaimedJob): void {
    this.#running.delete(job.id);
    this.#progress.delete(job.id);
    this.#host.output.end(job);
    this.#waits.forget(job.id);
  }

  #durableOf(running: Running): AttemptOptions["durable"] {
    const { job, policy, deadline, definition } = running;
    const { journal, runtime } = this.#host;
    return {
      id: job.id,
      task: job.task,
      runtime,
      now: () => this.#host.now(),
      read: (prefix) => recordsFor(running, journal, prefix),
      write: (changes) => {
        running.hasRecords = true;
        return journal.write(job, changes);
      },
      isHeld: () => running.awaited > 0,
      stopped: (error) => {
        running.hasFailed = !(error instanceof CancelledError);
        if (!(error instanceof CancelledError)) return;
        this.#cancelled(running);
        journal.cancelled(job, error.reason);
      },
      isLast: (error) => {
        const { isCancelled } = running;
        if (failsWithStore(running, error)) return false;
        const isLast =
          isOverdue(job, { policy, deadline, now: this.#host.now() }) ||
          isLastAttempt(job, error, { policy, retryIf: definition.options.retryIf, isCancelled });
        running.hasFailed ||= isLast && !isCancelled;
        return isLast;
      },
      changed: (gone, fresh) => this.#host.report({ kind: "steps-changed", id: job.id, task: job.task, gone, fresh }),
    };
  }

  #log(running: Running, message: string): void {
    const { job } = running;
    this.#host.report({ kind: "log", id: job.id, task: job.task, message });
    if (this.#isHere(running)) this.#host.output.log(job, message);
  }

  /** The attempt is over when all it gave is written: a reader who sees its end must find every part. */
  #end(running: Running, ended: AttemptEnd): void {
    const { output } = this.#host;
    const isDone = ended.kind === "done" || ended.kind === "encoded";
    if (!isDone || !output.hasParts(running.job)) return this.#over(running, ended);
    output.written(running.job).then(
      () => this.#over(running, ended),
      (error: unknown) => this.#over(running, { kind: "failed", error }),
    );
  }

  #over(running: Running, ended: AttemptEnd): void {
    const { journal } = this.#host;
    const outcome = this.#outcomeOf(running, ended);
    if (!mayLeaveSteps(running, outcome)) return this.#settle(running, ended, outcome);
    void orUndoing(journal, running, ended, outcome, this.#host.now()).then((instead) => this.#settle(running, ended, instead));
  }

  #outcomeOf(running: Running, ended: AttemptEnd): Outcome {
    const { job, definition, policy, deadline } = running;
    if (ended.kind === "failed" && failsWithStore(running, ended.error))
      return { id: job.id, fence: job.fence, kind: "released" };
    // What was being undone because it had failed has failed, whoever cancels it meanwhile.
    const isCancelled = running.isCancelled && !running.hasFailed;
    const { retryIf } = definition.options;
    const random = this.#host.runtime.random();
    return outcomeOf(job, ended, { policy, retryIf, isCancelled, deadline, now: this.#host.now(), random });
  }

  #settle(running: Running, ended: AttemptEnd, outcome: Outcome): void {
    const { job, slots, isCancelled } = running;
    running.isOver = true;
    if (running.hasSlot) slots.free(job.task, ended.kind !== "retracted");
    this.#hasRoom(slots);
    // Abandoned: the job is someone else's, or nobody's, by now.
    if (!this.#isHere(running)) return;
    const { output, hooks } = this.#host;
    if (ended.kind === "failed" && ended.overdue && isCancelled) output.note(job, [overdueRecord(job.fence), ended.overdue]);
    this.#forget(job);
    hooks?.ended(job, slots.place, outcome);
    this.#host.ended(job, outcome);
  }
}
