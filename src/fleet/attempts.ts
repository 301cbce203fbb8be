// The jobs a worker holds: those claimed and not started, in slots, and the attempts that run. It starts what there is room for,
// a few ms at a time, and turns the end of each attempt into the outcome to record. It knows no store.
import { CancelledError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { checkInput } from "../pool/input.ts";
import type { Claim, ClaimedJob, Outcome } from "../store/job.ts";
import { companionOf } from "../task/batch.ts";
import { chunkOf } from "../task/chunk.ts";
import { decode, encode } from "../task/codec.ts";
import { groupTask } from "../task/flow.ts";
import type { Place } from "../task/options.ts";
import { unsealed } from "../task/sealed.ts";
import type { Definition } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";
import type { Attempt, AttemptEnd, AttemptOptions } from "./attempt.ts";
import { LoopAttempt } from "./attempt.ts";
import { BatchAttempt, withoutJob } from "./batch-attempt.ts";
import type { Awaited, Children } from "./children.ts";
import { overdueRecord } from "./control.ts";
import type { Deadline } from "./deadline.ts";
import { Gathering } from "./gathering.ts";
import type { Given } from "./given.ts";
import { isUncalledFor, resultsOf } from "./given.ts";
import type { JobOutput } from "./job-output.ts";
import type { Journal } from "./journal.ts";
import type { BatchMember, BegunMember } from "./middleware/hooked-batch.ts";
import { beginTogether } from "./middleware/hooked-batch.ts";
import type { RunHooks } from "./middleware/run-hooks.ts";
import { isLastAttempt, isOverdue, outcomeOf } from "./outcome.ts";
import { decodePolicy } from "./policy.ts";
import type { Running, RunningNeeds } from "./running.ts";
import { RunningOptions } from "./running.ts";
import type { Held } from "./slots.ts";
import { mayLeaveSteps, orUndoing, stepsOf } from "./undoing.ts";
import { Slots } from "./slots.ts";
import type { WorkerEvent } from "./worker-event.ts";
import type { WorkerPools } from "./worker-pools.ts";

const turnMs = 5;
/** However short its deadline, a job that has missed it has this long to undo what it did. */
const leastUndoMs = 10_000;
/** How many batches of a task there are at a time on the event loop: one runs while the next is gathered. */
const loopBatches = 2;

/** What attempts need of their worker. */
export interface AttemptsHost {
  readonly runtime: Runtime;
  /** The store's clock. */
  now(): number;
  readonly tasks: ReadonlyMap<string, Definition>;
  readonly pools: WorkerPools;
  /** How many tasks at a time run on the event loop. */
  readonly concurrency: number;
  readonly graceMs: number;
  /** The store's clock. */
  now(): number;
  /** An attempt has ended; its slot is free. */
  ended(job: ClaimedJob, outcome: Outcome): void;
  report(event: WorkerEvent): void;
  readonly journal: Journal;
  readonly output: JobOutput;
  /** What a job may submit. */
  children(job: ClaimedJob, awaited: Awaited): Children;
  /** Middleware around attempts, and who listens to them. */
  readonly hooks: RunHooks | undefined;
  /** Slots have become free, or the state of these jobs has changed between running and waiting. */
  waits(): void;
  /** The task with this number begins to run on the event loop; -1 when it has returned. */
  onLoop(task: number): void;
}

/** The jobs of one worker. */
export class Attempts {
  readonly slots: readonly Slots[];
  readonly #host: AttemptsHost;
  readonly #needs: RunningNeeds;
  /** By the task. */
  readonly #slotsOf = new Map<string, Slots>();
  readonly #gathering: Gathering;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #running = new Map<string, Running>();
  readonly #progress = new Map<string, readonly [id: string, fence: number, text: string]>();
  /** What the store has not been told: jobs that wait for children, or do so no more. */
  readonly #waits = new Map<string, readonly [id: string, fence: number, waits: string | null]>();
  #isTurnDeferred = false;

  constructor(host: AttemptsHost) {
    this.#host = host;
    this.#needs = {
      runtime: host.runtime,
      graceMs: host.graceMs,
      progress: ({ job }, fraction, note) => {
        this.#progress.set(job.id, [job.id, job.fence, encode([fraction, note ?? null], "progress")]);
      },
      log: (running, message) => this.#log(running, message),
      part: (running, text) => this.#part(running, text),
      durable: (running) => this.#durableOf(running),
      children: (running) => this.#childrenOf(running),
    };
    const definitions = [...host.tasks.values()];
    this.#numbers = new Map(definitions.map(({ name }, index) => [name, index] as const));
    // Threads and processes first: a start there is cheap, and short tasks on the loop could keep them waiting.
    for (const place of ["thread", "process", "loop"] as const) this.#addPlace(place, definitions);
    // Every worker serves groups, wherever it has slots: they take no time.
    this.slots = [...new Set(this.#slotsOf.values())];
    this.slots.at(-1)?.serve(groupTask.name);
    this.#gathering = new Gathering(host.runtime, (definition, batch, slots) => this.#beginBatch(definition, batch, slots));
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
    const waits = [...this.#waits.values()];
    this.#waits.clear();
    return waits;
  }

  /** Takes back those that were given to a pool before `elapsed` and that it has not begun; they end as released. */
  retract(elapsed: number): void {
    for (const { since, attempt } of this.#running.values()) if (since < elapsed) attempt?.retract();
  }

  /** Takes out those that run, or only those that wait, and aborts them; how they end is of no interest any more. */
  abandon(reason: Error, which: "all" | "waiting" = "all"): ClaimedJob[] {
    const abandoned = [...this.#running.values()].filter(({ hasSlot }) => which === "all" || !hasSlot);
    for (const { job, attempt } of abandoned) {
      this.#running.delete(job.id);
      this.#progress.delete(job.id);
      this.#host.output.end(job);
      this.#waits.delete(job.id);
      attempt?.abandon(reason);
    }
    return abandoned.map(({ job }) => job);
  }

  /** Aborts those of these jobs that run here, as cancelled. */
  cancel(ids: readonly string[]): void {
    for (const id of ids) {
      const running = this.#running.get(id);
      if (!running || running.isCancelled) continue;
      running.attempt?.abort(new CancelledError(`Job ${id} of task "${running.job.task}" was cancelled.`));
      running.isWished = true;
      this.#cancelled(running);
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

  #turnSoon(): void {
    if (this.#isTurnDeferred) return;
    this.#isTurnDeferred = true;
    this.#host.runtime.defer(() => {
      this.#isTurnDeferred = false;
      this.turn();
    });
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
      hasRecords: false,
      children: undefined,
      awaited: 0,
      hasSlot: true,
      isOver: false,
    };
    this.#running.set(job.id, running);
    return running;
  }

  #begin(held: Held, slots: Slots): void {
    const { job, inputs } = held;
    const known = this.#host.tasks.get(job.task);
    // One that was with a worker that died might be the reason: it is alone.
    if (known?.many && job.crashes === 0 && !decodePolicy(job.policy).isChunk) return this.#gathering.add(known, held, slots);
    const running = this.#runningOf(held, slots);
    const end = (ended: AttemptEnd): void => this.#end(running, ended);
    try {
      if (this.#isOverBefore(running)) return end({ kind: "failed", error: undefined });
      const results = resultsOf(inputs, running.policy);
      const place = known ? slots.place : "loop";
      if (this.#host.hooks) this.#beginHooked(this.#host.hooks, running, results, place, end);
      else this.#start(running, results, place, end);
    } catch (error) {
      end({ kind: "failed", error });
    }
  }

  /** With middleware around it. */
  #beginHooked(
    hooks: RunHooks,
    running: Running,
    results: readonly unknown[],
    place: Place,
    end: (ended: AttemptEnd) => void,
  ): void {
    const start = (over: (ended: AttemptEnd) => void): Attempt | undefined => {
      const around = running.attempt;
      this.#start(running, results, place, over);
      const { attempt } = running;
      running.attempt = around ?? attempt;
      return attempt;
    };
    running.attempt = hooks.begin(running.job, place, start, end);
  }

  #isOverBefore({ deadline, isCancelled }: Running): boolean {
    return isCancelled || (deadline !== undefined && !deadline.undoes && this.#host.now() >= deadline.at);
  }

  /** Starts several jobs as one; each has its own end. */
  #beginBatch(definition: Definition, batch: readonly Held[], slots: Slots): void {
    const members: BatchMember[] = [];
    for (const held of batch) {
      const running = this.#runningOf(held, slots);
      try {
        if (this.#isOverBefore(running)) this.#end(running, { kind: "failed", error: undefined });
        else members.push({ running, text: textOf(running, held) });
      } catch (error) {
        this.#end(running, { kind: "failed", error });
      }
    }
    const launch = (begun: readonly BegunMember[]): void => this.#launchBatch(definition, begun, slots);
    const ended = (running: Running, end: AttemptEnd): void => this.#end(running, end);
    if (this.#host.hooks) return beginTogether(this.#host.hooks, members, slots.place, launch, ended);
    const begun = members.map(({ running, text }) => ({
      running,
      text,
      end: (end: AttemptEnd): void => ended(running, end),
      begun: (attempt: Attempt): void => void (running.attempt = attempt),
    }));
    if (begun.length > 0) launch(begun);
  }

  #launchBatch(definition: Definition, members: readonly BegunMember[], slots: Slots): void {
    const together = new BatchAttempt(members.map(({ end }) => end));
    for (const [place, member] of members.entries()) member.begun(together.member(place));
    const texts = members.map(({ text }) => text);
    const options = this.#batchOptions(members.map(({ running }) => running));
    const companion = companionOf(definition);
    try {
      if (slots.place === "loop") {
        const attempt = new LoopAttempt(companion, options, together.end);
        together.attempt = attempt;
        this.#onLoop(definition, () => attempt.start(companion, [texts]));
      } else together.attempt = this.#host.pools.start(slots.place, companion, [texts], options, together.end);
    } catch (error) {
      together.end({ kind: "failed", error });
    }
  }

  /** The batch has the id and the attempt of its first job, the shortest of the time-outs, and tells all of its progress. */
  #batchOptions(members: readonly Running[]): AttemptOptions {
    const first = members[0] as Running;
    const options = this.#optionsOf(first);
    const { id, attempt, graceMs, runtime } = options;
    const limits = members.flatMap((running) => this.#timeoutOf(running) ?? []);
    const timeoutMs = limits.length === 0 ? undefined : Math.min(...limits);
    const progress: AttemptOptions["progress"] = (fraction, note) => {
      for (const each of members) if (!each.isOver) this.#optionsOf(each).progress(fraction, note);
    };
    return Object.assign(withoutJob(first.job.task), {
      id,
      attempt,
      timeoutMs,
      graceMs,
      runtime,
      progress,
      log: (message: string): void => options.log(message),
    });
  }

  #start(running: Running, results: readonly unknown[], place: Place, end: (ended: AttemptEnd) => void): void {
    const { job, definition } = running;
    // Threads and processes read the stored text themselves, unless results have to be filled in.
    if (place !== "loop" && results.length === 0) {
      running.attempt = this.#host.pools.start(place, definition, job.args, this.#optionsOf(running), end);
      return;
    }
    const stored = decode(job.args, results) as readonly unknown[];
    const args = results.length === 0 ? stored : checkInput(definition, stored);
    if (place === "loop") return this.#startOnLoop(running, args, end);
    running.attempt = this.#host.pools.start(place, definition, args, this.#optionsOf(running), end);
  }

  #startOnLoop(running: Running, args: readonly unknown[], end: (end: AttemptEnd) => void): void {
    const attempt = new LoopAttempt(running.definition, this.#optionsOf(running), end);
    running.attempt = attempt;
    this.#onLoop(running.definition, () => attempt.start(running.definition, args));
  }

  #onLoop({ name }: Definition, start: () => void): void {
    this.#host.onLoop(this.#numbers.get(name) ?? -1);
    start();
    this.#host.onLoop(-1);
  }

  /** The attempt's time-out, cut to the deadline: a little later, so that it has certainly passed. */
  #timeoutOf({ policy: { timeoutMs }, deadline }: Running): number | undefined {
    if (!deadline) return timeoutMs;
    // Once more for as long, to come to what is to be undone.
    if (deadline.undoes) return Math.min(Math.max(deadline.ms, leastUndoMs), timeoutMs ?? Infinity);
    return Math.min(Math.max(0, Math.ceil(deadline.at - this.#host.now())) + 1, timeoutMs ?? Infinity);
  }

  #childrenOf(running: Running): Children {
    running.children ??= this.#host.children(running.job, (promise) => this.#awaited(running, promise));
    return running.children;
  }

  /** A task awaits a child: meanwhile its slot is another's. */
  async #awaited<T>(running: Running, promise: Promise<T>): Promise<T> {
    running.awaited += 1;
    if (running.awaited === 1 && running.hasSlot && !running.isOver) {
      running.hasSlot = false;
      running.slots.leave();
      this.#tellWaits(running, '"children"');
    }
    try {
      return await promise;
    } finally {
      running.awaited -= 1;
      if (running.awaited === 0 && !running.isOver) await this.#goOn(running);
    }
  }

  async #goOn(running: Running): Promise<void> {
    await running.slots.enter();
    // Meanwhile it may have ended, or another part of it waits or goes on.
    if (running.isOver || running.awaited > 0 || running.hasSlot) return this.#leave(running.slots);
    running.hasSlot = true;
    this.#tellWaits(running, null);
    running.attempt?.resumed();
  }

  #leave(slots: Slots): void {
    slots.leave();
    if (slots.held > 0) this.#turnSoon();
  }

  #tellWaits({ job, slots }: Running, waits: string | null): void {
    if (this.#running.has(job.id)) this.#waits.set(job.id, [job.id, job.fence, waits]);
    if (slots.held > 0) this.#turnSoon();
    this.#host.waits();
  }

  #durableOf(running: Running): AttemptOptions["durable"] {
    const { job, policy, deadline, definition } = running;
    const { journal, runtime } = this.#host;
    return {
      id: job.id,
      task: job.task,
      runtime,
      now: () => this.#host.now(),
      read: (prefix) => stepsOf(journal, running, prefix),
      write: (changes) => {
        running.hasRecords = true;
        return journal.write(job, changes);
      },
      isHeld: () => running.awaited > 0,
      stopped: (error) => {
        if (error instanceof CancelledError) this.#cancelled(running);
      },
      isLast: (error) => {
        const { isCancelled } = running;
        if (isOverdue(job, { policy, deadline, now: this.#host.now() })) return true;
        return isLastAttempt(job, error, { policy, retryIf: definition.options.retryIf, isCancelled });
      },
      changed: (gone, fresh) => this.#host.report({ kind: "steps-changed", id: job.id, task: job.task, gone, fresh }),
    };
  }

  #optionsOf(running: Running): AttemptOptions {
    return new RunningOptions(running, this.#timeoutOf(running), this.#needs);
  }

  #log(running: Running, message: string): void {
    const { job } = running;
    this.#host.report({ kind: "log", id: job.id, task: job.task, message });
    if (this.#running.get(job.id) === running) this.#host.output.log(job, message);
  }

  #part(running: Running, text: string): Promise<void> | undefined {
    return this.#running.get(running.job.id) === running ? this.#host.output.part(running.job, text) : undefined;
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
    const outcome = this.#outcomeOf(running, ended);
    if (!mayLeaveSteps(running, outcome)) return this.#settle(running, ended, outcome);
    const now = this.#host.now();
    void orUndoing(this.#host.journal, running, ended, outcome, now).then((instead) => this.#settle(running, ended, instead));
  }

  #outcomeOf({ job, definition, policy, isCancelled, deadline }: Running, ended: AttemptEnd): Outcome {
    const { retryIf } = definition.options;
    const random = this.#host.runtime.random();
    return outcomeOf(job, ended, { policy, retryIf, isCancelled, deadline, now: this.#host.now(), random });
  }

  #settle(running: Running, ended: AttemptEnd, outcome: Outcome): void {
    const { job, slots, isCancelled } = running;
    running.isOver = true;
    if (running.hasSlot) slots.free(job.task, ended.kind !== "retracted");
    if (slots.held > 0) this.#turnSoon();
    // Abandoned: the job is someone else's, or nobody's, by now.
    if (this.#running.get(job.id) !== running) return;
    this.#running.delete(job.id);
    this.#progress.delete(job.id);
    const { output } = this.#host;
    if (ended.kind === "failed" && ended.overdue && isCancelled) output.note(job, [overdueRecord(job.fence), ended.overdue]);
    output.end(job);
    this.#waits.delete(job.id);
    this.#host.hooks?.ended(job, slots.place, outcome);
    this.#host.ended(job, outcome);
  }
}

/** The arguments of a job as text, with what it gets of its dependencies filled in. */
function textOf({ job, definition, policy }: Running, { inputs }: Held): string {
  if (inputs.length === 0) return unsealed(job.args);
  const args = decode(job.args, resultsOf(inputs, policy)) as readonly unknown[];
  return encode(checkInput(definition, args), "args");
}
