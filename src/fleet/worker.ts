// A worker takes jobs from a store and runs them. One lease covers all its jobs; one pump settles what has ended and claims
// anew (`pump.ts`). States: starting → working → stopping → stopped. When the store takes the worker for lost, it drops
// what it runs, since others have it by now (`membership.ts`).
// What it deliberately does not do: decide what a job is allowed to do next. That is the store's state machine.
import { toMs } from "../core/durations.ts";
import type { Duration } from "../core/durations.ts";
import { CancelledError, StoreLostError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import type { ClaimedJob, Ended, Outcome } from "../store/job.ts";
import type { Settled, Store } from "../store/store.ts";
import { nameOf } from "../task/requires.ts";
import { Attempts } from "./attempts.ts";
import type { Awaited, Children } from "./children.ts";
import { JobOutput } from "./job-output.ts";
import { Journal } from "./journal.ts";
import type { GivenBeside } from "./given.ts";
import { givenBeside } from "./given.ts";
import { Membership } from "./membership.ts";
import { RunHooks } from "./middleware/run-hooks.ts";
import { Upkeep } from "./middleware/upkeep.ts";
import type { Wiring } from "./middleware/wiring.ts";
import { Outage } from "./outage.ts";
import { Pump } from "./pump.ts";
import { queueEntries } from "./queue-choice.ts";
import { Routes } from "./routes.ts";
import { roster } from "./roster.ts";
import { Firing } from "./schedules/firing.ts";
import { tellings } from "./tellings.ts";
import { Tending } from "./tending.ts";
import { Watchdog } from "./watchdog.ts";
import type { WorkOptions, WorkTerms } from "./work-options.ts";
import { workTerms } from "./work-options.ts";
import type { WorkerEvent } from "./worker-event.ts";
import { printEvent } from "./worker-event.ts";
import { WorkerPools } from "./worker-pools.ts";

const abortGraceMs = 2000;
const staleHeldMs = 1000;
const tellWaitsMs = 100;
/** How long jobs that are due soon wait for others, before it is asked when the first is due. */
const gatherDueMs = 50;

/** What a worker shares with the fleet it belongs to. */
export interface WorkerHost {
  readonly store: Store;
  readonly runtime: Runtime;
  /** Jobs that ended here, for futures waiting in this program. `wanted` says which are worth telling. */
  ended(ended: readonly Ended[]): void;
  wanted(id: string): boolean;
  /** Jobs may have ended here of which this worker cannot tell. */
  look(): void;
  /** What a job may submit. */
  children(job: ClaimedJob, awaited: Awaited): Children;
  readonly wiring: Wiring | undefined;
}

/** The job by its task's name, without what it required to come here. */
function named(job: ClaimedJob): ClaimedJob {
  return job.task.includes("\n") ? { ...job, task: nameOf(job.task) } : job;
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
  readonly #terms: WorkTerms;
  #tasks: readonly string[] = [];
  #routes: Routes | undefined;
  #attempts: Attempts | undefined;
  #pump: Pump | undefined;
  readonly #pools: WorkerPools;
  readonly #outage: Outage;
  #member: Membership | undefined;
  #tending: Tending | undefined;
  #firing: Firing | undefined;
  readonly #hooks: RunHooks | undefined;
  #upkeep: Upkeep | undefined;
  #watchdog: Watchdog | undefined;
  #unwatch: () => void = () => undefined;
  #state: "starting" | "working" | "stopping" | "stopped" = "starting";
  #stopping: Promise<void> | undefined;
  #isHurried = false;
  #isPaused: boolean;
  #drained: (() => void) | undefined;
  #telling: Timer | undefined;

  /** Made by `hands.work()`. */
  constructor(host: WorkerHost, options: WorkOptions) {
    this.#terms = workTerms(options);
    this.#isPaused = this.#terms.isPaused;
    this.#host = host;
    this.#options = options;
    this.#hooks = host.wiring && new RunHooks(host.wiring.hooks, this.#middlewareFailed);
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
    const graceMs = options.grace === undefined ? this.#terms.graceMs : toMs(options.grace, "stop() grace");
    if (graceMs === 0) this.#isHurried = true;
    if (this.#isHurried) this.#drained?.();
    if (!this.#stopping) {
      this.#stopping = this.#stop(graceMs);
      this.#stopping.then(this.#hasStopped.resolve, this.#hasStopped.reject);
    }
    return this.#stopping;
  }

  /** Takes jobs from now on, for a worker that was started with `paused`. */
  resume(): void {
    this.#isPaused = false;
    this.#pump?.wake();
  }

  /** Stops running jobs of this worker now, if it runs them; used by a `cancel` in the same program. */
  cancel(ids: readonly string[]): void {
    const wanted = new Set(ids);
    this.#pump?.release(this.#attempts?.drop(({ job }) => wanted.has(job.id)) ?? []);
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
    const entries = queueEntries(this.#options.queues ?? [...tasks.values()].map(({ policy }) => policy.queue));
    const routes = new Routes({
      store,
      runtime,
      entries,
      labels: this.#terms.labels,
      tasks,
      found: () => this.#pump?.wake(),
      failed: (error) => this.#storeFailed(error),
    });
    this.#routes = routes;
    this.#attempts = new Attempts({
      runtime,
      tasks,
      pools: this.#pools,
      concurrency: this.#terms.concurrency,
      graceMs: abortGraceMs,
      now: () => store.now(),
      journal: new Journal({ store, runtime, worker: () => this.id, failed: (error) => this.#storeFailed(error) }),
      output: new JobOutput({ store, runtime, worker: () => this.id, failed: (error) => this.#storeFailed(error) }),
      children: (job, awaited) => this.#host.children(job, awaited),
      waits: () => this.#waitsChanged(),
      ended: (job, outcome) => this.#ended(job, outcome),
      report: (event) => this.#report(event),
      onLoop: (task) => this.#member?.running(task),
      hooks: this.#hooks,
    });
    this.#pump = this.#makePump(this.#attempts, routes);
    this.#watchdog = this.#makeWatchdog(this.#attempts, routes);
    if (this.#state !== "starting") return;
    this.#member = this.#membership(entries.map(({ text }) => text));
    await Promise.all([this.#member.join(), routes.look()]);
    if (this.#state !== "starting") return;
    this.#state = "working";
    this.#unwatch = store.watch((event) => {
      if (event === "ready") this.#workIsReady();
      if (event === "scheduled") this.#tending?.soon(gatherDueMs);
      if (event === "own") this.#firing?.written();
      if (event === "ended") this.#firing?.ended();
    });
    this.#firing = this.#startFiring();
    if (this.#host.wiring) this.#upkeep = new Upkeep(store, runtime, this.#host.wiring, this.#middlewareFailed);
    this.#tending = this.#startTending();
    this.#pump.pump();
  }

  #workIsReady(): void {
    this.#routes?.workIsReady();
    this.#pump?.wake();
  }

  #makePump(attempts: Attempts, routes: Routes): Pump {
    const { store, runtime } = this.#host;
    return new Pump({
      store,
      runtime,
      routes,
      worker: () => this.id,
      mayPump: () => this.#state === "working" || this.#state === "stopping",
      mayClaim: () => this.#mayClaim,
      slots: () => attempts.slots,
      claims: () => attempts.claims(),
      settled: (...what) => this.#settled(...what),
      claimed: (jobs) => this.#take(attempts, jobs),
      failed: (error) => this.#storeFailed(error),
    });
  }

  #makeWatchdog(attempts: Attempts, routes: Routes): Watchdog {
    const { store, runtime } = this.#host;
    return new Watchdog({
      store,
      runtime,
      queues: () => routes.queues,
      tasks: () => {
        if (!this.#mayClaim) return [];
        return attempts.slots.filter(({ isFull }) => !isFull).flatMap(({ tasks }) => routes.lines(tasks));
      },
      stalled: (id, ms) => this.#report({ kind: "stalled", id, ms }),
    });
  }

  get #mayClaim(): boolean {
    return this.#state === "working" && !this.#isPaused && this.#member?.isMember === true;
  }

  #membership(queues: readonly string[]): Membership {
    const { store, runtime } = this.#host;
    const terms = { store, runtime, leaseMs: this.#terms.leaseMs, queues, tasks: this.#tasks, labels: this.#terms.labels };
    return new Membership(terms, {
      cancels: (ids) => this.cancel(ids),
      drain: () => this.#drainAsked(),
      lost: () => this.#lost(),
      joined: () => this.#pump?.wake(),
      failed: (error) => this.#storeFailed(error),
      blocked: (ms, where) => this.#report({ kind: "blocked", ms, where }),
    });
  }

  #lost(): void {
    this.#report({ kind: "lease-lost", worker: this.id });
    this.#pump?.forget();
    this.#attempts?.drop(() => true);
    this.#attempts?.abandon(new CancelledError(`Worker ${this.id} lost its lease; its jobs have been given to others.`));
  }

  #drainAsked(): void {
    if (this.#stopping) return;
    this.#report({ kind: "drain" });
    this.stop().catch((error: unknown) => this.#storeFailed(error as Error));
  }

  readonly #middlewareFailed = (name: string, error: unknown): void => {
    this.#report({ kind: "middleware-failed", name, error });
  };

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
    this.#pump?.forget();
    this.#attempts?.drop(() => true);
    this.#attempts?.abandon(new CancelledError("The worker's store is lost.", error.message));
    await this.#firing?.stop();
    await this.#upkeep?.stop();
    await this.#tending?.stop();
    await this.#member?.stay();
    await this.#pools.close();
    await this.#member?.stop();
  }

  /** Holds the jobs that were given to this worker. */
  async #take(attempts: Attempts, lined: readonly ClaimedJob[]): Promise<void> {
    const claimed = lined.map(named);
    this.#watchdog?.fed();
    const worker = this.id;
    const given = await this.#givenTo(claimed);
    if (worker !== this.id) return;
    for (const job of claimed) {
      const inputs = job.dependencies === 0 ? [] : given?.inputs.get(job.id);
      // Meanwhile the worker may have been told to stop.
      if (given && inputs && this.#state === "working") attempts.hold(job, inputs, given.deadlines.get(job.id));
      else this.#pump?.release([job]);
    }
    attempts.turn();
  }

  /** What claimed jobs get beside themselves, or undefined when the store could not give it: they are given back. */
  async #givenTo(claimed: readonly ClaimedJob[]): Promise<GivenBeside | undefined> {
    try {
      return await givenBeside(this.#host.store, claimed);
    } catch (error) {
      this.#report({ kind: "store-failed", error: error as Error });
      return undefined;
    }
  }

  #settled(batch: readonly Outcome[], settled: Settled, doubtful: ReadonlySet<Outcome>): void {
    const told = tellings(batch, settled, doubtful, { worker: this.id, wanted: (id) => this.#host.wanted(id) });
    for (const id of told.refused) this.#report({ kind: "refused", id });
    for (const at of told.due) this.#tending?.soon(at - this.#host.store.now());
    if (told.mustLook) this.#host.look();
    if (told.ended.length > 0) this.#host.ended(told.ended);
  }

  #ended(job: ClaimedJob, outcome: Outcome): void {
    this.#pump?.record(outcome);
    if (this.#attempts?.isBusy) this.#pump?.gather();
    else this.#pump?.soon();
    if (this.running === 0) this.#drained?.();
    this.#report({ kind: "ended", id: job.id, task: job.task, outcome: outcome.kind });
  }

  #startFiring(): Firing {
    const { store, runtime } = this.#host;
    return new Firing({
      store,
      runtime,
      cancel: (ids) => this.cancel(ids),
      storeFailed: (error) => this.#storeFailed(error),
      scheduleFailed: (schedule, error) => this.#report({ kind: "schedule-failed", schedule, error }),
    });
  }

  /** Attempts wait or go on: there may be room for others, and the store is told, a little later, of those that still wait. */
  #waitsChanged(): void {
    this.#pump?.soon();
    this.#telling ??= this.#host.runtime.after(tellWaitsMs, () => {
      this.#telling = undefined;
      const waits = this.#attempts?.takeWaits() ?? [];
      if (waits.length > 0) this.#host.store.suspend(this.id, waits).catch((error: unknown) => this.#storeFailed(error as Error));
    });
  }

  #startTending(): Tending {
    return new Tending(this.#host.store, this.#host.runtime, {
      round: async () => {
        await this.#member?.refresh();
        await this.#routes?.look();
        this.#firing?.look();
        this.#giveBackStale();
        const notes = this.#attempts?.takeProgress() ?? [];
        if (notes.length > 0) await this.#host.store.note(this.id, notes);
        await this.#watchdog?.look();
      },
      tended: ({ ended, lost }) => {
        this.#outage.worked();
        if (lost.includes(this.id)) this.#member?.rejoin();
        if (lost.length > 0) this.#hooks?.lost(lost);
        if (ended.length > 0) this.#host.ended(ended);
        // Whatever kept it from jobs that wait, such as a lease that had run out for a moment: it looks again.
        this.#pump?.wake();
      },
      failed: (error) => this.#storeFailed(error),
    });
  }

  /** Held jobs that a long task keeps from starting go back to the store, where another worker may be free. */
  #giveBackStale(): void {
    const before = this.#host.runtime.elapsed() - staleHeldMs;
    this.#pump?.release(this.#attempts?.drop((held) => held.since < before) ?? []);
    this.#attempts?.retract(before);
  }

  async #stop(graceMs: number): Promise<void> {
    const wasStarting = this.#state === "starting";
    this.#state = "stopping";
    if (wasStarting) await this.ready.catch(() => undefined);
    this.#unwatch();
    await this.#firing?.stop();
    await this.#upkeep?.stop();
    await this.#tending?.stop();
    await this.#member?.stay();
    const stopped = new CancelledError("The worker is stopping; the job is given back and will run elsewhere.");
    this.#pump?.release(this.#attempts?.drop(() => true) ?? []);
    // What waits for children goes on elsewhere, when they have ended; no need to wait for that here.
    this.#pump?.release(this.#attempts?.abandon(stopped, "waiting") ?? []);
    this.#telling?.cancel();
    if (this.running > 0 && graceMs > 0 && !this.#isHurried) await this.#drain(graceMs);
    this.#pump?.release(this.#attempts?.abandon(stopped) ?? []);
    try {
      await this.#pump?.finish();
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
}
