// How a worker comes by its jobs: from the queues its routes lead to, through its pump, each with what it gets of its dependencies, and
// under the eyes of a watchdog. The pump takes with it what has ended; who waits for that is told here.
import type { Runtime } from "../core/runtime.ts";
import type { ClaimedJob, Ended, Outcome } from "../store/job.ts";
import type { Settled } from "../store/store.ts";
import type { Labels } from "../task/requires.ts";
import { nameOf } from "../task/requires.ts";
import type { Definition } from "../task/task.ts";
import type { Attempts } from "./attempts.ts";
import { givenBeside } from "./given.ts";
import type { PumpHost } from "./pump.ts";
import { Pump } from "./pump.ts";
import type { QueueEntry } from "./queue-choice.ts";
import { Routes } from "./routes.ts";
import { tellings } from "./tellings.ts";
import { Watchdog } from "./watchdog.ts";
import type { WorkerEvent } from "./worker-event.ts";

/** What claiming needs of its worker. */
export interface ClaimingHost extends Pick<PumpHost, "store" | "worker" | "mayPump" | "mayClaim" | "failed"> {
  readonly runtime: Runtime;
  readonly queues: readonly QueueEntry[];
  readonly labels: Labels;
  readonly tasks: ReadonlyMap<string, Definition>;
  readonly attempts: Attempts;
  /** False when it has been told to stop: what it is given goes back. */
  mayHold(): boolean;
  /** Jobs that ended here, for futures waiting in this program. `wanted` says which are worth telling. */
  ended(ended: readonly Ended[]): void;
  wanted(id: string): boolean;
  /** Jobs may have ended here of which this worker cannot tell. */
  look(): void;
  /** A job is due in `ms`. */
  dueIn(ms: number): void;
  report(event: WorkerEvent): void;
}

/** The job by its task's name, without what it required to come here. */
function named(job: ClaimedJob): ClaimedJob {
  return job.task.includes("\n") ? { ...job, task: nameOf(job.task) } : job;
}

/** Claims for one worker. */
export class Claiming {
  readonly pump: Pump;
  readonly #host: ClaimingHost;
  readonly #routes: Routes;
  readonly #watchdog: Watchdog;

  constructor(host: ClaimingHost) {
    const { store, runtime, attempts, queues: entries, labels, tasks } = host;
    this.#host = host;
    const failed = (error: Error): void => host.failed(error);
    const routes = new Routes({ store, runtime, entries, labels, tasks, found: () => this.pump.wake(), failed });
    this.#routes = routes;
    this.pump = new Pump({
      store,
      runtime,
      routes,
      worker: () => host.worker(),
      mayPump: () => host.mayPump(),
      mayClaim: () => host.mayClaim(),
      slots: () => attempts.slots,
      claims: () => attempts.claims(),
      settled: (...what) => this.#settled(...what),
      claimed: (jobs) => this.#take(jobs.map(named)),
      failed,
    });
    this.#watchdog = new Watchdog({
      store,
      runtime,
      queues: () => routes.queues,
      tasks: () => {
        if (!host.mayClaim()) return [];
        return attempts.slots.filter(({ isFull }) => !isFull).flatMap(({ tasks }) => routes.lines(tasks));
      },
      stalled: (id, ms) => host.report({ kind: "stalled", id, ms }),
    });
  }

  /** Finds the queues there are. Called now and then. */
  look(): Promise<void> {
    return this.#routes.look();
  }

  /** Looks whether the worker gets what waits for it. Called now and then. */
  watch(): Promise<void> {
    return this.#watchdog.look();
  }

  /** There may be jobs to take, perhaps in new queues. */
  workIsReady(): void {
    this.#routes.workIsReady();
    this.pump.wake();
  }

  /** Holds the jobs that were given to the worker; where the store cannot give what they get beside themselves, they go back. */
  async #take(claimed: readonly ClaimedJob[]): Promise<void> {
    const { store, attempts } = this.#host;
    this.#watchdog.fed();
    const worker = this.#host.worker();
    const given = await givenBeside(store, claimed).catch((error: unknown) => {
      this.#host.report({ kind: "store-failed", error: error as Error });
    });
    if (worker !== this.#host.worker()) return;
    for (const job of claimed) {
      const inputs = job.dependencies === 0 ? [] : given?.inputs.get(job.id);
      if (given && inputs && this.#host.mayHold()) attempts.hold(job, inputs, given.deadlines.get(job.id));
      else this.pump.release([job]);
    }
    attempts.turn();
  }

  #settled(batch: readonly Outcome[], settled: Settled, doubtful: ReadonlySet<Outcome>): void {
    const host = this.#host;
    const told = tellings(batch, settled, doubtful, { worker: host.worker(), wanted: (id) => host.wanted(id) });
    for (const id of told.refused) host.report({ kind: "refused", id });
    for (const at of told.due) host.dueIn(at - host.store.now());
    if (told.mustLook) host.look();
    if (told.ended.length > 0) host.ended(told.ended);
  }
}
