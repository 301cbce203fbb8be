// A worker takes jobs from a store and runs them: its face, and its life from start to stop. States: starting → working → stopping →
// stopped. What it does meanwhile is its shift (`shift.ts`).
import { toMs } from "../core/durations.ts";
import type { Duration } from "../core/durations.ts";
import { StoreLostError } from "../core/errors.ts";
import { Outage } from "./outage.ts";
import { queueEntries } from "./queue-choice.ts";
import { roster } from "./roster.ts";
import type { WorkerHost } from "./shift.ts";
import { Shift } from "./shift.ts";
import type { WorkOptions, WorkTerms } from "./work-options.ts";
import { workTerms } from "./work-options.ts";
import type { WorkerEvent } from "./worker-event.ts";
import { printEvent } from "./worker-event.ts";
import { WorkerPools } from "./worker-pools.ts";

const abortGraceMs = 2000;

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
  readonly #pools: WorkerPools;
  readonly #outage: Outage;
  /** From when its tasks are known. */
  #shift: Shift | undefined;
  #state: "starting" | "working" | "stopping" | "stopped" = "starting";
  #stopping: Promise<void> | undefined;
  #isHurried = false;
  #isPaused: boolean;

  /** Made by `hands.work()`. */
  constructor(host: WorkerHost, options: WorkOptions) {
    this.#terms = workTerms(options);
    this.#isPaused = this.#terms.isPaused;
    this.#host = host;
    this.#options = options;
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
    return this.#shift?.id ?? "";
  }

  /** The jobs that run here now. */
  get running(): number {
    return this.#shift?.running ?? 0;
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
    if (this.#isHurried) this.#shift?.hurry();
    if (!this.#stopping) {
      this.#stopping = this.#stop(graceMs);
      this.#stopping.then(this.#hasStopped.resolve, this.#hasStopped.reject);
    }
    return this.#stopping;
  }

  /** Takes jobs from now on, for a worker that was started with `paused`. */
  resume(): void {
    this.#isPaused = false;
    this.#shift?.wake();
  }

  /** Stops running jobs of this worker now, if it runs them; used by a `cancel` in the same program. */
  cancel(ids: readonly string[]): void {
    this.#shift?.cancel(ids);
  }

  /** Tells that a job of this program is due in `ms`. */
  dueIn(ms: number): void {
    this.#shift?.dueIn(ms);
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
    const tasks = await roster(this.#options.tasks);
    const queues = queueEntries(this.#options.queues ?? [...tasks.values()].map(({ policy }) => policy.queue));
    const terms = { ...this.#terms, tasks, queues, pools: this.#pools, abortGraceMs };
    const shift = new Shift(this.#host, terms, {
      state: () => this.#state,
      isPaused: () => this.#isPaused,
      report: (event) => this.#report(event),
      drain: () => this.#drainAsked(),
      storeFailed: (error) => this.#storeFailed(error),
      storeWorked: () => this.#outage.worked(),
    });
    this.#shift = shift;
    if (this.#state !== "starting") return;
    await shift.join();
    if (this.#state !== "starting") return;
    this.#state = "working";
    shift.begin();
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
    this.#stopping ??= this.#shift?.quit(error);
    this.#hasStopped.reject(error);
  }

  async #stop(graceMs: number): Promise<void> {
    const wasStarting = this.#state === "starting";
    this.#state = "stopping";
    if (wasStarting) await this.ready.catch(() => undefined);
    try {
      await this.#shift?.end(this.#isHurried ? 0 : graceMs);
    } finally {
      this.#state = "stopped";
    }
    await this.#shift?.leave();
    this.#host.look();
  }
}
