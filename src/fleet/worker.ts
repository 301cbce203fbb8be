// A worker takes jobs from a store and runs them. One lease covers all its jobs; one pump settles what has ended and claims
// anew in a single round trip. States: starting → working → stopping → stopped. When the store takes the worker for lost, it drops
// what it runs, since others have it by now (`membership.ts`).
// What it deliberately does not do: decide what a job is allowed to do next. That is the store's state machine.
import { toMs } from "../core/durations.ts";
import type { Duration } from "../core/durations.ts";
import { CancelledError, ClosedError, StoreLostError, UsageError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import { sleep } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { Claim, ClaimedJob, Ended, Outcome } from "../store/job.ts";
import type { Settled, Store, Want } from "../store/store.ts";
import { checkQueueName } from "../task/options.ts";
import { Attempts } from "./attempts.ts";
import { Membership } from "./membership.ts";
import { Outage } from "./outage.ts";
import type { TaskSource } from "./roster.ts";
import { roster } from "./roster.ts";
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
const staleHeldMs = 1000;
const storeRetryMs = 500;
/** How long outcomes wait for others while every slot is busy anyway. */
const gatherMs = 5;
const lastTries = 5;
/** A settle beside another must record this many outcomes. */
const leastAlongside = 100;

/** What a worker shares with the fleet it belongs to. */
export interface WorkerHost {
  readonly store: Store;
  readonly runtime: Runtime;
  /** Jobs that ended here, for futures waiting in this program. `wanted` says which are worth telling. */
  ended(ended: readonly Ended[]): void;
  wanted(id: string): boolean;
  /** Jobs may have ended here of which this worker cannot tell. */
  look(): void;
}

/** Runs jobs until stopped. Made by `hands.work()`. */
export class Worker implements AsyncDisposable {
  /** Resolves when the worker has joined; rejects when it cannot work at all. */
  readonly ready: Promise<void>;
  /** Resolves when the worker has stopped; rejects with a StoreLostError when it ended because its store cannot be used any more. */
  readonly stopped: Promise<void>;
  readonly #hasStopped: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #host: WorkerHost;
  readonly #options: WorkOptions;
  readonly #leaseMs: number;
  readonly #graceMs: number;
  #tasks: readonly string[] = [];
  #queues: readonly string[] = [];
  #attempts: Attempts | undefined;
  readonly #pools: WorkerPools;
  readonly #outage: Outage;
  #member: Membership | undefined;
  #tending: Tending | undefined;
  #unwatch: () => void = () => undefined;
  /** What has ended and is not yet recorded. */
  #outcomes: Outcome[] = [];
  /** There may be jobs to claim. */
  #isHungry = true;
  /** The store may have given jobs in an answer that never came. */
  #isUnsure = false;
  /** The settles under way. */
  readonly #settling = new Set<Promise<void>>();
  #pumpAgain = false;
  #isPumpDeferred = false;
  #gathering: Timer | undefined;
  #state: "starting" | "working" | "stopping" | "stopped" = "starting";
  #stopping: Promise<void> | undefined;
  #isHurried = false;
  #drained: (() => void) | undefined;

  /** Made by `hands.work()`. */
  constructor(host: WorkerHost, options: WorkOptions) {
    checkOptions(options, optionNames, "work()");
    this.#host = host;
    this.#options = options;
    this.#leaseMs = toMs(options.lease ?? "10s", "work() lease");
    this.#graceMs = toMs(options.grace ?? "10s", "work() grace");
    checkInteger(options.concurrency ?? 50, "work() concurrency", 1);
    if (this.#leaseMs < 100) throw new UsageError(`work() lease must be at least 100 ms, found ${this.#leaseMs} ms.`);
    if (options.queues?.length === 0) throw new UsageError("work() queues is empty: the worker would never get a job.");
    for (const key of ["tasks", "queues"] as const) {
      if (options[key] !== undefined && !Array.isArray(options[key])) {
        throw new UsageError(`work() ${key} must be a list, found ${show(options[key])}.`);
      }
    }
    options.queues?.forEach(checkQueueName);
    this.#pools = new WorkerPools(options, host.runtime, abortGraceMs);
    this.#outage = new Outage(host.runtime, {
      failed: (error) => this.#report({ kind: "store-failed", error }),
      back: (ms) => this.#report({ kind: "store-back", ms }),
    });
    this.stopped = this.#hasStopped.promise;
    // Whoever does not ask has been told by a report.
    this.stopped.catch(() => undefined);
    this.ready = this.#start();
  }

  /** The id under which the store knows this worker. */
  get id(): string {
    return this.#member?.id ?? "";
  }

  /** The jobs that run here now. */
  get running(): number {
    return this.#attempts?.running ?? 0;
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
    if (graceMs === 0) this.#isHurried = true;
    if (this.#isHurried) this.#drained?.();
    if (!this.#stopping) {
      this.#stopping = this.#stop(graceMs);
      this.#stopping.then(this.#hasStopped.resolve, this.#hasStopped.reject);
    }
    return this.#stopping;
  }

  /** Stops running jobs of this worker now, if it runs them; used by a `cancel` in the same program. */
  cancel(ids: readonly string[]): void {
    const wanted = new Set(ids);
    this.#release(this.#attempts?.drop(({ job }) => wanted.has(job.id)) ?? []);
    this.#attempts?.cancel(ids);
  }

  /** Tells that a job of this program is due in `ms`. */
  dueIn(ms: number): void {
    this.#tending?.soon(ms);
  }

  async #start(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      this.#hasStopped.reject(error);
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { store, runtime } = this.#host;
    const tasks = await roster(this.#options.tasks);
    this.#tasks = [...tasks.keys()];
    this.#queues = [...new Set(this.#options.queues ?? [...tasks.values()].map((definition) => definition.policy.queue))];
    this.#attempts = new Attempts({
      runtime,
      tasks,
      pools: this.#pools,
      concurrency: this.#options.concurrency ?? 50,
      graceMs: abortGraceMs,
      ended: (job, outcome) => this.#ended(job, outcome),
      report: (event) => this.#report(event),
      onLoop: (task) => this.#member?.running(task),
    });
    if (this.#state !== "starting") return;
    this.#member = this.#membership();
    await this.#member.join();
    if (this.#state !== "starting") return;
    this.#state = "working";
    this.#unwatch = store.watch((event) => {
      if (event === "ready") this.#wake();
    });
    this.#tending = this.#startTending();
    this.#pump();
  }

  #membership(): Membership {
    const { store, runtime } = this.#host;
    const terms = { store, runtime, leaseMs: this.#leaseMs, queues: this.#queues, tasks: this.#tasks };
    return new Membership(terms, {
      cancels: (ids) => this.cancel(ids),
      drain: () => this.#drainAsked(),
      lost: () => this.#lost(),
      joined: () => this.#wake(),
      failed: (error) => this.#storeFailed(error),
      blocked: (ms, where) => this.#options.report?.({ kind: "blocked", ms, where }),
    });
  }

  #lost(): void {
    this.#report({ kind: "lease-lost", worker: this.id });
    this.#outcomes = [];
    this.#attempts?.drop(() => true);
    this.#attempts?.abandon(new CancelledError(`Worker ${this.id} lost its lease; its jobs have been given to others.`));
  }

  #drainAsked(): void {
    if (this.#stopping) return;
    this.#report({ kind: "drain" });
    this.stop().catch((error: unknown) => this.#storeFailed(error as Error));
  }

  #report(event: WorkerEvent): void {
    (this.#options.report ?? printEvent)(event);
  }

  #storeFailed(error: Error): void {
    if (error instanceof StoreLostError) this.#giveUp(error);
    else this.#outage.failed(error);
  }

  /** Ends at once: nothing can be recorded any more. A stop under way fails by itself. */
  #giveUp(error: StoreLostError): void {
    if (this.#state !== "working") return;
    this.#state = "stopped";
    this.#report({ kind: "store-lost", error });
    this.#stopping ??= this.#free(error);
    this.#hasStopped.reject(error);
  }

  async #free(error: StoreLostError): Promise<void> {
    this.#unwatch();
    this.#outcomes = [];
    this.#attempts?.drop(() => true);
    this.#attempts?.abandon(new CancelledError("The worker's store is lost.", error.message));
    await this.#tending?.stop();
    await this.#member?.stay();
    await this.#pools.close();
    await this.#member?.stop();
  }

  #wake(): void {
    this.#isHungry = true;
    this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (!this.#maySettle()) {
      this.#pumpAgain = true;
      return;
    }
    if (this.#isPumpDeferred) return;
    this.#isPumpDeferred = true;
    this.#host.runtime.defer(() => {
      this.#isPumpDeferred = false;
      this.#pump();
    });
  }

  /** Waits a little for more to end, so that one commit records it all. */
  #gather(): void {
    this.#gathering ??= this.#host.runtime.after(gatherMs, () => this.#pumpSoon(), { background: true });
  }

  /**
   * A server works on one settle while this program makes the next, which must be worth it. After one that failed nothing
   * else is under way until it is known what is here.
   */
  #maySettle(): boolean {
    if (this.#settling.size === 0) return true;
    const isWorth = this.#outcomes.length >= leastAlongside && this.#settling.size < this.#host.store.settlesAtOnce;
    return isWorth && !this.#isUnsure;
  }

  #pump(): void {
    if (this.#state === "stopped" || this.#state === "starting") return;
    this.#pumpAgain = !this.#maySettle();
    if (this.#pumpAgain) return;
    this.#gathering?.cancel();
    this.#gathering = undefined;
    const asked = this.#ask();
    const batch = this.#outcomes;
    if (batch.length === 0 && asked.wants.length === 0) return;
    this.#outcomes = [];
    const settling = this.#settleOnce(batch, asked.wants).then((goOn) => {
      asked.answered();
      this.#settling.delete(settling);
      if (goOn && (this.#pumpAgain || this.#outcomes.length > 0 || this.#isHungry)) this.#pump();
    });
    this.#settling.add(settling);
  }

  /** One settle, and what comes of it. False when nothing should follow by itself. */
  async #settleOnce(batch: readonly Outcome[], wants: readonly Want[]): Promise<boolean> {
    const worker = this.id;
    try {
      // What others under way have asked for is no longer free, but may not all come.
      this.#isHungry = this.#settling.size > 0;
      await this.#recount(batch);
      const settled = await this.#host.store.settle(worker, batch, wants, this.#host.store.now());
      if (worker === this.id) await this.#settled(batch, wants, settled);
      return true;
    } catch (error) {
      if (error instanceof ClosedError) return false;
      // What has ended must be told; nothing is dropped because the store failed once.
      if (worker === this.id) this.#outcomes = [...batch, ...this.#outcomes];
      this.#isUnsure = true;
      this.#storeFailed(error as Error);
      // Nothing else is begun meanwhile. A worker that stops tries a few times more, by itself.
      await sleep(this.#host.runtime, storeRetryMs);
      this.#isHungry = true;
      return this.#state === "working";
    }
  }

  /** After a settle that failed: what was given in its answer, and is therefore not here, goes back. */
  async #recount(batch: readonly Outcome[]): Promise<void> {
    if (!this.#isUnsure) return;
    const here: Claim[] = [...(this.#attempts?.claims() ?? []), ...batch, ...this.#outcomes];
    await this.#host.store.releaseOthers(this.id, here, this.#host.store.now());
    this.#isUnsure = false;
  }

  /** Asks for what there is room for. The queues take turns in being named first, because an odd place goes to the first. */
  #ask(): { readonly wants: Want[]; readonly answered: () => void } {
    const wants: Want[] = [];
    const asking: (() => void)[] = [];
    if (this.#state === "working" && this.#isHungry && this.#member?.isMember) {
      const elapsed = this.#host.runtime.elapsed();
      const [first, ...others] = this.#queues;
      if (first !== undefined) this.#queues = [...others, first];
      for (const slots of this.#attempts?.slots ?? []) {
        const rooms = slots.rooms(elapsed);
        for (const room of rooms) wants.push({ queues: this.#queues, ...room });
        asking.push(slots.ask(rooms));
      }
    }
    return { wants, answered: () => asking.forEach((answered) => answered()) };
  }

  async #settled(batch: readonly Outcome[], wants: readonly Want[], settled: Settled): Promise<void> {
    this.#tellEnded(batch, settled);
    if (settled.claimed.length === 0) return;
    this.#isHungry ||= wants.some((want) => settled.claimed.length >= want.limit);
    const worker = this.id;
    const inputs = await this.#inputsOf(settled.claimed);
    if (worker !== this.id) return;
    for (const job of settled.claimed) {
      const results = job.dependencies === 0 ? [] : inputs?.get(job.id);
      // Meanwhile the worker may have been told to stop.
      if (results && this.#state === "working") this.#attempts?.hold(job, results);
      else this.#release([job]);
    }
    this.#attempts?.turn();
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
      if (outcome.kind === "retry") this.#tending?.soon(outcome.dueAt - this.#host.store.now());
      if (otherwise.has(outcome.id) || !this.#host.wanted(outcome.id)) return;
      // The store knows the reason of a cancellation; this worker does not.
      if (outcome.kind === "cancelled") return this.#host.look();
      if (outcome.kind !== "done" && outcome.kind !== "failed") return;
      ended.push({
        id: outcome.id,
        task: "",
        state: outcome.kind,
        result: outcome.kind === "done" ? outcome.result : null,
        error: outcome.kind === "failed" ? outcome.error : null,
        cause: null,
        cancelReason: null,
        crashes: 0,
        worker: this.id,
      });
    });
    if (ended.length > 0) this.#host.ended(ended);
  }

  #ended(job: ClaimedJob, outcome: Outcome): void {
    this.#outcomes.push(outcome);
    // A freed slot may be filled by the very settle that records this outcome.
    this.#isHungry = true;
    if (this.#attempts?.isBusy) this.#gather();
    else this.#pumpSoon();
    if (this.running === 0) this.#drained?.();
    this.#options.report?.({ kind: "ended", id: job.id, task: job.task, outcome: outcome.kind });
  }

  #startTending(): Tending {
    return new Tending(this.#host.store, this.#host.runtime, {
      round: async () => {
        await this.#member?.refresh();
        this.#giveBackStale();
        const notes = this.#attempts?.takeProgress() ?? [];
        if (notes.length > 0) await this.#host.store.note(this.id, notes);
      },
      tended: ({ ended, lost }) => {
        this.#outage.worked();
        if (lost.includes(this.id)) this.#member?.rejoin();
        if (ended.length > 0) this.#host.ended(ended);
        // Whatever kept it from jobs that wait, such as a lease that had run out for a moment: it looks again.
        this.#wake();
      },
      failed: (error) => this.#storeFailed(error),
    });
  }

  /** Held jobs that a long task keeps from starting go back to the store, where another worker may be free. */
  #giveBackStale(): void {
    const before = this.#host.runtime.elapsed() - staleHeldMs;
    this.#release(this.#attempts?.drop((held) => held.since < before) ?? []);
    this.#attempts?.retract(before);
  }

  #release(jobs: readonly ClaimedJob[]): void {
    for (const { id, fence } of jobs) this.#outcomes.push({ id, fence, kind: "released" });
    if (jobs.length > 0) this.#pumpSoon();
  }

  async #stop(graceMs: number): Promise<void> {
    const wasStarting = this.#state === "starting";
    this.#state = "stopping";
    if (wasStarting) await this.ready.catch(() => undefined);
    this.#unwatch();
    await this.#tending?.stop();
    await this.#member?.stay();
    this.#release(this.#attempts?.drop(() => true) ?? []);
    if (this.running > 0 && graceMs > 0 && !this.#isHurried) await this.#drain(graceMs);
    const stopped = new CancelledError("The worker is stopping; the job is given back and will run elsewhere.");
    this.#release(this.#attempts?.abandon(stopped) ?? []);
    try {
      while (this.#settling.size > 0 || this.#outcomes.length > 0) {
        await (this.#settling.size > 0 ? Promise.race(this.#settling) : this.#settleRest());
      }
    } finally {
      await this.#pools.close();
      await this.#member?.stop();
      this.#state = "stopped";
    }
    // Where the outcomes could not be recorded, the lease runs out by itself: a server that is away is not waited for once more.
    if (this.id !== "") await this.#host.store.leave(this.id, this.#host.store.now());
    this.#host.look();
  }

  async #drain(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const timer = this.#host.runtime.after(graceMs, resolve);
    await promise;
    timer.cancel();
  }

  /** What has ended must be told, also when the store fails just now: it is tried again before the worker gives up. */
  async #settleRest(): Promise<void> {
    for (let tries = 1; ; tries++) {
      const batch = this.#outcomes;
      this.#outcomes = [];
      try {
        return this.#tellEnded(batch, await this.#host.store.settle(this.id, batch, [], this.#host.store.now()));
      } catch (error) {
        this.#outcomes = [...batch, ...this.#outcomes];
        if (tries === lastTries || error instanceof ClosedError || error instanceof StoreLostError) throw error;
        await sleep(this.#host.runtime, storeRetryMs);
      }
    }
  }
}
