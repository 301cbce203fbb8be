// A worker's shift: from when it knows its tasks until it has given everything back. One lease covers all its jobs (`membership.ts`); one
// pump settles what has ended and claims anew (`claiming.ts`). When the store takes the worker for lost, it drops what it runs, since
// others have it by now.
// What it deliberately does not do: decide what a job is allowed to do next. That is the store's state machine.
import type { StoreLostError } from "../core/errors.ts";
import { CancelledError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import type { ClaimedJob, Ended, Outcome } from "../store/job.ts";
import type { Store, Tended } from "../store/store.ts";
import type { Definition } from "../task/task.ts";
import { Attempts } from "./attempts.ts";
import type { Children, Waiting } from "./children.ts";
import { Claiming } from "./claiming.ts";
import { Duties } from "./duties.ts";
import { JobOutput } from "./job-output.ts";
import { Journal } from "./journal.ts";
import { Membership } from "./membership.ts";
import { RunHooks } from "./middleware/run-hooks.ts";
import type { Wiring } from "./middleware/wiring.ts";
import type { Pump } from "./pump.ts";
import type { QueueEntry } from "./queue-choice.ts";
import type { WorkTerms } from "./work-options.ts";
import type { WorkerEvent } from "./worker-event.ts";
import type { WorkerPools } from "./worker-pools.ts";

const staleHeldMs = 1000;
const tellWaitsMs = 100;

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
  children(job: ClaimedJob, waiting: Waiting): Children;
  readonly wiring: Wiring | undefined;
}

/** What is done in a shift, and where. */
export interface ShiftTerms extends WorkTerms {
  readonly tasks: ReadonlyMap<string, Definition>;
  readonly queues: readonly QueueEntry[];
  readonly pools: WorkerPools;
  readonly abortGraceMs: number;
}

/** What a shift asks and tells its worker. */
export interface ShiftListener {
  state(): "starting" | "working" | "stopping" | "stopped";
  /** It is to take no jobs for now. */
  isPaused(): boolean;
  report(event: WorkerEvent): void;
  /** Someone asked the worker to stop. */
  drain(): void;
  storeFailed(error: Error): void;
  /** The store has done its part. */
  storeWorked(): void;
}

/** What a worker does between its start and its end. */
export class Shift {
  readonly #host: WorkerHost;
  readonly #terms: ShiftTerms;
  readonly #worker: ShiftListener;
  readonly #hooks: RunHooks | undefined;
  readonly #attempts: Attempts;
  readonly #claiming: Claiming;
  readonly #pump: Pump;
  readonly #member: Membership;
  #duties: Duties | undefined;
  #unwatch: () => void = () => undefined;
  #isHurried = false;
  #drained: (() => void) | undefined;
  #telling: Timer | undefined;

  constructor(host: WorkerHost, terms: ShiftTerms, worker: ShiftListener) {
    this.#host = host;
    this.#terms = terms;
    this.#worker = worker;
    this.#hooks = host.wiring && new RunHooks(host.wiring.hooks, this.#middlewareFailed);
    this.#attempts = this.#makeAttempts();
    this.#claiming = this.#makeClaiming();
    this.#pump = this.#claiming.pump;
    this.#member = this.#makeMembership();
  }

  /** The id under which the store knows the worker; empty before it has joined. */
  get id(): string {
    return this.#member.id;
  }

  /** The jobs that run here now. */
  get running(): number {
    return this.#attempts.running;
  }

  /** Makes the worker known to its fleet. */
  async join(): Promise<void> {
    await Promise.all([this.#member.join(), this.#claiming.look()]);
  }

  /** Takes jobs from now on, and does what every worker does. */
  begin(): void {
    this.#unwatch = this.#host.store.watch((event) => {
      if (event === "ready") this.#claiming.workIsReady();
      else this.#duties?.heard(event);
    });
    this.#duties = this.#makeDuties();
    this.#pump.pump();
  }

  /** There may be jobs to take. */
  wake(): void {
    this.#pump.wake();
  }

  /** Stops those of these jobs that are here. */
  cancel(ids: readonly string[]): void {
    const wanted = new Set(ids);
    this.#pump.release(this.#attempts.drop(({ job }) => wanted.has(job.id)));
    this.#attempts.cancel(ids);
  }

  /** A job of this program is due in `ms`. */
  dueIn(ms: number): void {
    this.#duties?.dueIn(ms);
  }

  /** Gives back what has not begun, waits up to `graceMs` for what runs, gives that back too, and records what has ended. */
  async end(graceMs: number): Promise<void> {
    await this.#stopDuties();
    const stopped = new CancelledError("The worker is stopping; the job is given back and will run elsewhere.");
    this.#pump.release(this.#attempts.drop(() => true));
    // What waits for children goes on elsewhere, when they have ended; no need to wait for that here.
    this.#pump.release(this.#attempts.abandon(stopped, "waiting"));
    this.#telling?.cancel();
    if (this.running > 0 && graceMs > 0 && !this.#isHurried) await this.#drain(graceMs);
    this.#pump.release(this.#attempts.abandon(stopped));
    try {
      await this.#pump.finish();
    } finally {
      await this.#close();
    }
  }

  /** Waits no longer for what runs. */
  hurry(): void {
    this.#isHurried = true;
    this.#drained?.();
  }

  /** Ends at once, since nothing can be recorded any more. */
  async quit(error: StoreLostError): Promise<void> {
    this.#unwatch();
    this.#pump.forget();
    this.#attempts.drop(() => true);
    this.#attempts.abandon(new CancelledError("The worker's store is lost.", error.message));
    await this.#stopDuties();
    await this.#close();
  }

  /** What `end` has left: the place in the fleet. */
  async leave(): Promise<void> {
    const { store } = this.#host;
    // Where the outcomes could not be recorded, the lease runs out by itself: a server that is away is not waited for once more.
    if (this.id !== "") await store.leave(this.id, store.now());
  }

  async #stopDuties(): Promise<void> {
    this.#unwatch();
    await this.#duties?.stop();
    await this.#member.stay();
  }

  async #close(): Promise<void> {
    await this.#terms.pools.close();
    await this.#member.stop();
  }

  async #drain(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const timer = this.#host.runtime.after(graceMs, resolve);
    await promise;
    timer.cancel();
  }

  // What the parts of the worker ask and tell.

  #makeAttempts(): Attempts {
    const { store, runtime } = this.#host;
    const { tasks, pools, concurrency, abortGraceMs } = this.#terms;
    const records = { store, runtime, worker: () => this.id, failed: (error: Error) => this.#worker.storeFailed(error) };
    return new Attempts({
      runtime,
      tasks,
      pools,
      concurrency,
      graceMs: abortGraceMs,
      now: () => store.now(),
      journal: new Journal(records),
      output: new JobOutput(records),
      children: (job, waiting) => this.#host.children(job, waiting),
      waits: () => this.#waitsChanged(),
      ended: (job, outcome) => this.#ended(job, outcome),
      report: (event) => this.#worker.report(event),
      onLoop: (task) => this.#member.running(task),
      hooks: this.#hooks,
    });
  }

  #makeClaiming(): Claiming {
    const { store, runtime } = this.#host;
    const { queues, labels, tasks } = this.#terms;
    return new Claiming({
      store,
      runtime,
      queues,
      labels,
      tasks,
      attempts: this.#attempts,
      worker: () => this.id,
      mayPump: () => this.#worker.state() === "working" || this.#worker.state() === "stopping",
      mayClaim: () => this.#worker.state() === "working" && !this.#worker.isPaused() && this.#member.isMember,
      mayHold: () => this.#worker.state() === "working",
      ended: (ended) => this.#host.ended(ended),
      wanted: (id) => this.#host.wanted(id),
      look: () => this.#host.look(),
      dueIn: (ms) => this.dueIn(ms),
      report: (event) => this.#worker.report(event),
      failed: (error) => this.#worker.storeFailed(error),
    });
  }

  #makeMembership(): Membership {
    const { store, runtime } = this.#host;
    const { leaseMs, labels, tasks, queues } = this.#terms;
    const announced = { queues: queues.map(({ text }) => text), tasks: [...tasks.keys()], labels };
    return new Membership(
      { store, runtime, leaseMs, ...announced },
      {
        cancels: (ids) => this.cancel(ids),
        drain: () => this.#worker.drain(),
        lost: () => this.#lost(),
        joined: () => this.wake(),
        failed: (error) => this.#worker.storeFailed(error),
        blocked: (ms, where) => this.#worker.report({ kind: "blocked", ms, where }),
      },
    );
  }

  #makeDuties(): Duties {
    const { store, runtime, wiring } = this.#host;
    return new Duties({
      store,
      runtime,
      wiring,
      round: () => this.#round(),
      tended: (tended) => this.#tended(tended),
      cancel: (ids) => this.cancel(ids),
      storeFailed: (error) => this.#worker.storeFailed(error),
      scheduleFailed: (schedule, error) => this.#worker.report({ kind: "schedule-failed", schedule, error }),
      middlewareFailed: this.#middlewareFailed,
    });
  }

  readonly #middlewareFailed = (name: string, error: unknown): void => {
    this.#worker.report({ kind: "middleware-failed", name, error });
  };

  #lost(): void {
    this.#worker.report({ kind: "lease-lost", worker: this.id });
    this.#pump.forget();
    this.#attempts.drop(() => true);
    this.#attempts.abandon(new CancelledError(`Worker ${this.id} lost its lease; its jobs have been given to others.`));
  }

  #ended(job: ClaimedJob, outcome: Outcome): void {
    this.#pump.record(outcome);
    if (this.#attempts.isBusy) this.#pump.gather();
    else this.#pump.soon();
    if (this.running === 0) this.#drained?.();
    this.#worker.report({ kind: "ended", id: job.id, task: job.task, outcome: outcome.kind });
  }

  /** Attempts wait or go on: there may be room for others, and the store is told, a little later, of those that still wait. */
  #waitsChanged(): void {
    const { store, runtime } = this.#host;
    this.#pump.soon();
    this.#telling ??= runtime.after(tellWaitsMs, () => {
      this.#telling = undefined;
      const waits = this.#attempts.takeWaits();
      if (waits.length > 0) store.suspend(this.id, waits).catch((error: unknown) => this.#worker.storeFailed(error as Error));
    });
  }

  async #round(): Promise<void> {
    await this.#member.refresh();
    await this.#claiming.look();
    this.#giveBackStale();
    const notes = this.#attempts.takeProgress();
    // What cannot be noted is to keep nobody's jobs from becoming due.
    if (notes.length > 0)
      await this.#host.store.note(this.id, notes).catch((error: unknown) => this.#worker.storeFailed(error as Error));
    await this.#claiming.watch();
  }

  #tended({ ended, lost }: Tended): void {
    this.#worker.storeWorked();
    if (lost.includes(this.id)) this.#member.rejoin();
    if (lost.length > 0) this.#hooks?.lost(lost);
    if (ended.length > 0) this.#host.ended(ended);
    // Whatever kept it from jobs that wait, such as a lease that had run out for a moment: it looks again.
    this.wake();
  }

  /** Held jobs that a long task keeps from starting go back to the store, where another worker may be free. */
  #giveBackStale(): void {
    const before = this.#host.runtime.elapsed() - staleHeldMs;
    this.#pump.release(this.#attempts.drop((held) => held.since < before));
    this.#attempts.retract(before);
  }
}
