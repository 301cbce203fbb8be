// A worker takes jobs from a store and runs them. One lease covers all its jobs; one pump settles what has ended and claims
// anew in a single round trip. States: starting → working → stopping → stopped. When the store takes the worker for lost (its
// lease ran out while the machine slept), it drops what it runs, since others have it by now, and joins again under a new id.
// What it deliberately does not do: decide what a job is allowed to do next. That is the store's state machine.
import { hostname } from "node:os";
import { toMs } from "../core/durations.ts";
import type { Duration } from "../core/durations.ts";
import { CancelledError, ClosedError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { ClaimedJob, Ended, Outcome } from "../store/job.ts";
import type { Settled, Store, Want } from "../store/store.ts";
import { decode, encode } from "../task/codec.ts";
import { checkQueueName } from "../task/options.ts";
import type { Place } from "../task/options.ts";
import type { Definition } from "../task/task.ts";
import type { Attempt, AttemptEnd, AttemptOptions } from "./attempt.ts";
import { LoopAttempt } from "./attempt.ts";
import type { Lease } from "./lease.ts";
import { keepLease } from "./lease.ts";
import { outcomeOf } from "./outcome.ts";
import { decodePolicy } from "./policy.ts";
import type { AttemptPolicy } from "./policy.ts";
import type { TaskSource } from "./roster.ts";
import { roster } from "./roster.ts";
import type { Held } from "./slots.ts";
import { Slots } from "./slots.ts";
import { Tending } from "./tending.ts";
import type { WorkerEvent } from "./worker-event.ts";
import { printEvent } from "./worker-event.ts";
import { WorkerPools } from "./worker-pools.ts";

/** How a worker works. */
export interface WorkOptions {
  /** Tasks, modules of tasks, or promises of modules. Default: every task this program has defined. */
  readonly tasks?: readonly TaskSource[];
  /** The queues to take from. Default: those its tasks name. */
  readonly queues?: readonly string[];
  /** How many tasks at a time run on the event loop. Default 50. */
  readonly concurrency?: number;
  /** Threads for tasks with `on: "thread"`. Default: one a core. */
  readonly threads?: number | "auto";
  /** Processes for tasks with `on: "process"`. Default: one a core. */
  readonly processes?: number | "auto";
  /** How long after its last sign of life the worker's jobs are given to others. Default `"10s"`. */
  readonly lease?: Duration;
  /** How long running tasks may take to end after a stop or an abort. Default `"10s"` for a stop. */
  readonly grace?: Duration;
  /** Told what happens. Default: warnings go to standard error. */
  readonly report?: (event: WorkerEvent) => void;
}

const optionNames = ["tasks", "queues", "concurrency", "threads", "processes", "lease", "grace", "report"];
const abortGraceMs = 2000;
const turnMs = 5;
const staleHeldMs = 1000;
const storeRetryMs = 500;

interface Running {
  readonly job: ClaimedJob;
  readonly slots: Slots;
  readonly policy: AttemptPolicy;
  readonly definition: Definition;
  attempt: Attempt | undefined;
  cancelled: boolean;
}

/** What a worker shares with the fleet it belongs to. */
export interface WorkerHost {
  readonly store: Store;
  readonly runtime: Runtime;
  /** Jobs that ended here, for futures waiting in this program. `wanted` says which are worth telling. */
  ended(ended: readonly Ended[]): void;
  wanted(id: string): boolean;
}

/** Runs jobs until stopped. Made by `hands.work()`. */
export class Worker implements AsyncDisposable {
  /** Resolves when the worker has joined; rejects when it cannot work at all. */
  readonly ready: Promise<void>;
  readonly #host: WorkerHost;
  readonly #options: WorkOptions;
  readonly #leaseMs: number;
  readonly #graceMs: number;
  #id = "";
  #tasks: ReadonlyMap<string, Definition> = new Map();
  #taskNumbers = new Map<string, number>();
  #queues: readonly string[] = [];
  #slots = new Map<Place, Slots>();
  #running = new Map<string, Running>();
  #outcomes: Outcome[] = [];
  #progress = new Map<string, readonly [string, number, string]>();
  #pools: WorkerPools | undefined;
  #lease: Lease | undefined;
  #unwatch: () => void = () => undefined;
  #tending: Tending | undefined;
  #pumping: Promise<void> | undefined;
  #pumpAgain = false;
  #pumpDeferred = false;
  #turnDeferred = false;
  #hungry = true;
  #state: "starting" | "working" | "stopping" | "stopped" = "starting";
  #stopping: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  /** Made by `hands.work()`. */
  constructor(host: WorkerHost, options: WorkOptions) {
    checkOptions(options, optionNames, "work()");
    this.#host = host;
    this.#options = options;
    this.#leaseMs = toMs(options.lease ?? "10s", "work() lease");
    this.#graceMs = toMs(options.grace ?? "10s", "work() grace");
    checkInteger(options.concurrency ?? 50, "work() concurrency", 1);
    options.queues?.forEach(checkQueueName);
    this.ready = this.#start();
  }

  /** The id under which the store knows this worker. */
  get id(): string {
    return this.#id;
  }

  /** The jobs that run here now. */
  get running(): number {
    return this.#running.size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Takes no more jobs, gives back those not started, waits up to `grace` for running ones, then aborts them, ends their threads
   * and processes, and gives them back too; an attempt given back is not counted. `stop({ grace: 0 })` ends at once, also while
   * a slower stop is under way.
   */
  stop(options: { readonly grace?: Duration } = {}): Promise<void> {
    const graceMs = options.grace === undefined ? this.#graceMs : toMs(options.grace, "stop() grace");
    if (this.#stopping && graceMs === 0) this.#drained?.();
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  /** Stops running jobs of this worker now, if it runs them; used by a `cancel` in the same program. */
  cancel(ids: readonly string[]): void {
    for (const id of ids) {
      const running = this.#running.get(id);
      if (!running || running.cancelled) continue;
      running.cancelled = true;
      running.attempt?.abort(new CancelledError(`Job ${id} of task "${running.job.task}" was cancelled.`));
    }
  }

  /** Tells that a job of this program is due in `ms`. */
  dueIn(ms: number): void {
    this.#tending?.soon(ms);
  }

  async #start(): Promise<void> {
    const { runtime } = this.#host;
    this.#tasks = await roster(this.#options.tasks);
    const own = [...this.#tasks.values()];
    this.#queues = [...new Set(this.#options.queues ?? own.map((definition) => definition.policy.queue))];
    own.forEach(({ name }, index) => this.#taskNumbers.set(name, index));
    this.#pools = new WorkerPools(this.#options, runtime, abortGraceMs);
    for (const place of ["loop", "thread", "process"] as const) {
      const names = own.filter((definition) => definition.policy.on === place).map(({ name }) => name);
      const capacity = place === "loop" ? (this.#options.concurrency ?? 50) : this.#pools.size(place);
      if (names.length > 0) this.#slots.set(place, new Slots(place, names, capacity, runtime.elapsed()));
    }
    if (this.#state !== "starting") return;
    await this.#join();
    if (this.#state !== "starting") return;
    this.#state = "working";
    this.#unwatch = this.#host.store.watch((event) => {
      if (event === "ready") this.#wake();
    });
    this.#tending = this.#startTending();
    this.#pump();
  }

  async #join(): Promise<void> {
    const { store, runtime } = this.#host;
    this.#id = runtime.id();
    const startedAt = runtime.now();
    const description = {
      id: this.#id,
      host: hostname(),
      pid: process.pid,
      queues: this.#queues,
      tasks: [...this.#tasks.keys()],
      startedAt,
    };
    await store.join(description, startedAt + this.#leaseMs);
    const options = {
      store,
      runtime,
      worker: this.#id,
      leaseMs: this.#leaseMs,
      renewMs: Math.min(1000, this.#leaseMs / 3),
      tasks: description.tasks,
    };
    this.#lease = keepLease(options, {
      cancels: (ids) => this.cancel(ids),
      lost: () => void this.#rejoin(),
      failed: (error) => this.#report({ kind: "store-failed", error }),
      blocked: (ms, where) => this.#options.report?.({ kind: "blocked", ms, where }),
    });
  }

  async #rejoin(): Promise<void> {
    if (this.#state !== "working") return;
    this.#report({ kind: "lease-lost", worker: this.#id });
    const lease = this.#lease;
    this.#lease = undefined;
    const lost = new CancelledError(`Worker ${this.#id} lost its lease; its jobs have been given to others.`);
    const abandoned = [...this.#running.values()];
    this.#running.clear();
    this.#outcomes = [];
    for (const slots of this.#slots.values()) slots.drop(() => true);
    for (const running of abandoned) running.attempt?.abort(lost);
    await lease?.stop();
    if (this.#state !== "working") return;
    try {
      await this.#join();
      this.#wake();
    } catch (error) {
      this.#report({ kind: "store-failed", error: error as Error });
      this.#host.runtime.after(storeRetryMs, () => void this.#rejoin());
    }
  }

  #report(event: WorkerEvent): void {
    (this.#options.report ?? printEvent)(event);
  }

  #wake(): void {
    this.#hungry = true;
    this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    if (this.#pumpDeferred) return;
    this.#pumpDeferred = true;
    this.#host.runtime.defer(() => {
      this.#pumpDeferred = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#pumping || this.#state === "stopped" || this.#state === "starting") return;
    this.#pumping = this.#pumpUntilIdle().finally(() => {
      this.#pumping = undefined;
      if (this.#pumpAgain) this.#pumpSoon();
      this.#pumpAgain = false;
    });
  }

  async #pumpUntilIdle(): Promise<void> {
    for (;;) {
      this.#pumpAgain = false;
      const wants = this.#wants();
      const batch = this.#outcomes;
      if (batch.length === 0 && wants.length === 0) return;
      this.#outcomes = [];
      const worker = this.#id;
      try {
        this.#hungry = false;
        const settled = await this.#host.store.settle(worker, batch, wants, this.#host.runtime.now());
        if (worker === this.#id) await this.#settled(batch, wants, settled);
      } catch (error) {
        if (error instanceof ClosedError) return;
        // What has ended must be told; nothing is dropped because the store failed once.
        if (worker === this.#id) this.#outcomes = [...batch, ...this.#outcomes];
        this.#hungry = true;
        this.#report({ kind: "store-failed", error: error as Error });
        this.#host.runtime.after(storeRetryMs, () => this.#pumpSoon(), { background: true });
        this.#pumpAgain = false;
        return;
      }
      if (this.#outcomes.length === 0 && !this.#hungry && !this.#pumpAgain) return;
    }
  }

  /** What there is room for. A worker with several queues divides its room among them; what one leaves the next claim fills. */
  #wants(): Want[] {
    if (this.#state !== "working" || !this.#hungry || !this.#lease) return [];
    const wants: Want[] = [];
    for (const slots of this.#slots.values()) {
      slots.measure(this.#host.runtime.elapsed());
      const room = slots.room();
      if (room === 0) continue;
      const limit = Math.ceil(room / this.#queues.length);
      for (const queue of this.#queues) wants.push({ queue, tasks: slots.tasks, limit });
    }
    return wants;
  }

  async #settled(batch: readonly Outcome[], wants: readonly Want[], settled: Settled): Promise<void> {
    this.#tellEnded(batch, settled);
    if (settled.claimed.length === 0) return;
    this.#hungry ||= wants.some((want) => settled.claimed.length >= want.limit);
    const inputs = await this.#inputsOf(settled.claimed);
    const since = this.#host.runtime.elapsed();
    for (const job of settled.claimed) {
      const place = this.#tasks.get(job.task)?.policy.on ?? "loop";
      const results = job.dependencies === 0 ? [] : inputs?.get(job.id);
      if (results) this.#slots.get(place)?.hold({ job, inputs: results, since });
      else this.#outcomes.push({ id: job.id, fence: job.fence, kind: "released" });
    }
    this.#turn();
  }

  /** The results that claimed jobs wait for, or undefined when the store could not give them: such jobs are given back. */
  async #inputsOf(claimed: readonly ClaimedJob[]): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
    const waiting = claimed.filter((job) => job.dependencies > 0).map(({ id }) => id);
    if (waiting.length === 0) return new Map();
    try {
      const inputs = await this.#host.store.inputs(waiting);
      return new Map(waiting.map((id, index) => [id, inputs[index] ?? []] as const));
    } catch (error) {
      this.#report({ kind: "store-failed", error: error as Error });
      return undefined;
    }
  }

  #tellEnded(batch: readonly Outcome[], settled: Settled): void {
    const ended: Ended[] = [...settled.ended];
    const otherwise = new Set(settled.ended.map(({ id }) => id));
    const refused = new Set(settled.refused);
    batch.forEach((outcome, index) => {
      if (refused.has(index)) return this.#report({ kind: "refused", id: outcome.id });
      if (outcome.kind === "retry") this.#tending?.soon(outcome.dueAt - this.#host.runtime.now());
      if (otherwise.has(outcome.id) || !this.#host.wanted(outcome.id)) return;
      if (outcome.kind !== "done" && outcome.kind !== "failed" && outcome.kind !== "cancelled") return;
      ended.push({
        id: outcome.id,
        task: "",
        state: outcome.kind,
        result: outcome.kind === "done" ? outcome.result : null,
        error: outcome.kind === "failed" ? outcome.error : null,
        cause: null,
        cancelReason: null,
        crashes: 0,
        worker: this.#id,
      });
    });
    if (ended.length > 0) this.#host.ended(ended);
  }

  /** Starts held jobs. Gives the loop back every few ms, so that many short jobs hold up neither I/O nor the commit of their outcomes. */
  #turn(): void {
    const { runtime } = this.#host;
    const until = runtime.elapsed() + turnMs;
    for (const slots of this.#slots.values()) {
      for (let held = slots.take(); held; held = slots.take()) {
        this.#begin(held, slots);
        if (runtime.elapsed() < until) continue;
        this.#turnSoon();
        return;
      }
    }
  }

  #turnSoon(): void {
    if (this.#turnDeferred) return;
    this.#turnDeferred = true;
    this.#host.runtime.defer(() => {
      this.#turnDeferred = false;
      if (this.#state !== "stopped") this.#turn();
    });
  }

  #begin({ job, inputs }: Held, slots: Slots): void {
    const definition = this.#tasks.get(job.task) as Definition;
    const running: Running = { job, slots, definition, policy: decodePolicy(job.policy), attempt: undefined, cancelled: false };
    this.#running.set(job.id, running);
    const options = {
      id: job.id,
      attempt: job.attempt,
      timeoutMs: running.policy.timeoutMs,
      graceMs: abortGraceMs,
      runtime: this.#host.runtime,
      progress: (fraction: number, note: string | undefined): void => this.#noteProgress(job, fraction, note),
      log: (message: string): void => this.#report({ kind: "log", id: job.id, task: job.task, message }),
    };
    const end = (ended: AttemptEnd): void => this.#end(running, ended);
    try {
      if (slots.place !== "loop" && inputs.length === 0) {
        running.attempt = this.#pools?.start(slots.place, definition, job.args, options, end);
        return;
      }
      const results = inputs.map((text) => decode(text));
      const args = decode(job.args, results) as readonly unknown[];
      if (slots.place === "loop") this.#startOnLoop(running, args, options, end);
      else running.attempt = this.#pools?.start(slots.place, definition, args, options, end);
    } catch (error) {
      this.#end(running, { kind: "failed", error });
    }
  }

  #startOnLoop(running: Running, args: readonly unknown[], options: AttemptOptions, end: (end: AttemptEnd) => void): void {
    const attempt = new LoopAttempt(running.definition, options, end);
    running.attempt = attempt;
    this.#lease?.running(this.#taskNumbers.get(running.job.task) ?? -1);
    attempt.start(running.definition, args);
    this.#lease?.running(-1);
  }

  #end(running: Running, ended: AttemptEnd): void {
    const { job, slots, definition, policy } = running;
    slots.free();
    if (this.#running.get(job.id) !== running) return this.#turnSoon();
    this.#running.delete(job.id);
    this.#progress.delete(job.id);
    const outcome = outcomeOf(job, ended, {
      policy,
      retryIf: definition.options.retryIf,
      cancelled: running.cancelled,
      now: this.#host.runtime.now(),
      random: this.#host.runtime.random(),
    });
    this.#outcomes.push(outcome);
    this.#options.report?.({ kind: "ended", id: job.id, task: job.task, outcome: outcome.kind });
    // A freed slot may be filled by the very settle that records this outcome.
    this.#hungry = true;
    if (slots.held > 0) this.#turnSoon();
    this.#pumpSoon();
    if (this.#running.size === 0) this.#drained?.();
  }

  #noteProgress(job: ClaimedJob, fraction: number, note: string | undefined): void {
    this.#progress.set(job.id, [job.id, job.fence, encode([fraction, note ?? null], "progress")]);
  }

  #startTending(): Tending {
    return new Tending(this.#host.store, this.#host.runtime, {
      round: async () => {
        this.#giveBackStale();
        const notes = [...this.#progress.values()];
        this.#progress.clear();
        if (notes.length > 0) await this.#host.store.note(this.#id, notes);
      },
      tended: ({ ended, promoted, recovered }) => {
        if (ended.length > 0) this.#host.ended(ended);
        if (promoted + recovered > 0) this.#wake();
      },
      failed: (error) => this.#report({ kind: "store-failed", error }),
    });
  }

  /** Held jobs that a long task keeps from starting go back to the store, where another worker may be free. */
  #giveBackStale(): void {
    const before = this.#host.runtime.elapsed() - staleHeldMs;
    this.#giveBack((held) => held.since < before);
  }

  #giveBack(which: (held: Held) => boolean): void {
    for (const slots of this.#slots.values()) {
      for (const { job } of slots.drop(which)) this.#outcomes.push({ id: job.id, fence: job.fence, kind: "released" });
    }
    if (this.#outcomes.length > 0) this.#pumpSoon();
  }

  async #stop(graceMs: number): Promise<void> {
    const wasStarting = this.#state === "starting";
    this.#state = "stopping";
    if (wasStarting) await this.ready.catch(() => undefined);
    this.#unwatch();
    await this.#tending?.stop();
    this.#giveBack(() => true);
    if (this.#running.size > 0 && graceMs > 0) await this.#drain(graceMs);
    const unfinished = [...this.#running.values()];
    this.#running.clear();
    for (const { job } of unfinished) this.#outcomes.push({ id: job.id, fence: job.fence, kind: "released" });
    const stopped = new CancelledError("The worker is stopping; the job is given back and will run elsewhere.");
    for (const running of unfinished) running.attempt?.abort(stopped);
    try {
      while (this.#pumping || this.#outcomes.length > 0) await (this.#pumping ?? this.#settleRest());
    } finally {
      await this.#pools?.close();
      await this.#lease?.stop();
      if (this.#id !== "") await this.#host.store.leave(this.#id, this.#host.runtime.now());
      this.#state = "stopped";
    }
  }

  async #drain(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const timer = this.#host.runtime.after(graceMs, resolve);
    await promise;
    timer.cancel();
  }

  async #settleRest(): Promise<void> {
    const batch = this.#outcomes.splice(0);
    this.#tellEnded(batch, await this.#host.store.settle(this.#id, batch, [], this.#host.runtime.now()));
  }
}
