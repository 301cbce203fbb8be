// The jobs a worker holds: those claimed and not started, in slots, and the attempts that run. It starts what there is room for,
// a few ms at a time, and turns the end of each attempt into the outcome to record. It knows no store.
import { CancelledError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { checkInput } from "../pool/input.ts";
import type { Claim, ClaimedJob, Input, Outcome } from "../store/job.ts";
import { companionOf } from "../task/batch.ts";
import { decode, encode } from "../task/codec.ts";
import type { Place } from "../task/options.ts";
import type { Definition } from "../task/task.ts";
import type { Attempt, AttemptEnd, AttemptOptions } from "./attempt.ts";
import { LoopAttempt } from "./attempt.ts";
import { BatchAttempt, withoutJob } from "./batch-attempt.ts";
import type { Awaited, Children } from "./children.ts";
import { errorOf } from "./ending.ts";
import { Gathering } from "./gathering.ts";
import type { Journal } from "./journal.ts";
import { isLastAttempt, outcomeOf } from "./outcome.ts";
import type { AttemptPolicy } from "./policy.ts";
import { decodePolicy } from "./policy.ts";
import type { Held } from "./slots.ts";
import { Slots } from "./slots.ts";
import type { WorkerEvent } from "./worker-event.ts";
import type { WorkerPools } from "./worker-pools.ts";

const turnMs = 5;
/** How many batches of a task there are at a time on the event loop: one runs while the next is gathered. */
const loopBatches = 2;

interface Running {
  readonly job: ClaimedJob;
  readonly slots: Slots;
  readonly policy: AttemptPolicy;
  readonly definition: Definition;
  /** When it was started here, on the monotonic clock. */
  readonly since: number;
  attempt: Attempt | undefined;
  isCancelled: boolean;
  children: Children | undefined;
  /** How many promises of children it awaits. */
  awaited: number;
  /** False while it waits: its slot is another's. */
  hasSlot: boolean;
  isOver: boolean;
}

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
  /** An attempt has ended; its slot is free. */
  ended(job: ClaimedJob, outcome: Outcome): void;
  report(event: WorkerEvent): void;
  readonly journal: Journal;
  /** What a job may submit. */
  children(job: ClaimedJob, awaited: Awaited): Children;
  /** Slots have become free, or the state of these jobs has changed between running and waiting. */
  waits(): void;
  /** The task with this number begins to run on the event loop; -1 when it has returned. */
  onLoop(task: number): void;
}

/** The jobs of one worker. */
export class Attempts {
  readonly slots: readonly Slots[];
  readonly #host: AttemptsHost;
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
    const definitions = [...host.tasks.values()];
    this.#numbers = new Map(definitions.map(({ name }, index) => [name, index] as const));
    // Threads and processes first: a start there is cheap, and short tasks on the loop could keep them waiting.
    for (const place of ["thread", "process", "loop"] as const) {
      const tasks = definitions.filter(({ policy }) => policy.on === place);
      const capacity = place === "loop" ? host.concurrency : host.pools.size(place);
      this.#addSlots(
        place,
        tasks.filter(({ many }) => !many),
        capacity,
      );
      // A batch takes one of the worker's turns, and many of its jobs.
      const batches = place === "loop" ? loopBatches : capacity;
      for (const task of tasks.filter(({ many }) => many))
        this.#addSlots(place, [task], batches * (task.policy.batch?.size ?? 1));
    }
    this.slots = [...new Set(this.#slotsOf.values())];
    this.#gathering = new Gathering(host.runtime, (definition, batch, slots) => this.#beginBatch(definition, batch, slots));
  }

  #addSlots(place: Place, tasks: readonly Definition[], capacity: number): void {
    if (tasks.length === 0) return;
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

  /** Takes in a claimed job; `inputs` are the encoded results of its dependencies. */
  hold(job: ClaimedJob, inputs: readonly Input[]): void {
    this.#slotsOf.get(job.task)?.hold({ job, inputs, since: this.#host.runtime.elapsed() });
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

  #runningOf(definition: Definition, job: ClaimedJob, slots: Slots): Running {
    const running: Running = {
      job,
      slots,
      definition,
      policy: decodePolicy(job.policy),
      since: this.#host.runtime.elapsed(),
      attempt: undefined,
      isCancelled: false,
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
    const definition = this.#host.tasks.get(job.task) as Definition;
    // One that was with a worker that died might be the reason: it is alone.
    if (definition.many && job.crashes === 0) return this.#gathering.add(definition, held, slots);
    const running = this.#runningOf(definition, job, slots);
    const end = (ended: AttemptEnd): void => this.#end(running, ended);
    try {
      const results = resultsOf(inputs);
      // Threads and processes read the stored text themselves, unless results have to be filled in.
      if (slots.place !== "loop" && results.length === 0) {
        running.attempt = this.#host.pools.start(slots.place, definition, job.args, this.#optionsOf(running), end);
        return;
      }
      const stored = decode(job.args, results) as readonly unknown[];
      const args = results.length === 0 ? stored : checkInput(definition, stored);
      if (slots.place === "loop") return this.#startOnLoop(running, args, end);
      running.attempt = this.#host.pools.start(slots.place, definition, args, this.#optionsOf(running), end);
    } catch (error) {
      this.#end(running, { kind: "failed", error });
    }
  }

  /** Starts several jobs as one; each has its own end. */
  #beginBatch(definition: Definition, batch: readonly Held[], slots: Slots): void {
    const members: Running[] = [];
    const texts: string[] = [];
    for (const { job, inputs } of batch) {
      const running = this.#runningOf(definition, job, slots);
      try {
        texts.push(
          inputs.length === 0
            ? job.args
            : encode(checkInput(definition, decode(job.args, resultsOf(inputs)) as unknown[]), "args"),
        );
        members.push(running);
      } catch (error) {
        this.#end(running, { kind: "failed", error });
      }
    }
    const [first] = members;
    if (!first) return;
    const together = new BatchAttempt(members.map((running) => (ended) => this.#end(running, ended)));
    for (const [place, running] of members.entries()) running.attempt = together.member(place);
    const end = (ended: AttemptEnd): void => together.end(ended);
    const options = this.#batchOptions(first, members);
    const companion = companionOf(definition);
    try {
      if (slots.place !== "loop") {
        together.attempt = this.#host.pools.start(slots.place, companion, [texts], options, end);
        return;
      }
      const attempt = new LoopAttempt(companion, options, end);
      together.attempt = attempt;
      this.#onLoop(definition, () => attempt.start(companion, [texts]));
    } catch (error) {
      end({ kind: "failed", error });
    }
  }

  /** The batch has the id and the attempt of its first job, the shortest of the time-outs, and tells all of its progress. */
  #batchOptions(first: Running, members: readonly Running[]): AttemptOptions {
    const { id, attempt, graceMs, runtime, log } = this.#optionsOf(first);
    const limits = members.flatMap(({ policy }) => policy.timeoutMs ?? []);
    const timeoutMs = limits.length === 0 ? undefined : Math.min(...limits);
    const progress: AttemptOptions["progress"] = (fraction, note) => {
      for (const each of members) if (!each.isOver) this.#optionsOf(each).progress(fraction, note);
    };
    return Object.assign(withoutJob(first.job.task), { id, attempt, timeoutMs, graceMs, runtime, progress, log });
  }

  #onLoop({ name }: Definition, start: () => void): void {
    this.#host.onLoop(this.#numbers.get(name) ?? -1);
    start();
    this.#host.onLoop(-1);
  }

  #startOnLoop(running: Running, args: readonly unknown[], end: (end: AttemptEnd) => void): void {
    const attempt = new LoopAttempt(running.definition, this.#optionsOf(running), end);
    running.attempt = attempt;
    this.#onLoop(running.definition, () => attempt.start(running.definition, args));
  }

  #childrenOf(running: Running): Children {
    running.children ??= this.#host.children(running.job, (promise) => this.#awaited(running, promise));
    return running.children;
  }

  /** A task awaits a child: meanwhile its slot is another's. */
  async #awaited<T>(running: Running, promise: Promise<T>): Promise<T> {
    running.awaited += 1;
    if (running.awaited === 1 && running.hasSlot) {
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
    const { job, policy, definition } = running;
    const { journal, runtime } = this.#host;
    return {
      id: job.id,
      task: job.task,
      runtime,
      now: () => this.#host.now(),
      // Nobody ran the job before its first claim: no step can be recorded.
      read: (prefix) => (job.fence === 1 && prefix === "step/" ? Promise.resolve([]) : journal.read(job, prefix)),
      write: (changes) => journal.write(job, changes),
      isHeld: () => running.awaited > 0,
      cancelled: () => this.#cancelled(running),
      isLast: (error) => {
        return isLastAttempt(job, error, { policy, retryIf: definition.options.retryIf, isCancelled: running.isCancelled });
      },
      changed: (gone, fresh) => this.#host.report({ kind: "steps-changed", id: job.id, task: job.task, gone, fresh }),
    };
  }

  #optionsOf(running: Running): AttemptOptions {
    const { job, policy } = running;
    const { runtime, graceMs } = this.#host;
    const childrenOf = (): Children => this.#childrenOf(running);
    const durableOf = (): AttemptOptions["durable"] => this.#durableOf(running);
    return {
      get durable() {
        return durableOf();
      },
      get children() {
        return childrenOf();
      },
      id: job.id,
      attempt: job.attempt,
      timeoutMs: policy.timeoutMs,
      graceMs,
      runtime,
      progress: (fraction, note) => this.#progress.set(job.id, [job.id, job.fence, encode([fraction, note ?? null], "progress")]),
      log: (message) => this.#host.report({ kind: "log", id: job.id, task: job.task, message }),
    };
  }

  #end(running: Running, ended: AttemptEnd): void {
    const { job, slots, definition, policy, isCancelled } = running;
    running.isOver = true;
    if (running.hasSlot) slots.free(job.task, ended.kind !== "retracted");
    if (slots.held > 0) this.#turnSoon();
    // Abandoned: the job is someone else's, or nobody's, by now.
    if (this.#running.get(job.id) !== running) return;
    this.#running.delete(job.id);
    this.#progress.delete(job.id);
    this.#waits.delete(job.id);
    const { runtime } = this.#host;
    const facts = { policy, retryIf: definition.options.retryIf, isCancelled, now: this.#host.now(), random: runtime.random() };
    this.#host.ended(job, outcomeOf(job, ended, facts));
  }
}

function resultsOf(inputs: readonly Input[]): unknown[] {
  return inputs.map((input) => (typeof input === "string" ? decode(input) : errorOf(input)));
}
