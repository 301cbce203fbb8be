// The fleet's client: an executor whose calls become durable jobs in a store, done by workers in this program or elsewhere.
// It holds no job's state; the store does. This file is its face; behind it, submits are in `submitting.ts`, and what is asked of stored
// jobs in `steering.ts`.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { ClosedError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Executor, MapOptions } from "../pool/executor.ts";
import type { CancelReceipt, Future } from "../pool/future.ts";
import type { Results } from "../pool/results.ts";
import type { ClaimedJob, Ended, Job } from "../store/job.ts";
import type { JobFilter, Store, StoreInfo } from "../store/store.ts";
import type { Call, CallArgs } from "../task/call.ts";
import { currentContext } from "../task/context.ts";
import { isWorker, unguardedEntry } from "../task/load.ts";
import { checkQueueName } from "../task/options.ts";
import type { AnyTask, Task } from "../task/task.ts";
import { Awaiter } from "./awaiter.ts";
import { errorsOf } from "./causes.ts";
import type { Children, Waiting } from "./children.ts";
import type { CancelOptions, JobChanges } from "./control.ts";
import type { EventsOptions, JobEvent } from "./events.ts";
import { beginNow, checkEvents, follow } from "./events.ts";
import type { Explanation } from "./explain.ts";
import type { JobQuery } from "./filter.ts";
import { checkFilter, checkId, checkQuery, chosen, noSuchJob } from "./filter.ts";
import { jobFuture, closedWhileWaiting } from "./job-future.ts";
import type { JobAccess } from "./job-future.ts";
import { jobInfo } from "./job-info.ts";
import type { JobInfo } from "./job-info.ts";
import { readLog, readParts } from "./job-reader.ts";
import type { JobLines } from "./job-reader.ts";
import type { JobText } from "./middleware/sealed-store.ts";
import type { Wiring } from "./middleware/wiring.ts";
import { Queue } from "./queue.ts";
import type { ScheduleDefinition, ScheduleOptions } from "./schedules/define.ts";
import type { Schedule, ScheduleInfo, UnreadableSchedule } from "./schedules/schedule.ts";
import type { ApplyOptions, ScheduleChanges } from "./schedules/schedules.ts";
import { Schedules } from "./schedules/schedules.ts";
import type { When } from "./schedules/when.ts";
import { Steering } from "./steering.ts";
import type { SubmitOptions } from "./submit-options.ts";
import { Submitting } from "./submitting.ts";
import type { WorkOptions } from "./work-options.ts";
import { Worker } from "./worker.ts";
import type { QueueInfo, Unmatched, WorkerInfo } from "./worker-info.ts";
import { mostLines, unmatched, workerInfo } from "./worker-info.ts";

/** One program's connection to a fleet. Made by `connect()`. */
export class Hands implements Executor {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #submitting: Submitting;
  readonly #steering: Steering;
  readonly #awaiter: Awaiter;
  readonly #workers = new Set<Worker>();
  readonly #access: JobAccess;
  readonly #schedules: Schedules;
  readonly #wiring: Wiring | undefined;
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  /** Made by `connect()`. The store is closed with it. */
  constructor(store: Store, runtime: Runtime, wiring?: Wiring) {
    this.#store = store;
    this.#runtime = runtime;
    this.#wiring = wiring;
    const awaiter = new Awaiter(store, runtime);
    this.#awaiter = awaiter;
    const access: JobAccess = {
      awaiter,
      cancel: (id, reason) => this.cancel(id, reason),
      explain: async (ended) => (await errorsOf(store, [ended])).get(ended.id),
      parts: (id, restarted) => readParts(store, runtime, id, restarted),
      look: async (id) => (await this.#revealed(await store.get([id]), ["progress"]))[0],
    };
    this.#access = access;
    const dueAt = (at: number): void => this.#dueAt(at);
    this.#submitting = new Submitting({
      store,
      runtime,
      access,
      wiring,
      checkOpen: (what) => this.#checkOpen(what),
      cancel: (filter, reason) => this.cancel(filter, reason),
      dueAt,
    });
    this.#steering = new Steering({
      store,
      runtime,
      awaiter,
      idle: () => this.#submitting.idle(),
      reveal: (jobs) => this.#revealed(jobs),
      stop: (ids) => {
        for (const worker of this.#workers) worker.cancel(ids);
      },
      dueAt,
    });
    this.#schedules = new Schedules(
      {
        store,
        mark: () => runtime.id(),
        follow: (id, adding) =>
          this.#stored(
            id,
            adding.then((added) => added.existing ?? added.id),
          ),
      },
      runtime,
    );
  }

  submit<Result, Part>(call: Call<Result, Part>, options?: SubmitOptions<Result>): Future<Result, Part>;
  submit<Args extends readonly unknown[], Result, Part>(
    task: Task<Args, Result, AsyncGenerator<Part, Result, unknown>>,
    ...args: CallArgs<Args>
  ): Future<Result, Part>;
  submit<Args extends readonly unknown[], Result>(task: Task<Args, Result>, ...args: CallArgs<Args>): Future<Result, never>;
  /**
   * Makes the call, and every call nested in it, a durable job. `future.submitted` resolves with the job's id when the store
   * has it safe; the future itself with the result. Throws UsageError or CodecError at once when the call cannot be stored.
   */
  submit(what: Call<unknown> | AnyTask, ...args: unknown[]): Future<unknown> {
    this.#checkOpen("submit()");
    return this.#submitting.submit(what, args);
  }

  /** Runs the task over the inputs, a durable job each. At most `window` (default 1000) are ahead of the results consumed. */
  map<Input, Result>(
    task: Task<readonly [input: Input], Result>,
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options?: MapOptions,
  ): Results<Result> {
    return this.#submitting.map("map()", task, inputs, false, options);
  }

  /** As `map`, for a task of several parameters: each input is the tuple of its arguments. */
  starmap<Args extends readonly unknown[], Result>(
    task: Task<Args, Result>,
    inputs: Iterable<Args> | AsyncIterable<Args>,
    options?: MapOptions,
  ): Results<Result> {
    return this.#submitting.map("starmap()", task, inputs, true, options);
  }

  /**
   * Makes this program a worker too. It starts by itself; await `worker.ready` to know that it has joined, `worker.stop()` to end it.
   * It is stopped by `close()`.
   */
  work(options: WorkOptions = {}): Worker {
    this.#checkOpen("work()");
    const host = {
      store: this.#store,
      runtime: this.#runtime,
      ended: (ended: readonly Ended[]): void => this.#awaiter.tell(ended),
      wanted: (id: string): boolean => this.#awaiter.waitsFor(id),
      look: (): void => this.#awaiter.look(),
      children: (job: ClaimedJob, waiting: Waiting): Children => this.#submitting.childrenOf(job, waiting),
      wiring: this.#wiring,
    };
    const worker = new Worker(host, options);
    this.#workers.add(worker);
    const forget = (): void => void this.#workers.delete(worker);
    worker.stopped.then(forget, forget);
    return worker;
  }

  /** The future of a job submitted earlier, here or elsewhere. It rejects with UsageError if there is no such job. */
  job(id: string): Future<unknown> {
    this.#checkOpen("job()");
    checkId(id, "job()");
    const submitted = this.#submitting.idle().then(async () => {
      const [found] = await this.#store.get([id]);
      if (found) return id;
      throw noSuchJob(id);
    });
    return this.#stored(id, submitted);
  }

  /** Jobs as stored, newest first. */
  async jobs(query: JobQuery = {}): Promise<readonly JobInfo[]> {
    const { filter, page } = checkQuery(query);
    const rows = await this.#store.list(filter, page);
    return (await this.#revealed(rows)).map(jobInfo);
  }

  /**
   * What a job has logged with `context().log()`, kept with it: the last 1000 lines, or 64 kB, of all its attempts. A line is there
   * a fifth of a second after it was logged. Rejects with a UsageError when there is no such job.
   */
  async logs(id: string): Promise<JobLines> {
    const log = await readLog(this.#store, checkId(id, "logs()"));
    if (log.lines.length > 0) return log;
    await this.#submitting.idle();
    if ((await this.#store.get([id])).length === 0) throw noSuchJob(id);
    return log;
  }

  /** How many jobs the filter selects. */
  async count(filter: JobFilter = {}): Promise<number> {
    return this.#store.count(checkFilter(filter, "count()"));
  }

  /**
   * Cancels a job, or all that the filter selects, with everything below that nothing else needs. The wish is stored: it outlives
   * this program and reaches a running job on any machine within a second; `requested` counts those, unless you wait for their end
   * (`wait`). `{ root: id }` is the whole graph of a call.
   */
  cancel(which: string | JobFilter, how?: string | CancelOptions): Promise<CancelReceipt> {
    return this.#steering.cancel(which, how);
  }

  /**
   * Sends a signal to a job, for `context().waitFor(name)` of its task; `payload` is what that gives. It is kept until it is asked for. Rejects
   * with a UsageError when there is no such job or it has ended, and with a CodecError for what cannot be sent.
   */
  signal(id: string, name: string, payload?: unknown): Promise<void> {
    return this.#steering.signal(id, name, payload);
  }

  /**
   * Why a job is as it is: what keeps it from running, why it ran more than once, why it failed or was cancelled; from what the store
   * knows. Rejects with a UsageError when there is no such job.
   */
  explain(id: string): Promise<Explanation> {
    return this.#steering.explain(id);
  }

  /**
   * Makes failed, cancelled and expired jobs live again, with fresh attempts and with those dependencies that failed; what is done is not
   * done again. By id, what was to be done after its success (`onDone`) comes with it. Gives the ids.
   */
  async retry(which: string | JobFilter): Promise<readonly string[]> {
    return this.#steering.retry(which);
  }

  /**
   * Changes jobs that wait (`blocked`, `scheduled` or `ready`): their priority, their queue, or when they are due. Others are left
   * alone. Gives the ids of those it changed. Rejects with UsageError when nothing is to be changed.
   */
  change(which: string | JobFilter, changes: JobChanges): Promise<readonly string[]> {
    return this.#steering.change(which, changes);
  }

  /**
   * What happens to jobs, as it happens, on whatever machine: an event for each state a job comes to, those of one job in their order. Without
   * `after` it begins now; with the cursor of an event it goes on right behind that, none left out and none twice, in another program
   * and after a crash too. It ends by `break`, by `signal`, or when the fleet is closed. Rejects with an EventsLostError when what came after
   * the cursor is not kept any more. The first call makes the store keep events, for a day: see `keepEvents`.
   */
  events(options: EventsOptions = {}): AsyncGenerator<JobEvent, void, undefined> {
    this.#checkOpen("events()");
    const { after, signal } = checkEvents(options);
    const begin = after === undefined ? beginNow(this.#store) : Promise.resolve(after);
    // Whoever reads hears of it.
    begin.catch(() => undefined);
    const stop = signal ? AbortSignal.any([this.#closed.signal, signal]) : this.#closed.signal;
    return follow(this.#store, this.#runtime, begin, options, stop);
  }

  /**
   * Says for how long events are kept; 0 deletes them and keeps none, which is how a store begins and costs nothing. Without a duration it
   * asks. Gives how long that is now, in ms.
   */
  async keepEvents(keep?: Duration): Promise<number> {
    return this.#store.keepEvents(keep === undefined ? null : toMs(keep, "keepEvents()"));
  }

  /** Deletes ended jobs; those that live jobs need are left. Gives how many. */
  async remove(which: string | JobFilter): Promise<number> {
    return this.#store.remove(chosen(which, "remove()"));
  }

  /** A queue by its name, to pause, resume or count. Throws UsageError for what cannot be a name. */
  queue(name: string): Queue {
    this.#checkOpen("queue()");
    checkQueueName(name);
    return new Queue(name, this.#store);
  }

  schedule(name: string): Schedule;
  schedule(name: string, when: When, call: Call<unknown>, options?: ScheduleOptions): Promise<Schedule>;
  /**
   * Defines a schedule, or replaces the one of this name: at each tick a worker of the fleet, whichever it is, makes the call a job,
   * exactly once. What is stored already as it is defined is left alone, so a program may define its schedules whenever it
   * starts. With a name alone: that schedule, to pause, trigger or look at. Rejects with UsageError or CodecError for what cannot be.
   */
  schedule(name: string, when?: When, call?: Call<unknown>, options?: ScheduleOptions): Schedule | Promise<Schedule> {
    this.#checkOpen("schedule()");
    if (when === undefined && call === undefined) return this.#schedules.one(name);
    return this.#schedules.define({ ...options, name, when, call } as ScheduleDefinition);
  }

  schedules(): Promise<readonly (ScheduleInfo | UnreadableSchedule)[]>;
  schedules(definitions: readonly ScheduleDefinition[], options?: ApplyOptions): Promise<ScheduleChanges>;
  /**
   * The stored schedules, by name; one that this program cannot read says why (`problem`). With a list of definitions: how it differs from
   * what is stored, which it then becomes. Rejects with a SealError or a StoreError where it would change one that cannot be read.
   */
  schedules(
    definitions?: readonly ScheduleDefinition[],
    options?: ApplyOptions,
  ): Promise<readonly (ScheduleInfo | UnreadableSchedule)[] | ScheduleChanges> {
    this.#checkOpen("schedules()");
    return definitions === undefined ? this.#schedules.list() : this.#schedules.declare(definitions, options);
  }

  /** Asks a worker of the fleet, by its id, to take no more jobs, finish what it runs, and end. False when there is no such worker. */
  async drain(worker: string): Promise<boolean> {
    return this.#store.drain(checkId(worker, "drain()"));
  }

  /** The queues with their numbers of jobs by state, and what waits there that no live worker may take. */
  async queues(): Promise<readonly QueueInfo[]> {
    const [queues, waiting] = await Promise.all([this.#store.queues(), this.unmatched()]);
    return queues.map((stats) => ({ ...stats, unmatched: waiting.filter(({ queue }) => queue === stats.queue) }));
  }

  /** What is ready and waits in vain: no live worker takes from the queue, knows the task, and has what it requires. */
  async unmatched(): Promise<readonly Unmatched[]> {
    const [lines, workers] = await Promise.all([this.#store.lines(mostLines), this.workers()]);
    return unmatched(lines, workers, this.#store.now());
  }

  /**
   * Takes the jobs of a worker that is known to be dead back at once, without waiting for its lease to run out; for each of them that
   * is a crash. If it lives after all, the outcomes it reports are refused and it joins again.
   */
  dismiss(worker: string): Promise<void> {
    return this.#steering.dismiss(worker);
  }

  /** The workers of the fleet whose lease holds. */
  async workers(): Promise<readonly WorkerInfo[]> {
    return (await this.#store.workers()).map(workerInfo);
  }

  /** The time by the store's clock, in ms since 1970: what leases and due times go by. */
  now(): number {
    return this.#store.now();
  }

  /** What the store says of itself: engine, size, settings, problems. */
  info(): Promise<StoreInfo> {
    return this.#store.info();
  }

  /** Stores what was submitted, stops this program's workers, and closes the store. Futures still awaited reject with ClosedError. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    try {
      await this.#submitting.idle();
      const stops = await Promise.allSettled([...this.#workers].map((worker) => worker.stop()));
      for (const stop of stops) if (stop.status === "rejected") throw stop.reason;
    } finally {
      this.#awaiter.close(closedWhileWaiting());
      await this.#store.close();
    }
  }

  #checkOpen(what: string): void {
    if (this.#closing) throw new ClosedError(`${what} was called on a fleet that has been closed. Connect again.`);
    if (isWorker() && !currentContext()) throw unguardedEntry(what);
  }

  /** Jobs as they were before middleware sealed them. */
  async #revealed(jobs: readonly Job[], texts?: readonly JobText[]): Promise<readonly Job[]> {
    return this.#wiring?.reveal ? this.#wiring.reveal(jobs, texts) : jobs;
  }

  /** The future of a job that is stored, once its id is known. */
  #stored(id: string, submitted: Promise<string>): Future<unknown> {
    return jobFuture(this.#access, { id, state: "ready", submitted, fresh: () => false });
  }

  #dueAt(at: number): void {
    for (const worker of this.#workers) worker.dueIn(at - this.#store.now());
  }
}
