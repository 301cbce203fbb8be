// The fleet's client: an executor whose calls become durable jobs in a store, done by workers in this program or elsewhere.
// It holds no job's state; the store does. What it holds: the submits of this turn, and the futures someone awaits.
import { ClosedError, StoreError, UsageError } from "../core/errors.ts";
import { checkInputs } from "../core/inputs.ts";
import type { Runtime } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions, didYouMean } from "../core/suggest.ts";
import type { Executor, MapOptions } from "../pool/executor.ts";
import type { CancelReceipt, Future } from "../pool/future.ts";
import { Results } from "../pool/results.ts";
import type { ClaimedJob, Ended, Job } from "../store/job.ts";
import type { Added, JobFilter, Store, StoreInfo } from "../store/store.ts";
import type { Call, CallArgs } from "../task/call.ts";
import { call, isCall } from "../task/call.ts";
import { encode } from "../task/codec.ts";
import { currentContext } from "../task/context.ts";
import { signalRecord } from "../task/durable.ts";
import { isWorker, unguardedEntry } from "../task/load.ts";
import type { GraphOptions } from "../task/inherit.ts";
import { checkGraphOptions } from "../task/inherit.ts";
import { checkQueueName } from "../task/options.ts";
import { jobStates } from "../task/state.ts";
import { nameOf } from "../task/requires.ts";
import type { AnyTask, Task } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";
import { Awaiter } from "./awaiter.ts";
import type { Callbacks } from "./callbacks.ts";
import { callbackId } from "./callbacks.ts";
import { errorsOf } from "./causes.ts";
import type { Awaited, Children } from "./children.ts";
import { awaitedFuture, ChildNames, ChildSubmitter } from "./children.ts";
import type { CancelOptions, JobChanges } from "./control.ts";
import { cancelTerms, changesOf, confirm } from "./control.ts";
import { jobFuture, closedWhileWaiting } from "./job-future.ts";
import type { JobAccess } from "./job-future.ts";
import { jobInfo } from "./job-info.ts";
import type { JobInfo } from "./job-info.ts";
import type { Explanation } from "./explain.ts";
import { explain } from "./explain.ts";
import { readLog, readParts } from "./job-reader.ts";
import type { JobLines } from "./job-reader.ts";
import { JobStream } from "./job-stream.ts";
import type { JobText } from "./middleware/sealed-store.ts";
import { SubmitHooks } from "./middleware/submit-hooks.ts";
import type { Wiring } from "./middleware/wiring.ts";
import { acknowledgedId, plan } from "./plan.ts";
import type { Plan, PlanOptions } from "./plan.ts";
import { Queue } from "./queue.ts";
import type { ScheduleDefinition, ScheduleOptions } from "./schedules/define.ts";
import type { Schedule, ScheduleInfo } from "./schedules/schedule.ts";
import type { ApplyOptions, ScheduleChanges } from "./schedules/schedules.ts";
import { Schedules } from "./schedules/schedules.ts";
import type { When } from "./schedules/when.ts";
import type { Submission } from "./submitter.ts";
import { Submitter } from "./submitter.ts";
import type { WorkOptions } from "./worker.ts";
import { Worker } from "./worker.ts";
import type { QueueInfo, Unmatched, WorkerInfo } from "./worker-info.ts";
import { mostLines, unmatched, workerInfo } from "./worker-info.ts";

/** Which jobs to list, newest first. */
export interface JobQuery extends JobFilter {
  /** At most this many; default 100. */
  readonly limit?: number;
  /** Only jobs submitted before the one with this id: the next page. */
  readonly before?: string;
}

/** How a call is submitted. `priority` and `deadline` go down to every call in it whose task does not say its own. */
export interface SubmitOptions<Result = never> extends GraphOptions, Callbacks<Result> {
  /**
   * Your own open transaction on the store's database (a `DatabaseSync` of node:sqlite on the same file, a client of pg on the same database): the
   * job exists exactly if that is committed. `submitted` then resolves before the commit; await the result after it. While the
   * transaction is open on SQLite it has the file's one lock: do nothing else with the fleet that writes.
   */
  readonly tx?: object;
}

function checkSubmitOptions(given: unknown): SubmitOptions {
  if (given === undefined) return {};
  checkOptions(given, ["tx", "priority", "deadline", "onDone", "onFailed"], "submit()");
  const { tx } = given as SubmitOptions;
  if ("tx" in (given as object) && (typeof tx !== "object" || tx === null)) {
    throw new UsageError(
      `submit() tx must be a connection with an open transaction, found ${show(tx)}. Leave it out to submit without one.`,
    );
  }
  return given as SubmitOptions;
}

/** Where the jobs of a submit or a map come from: this program, or a job that runs in it. */
interface Source {
  plan(call: Call<unknown>, options?: PlanOptions): Plan;
  submit(plan: Plan): Submission;
  readonly awaited?: Awaited;
}

function callOf(what: Call<unknown> | AnyTask, args: readonly unknown[]): Call<unknown> {
  return isCall(what) ? what : call(what as Task<unknown[], unknown>, ...args);
}

/** How many late or due rows are seen to along with a dismissed worker. */
const dismissRows = 5000;
const dismissTries = 20;

const filterKeys = ["ids", "states", "queue", "task", "root"];

function checkFilter(filter: JobFilter, where: string, more: readonly string[] = []): JobFilter {
  checkOptions(filter ?? null, [...filterKeys, ...more], where);
  for (const [key, value] of Object.entries(filter)) {
    // What was meant to narrow the choice must not come to select everything.
    if (value === undefined)
      throw new UsageError(`${where}: ${key} is undefined. Leave it out to select jobs whatever their ${key}.`);
    if ((key === "ids" || key === "states") && !Array.isArray(value))
      throw new UsageError(`${where}: ${key} must be a list, found ${show(value)}.`);
  }
  for (const state of filter.states ?? []) {
    if (!jobStates.includes(state))
      throw new UsageError(`${where}: there is no state ${show(state)}. ${didYouMean(state, jobStates)}`);
  }
  return filter;
}

/** One program's connection to a fleet. Made by `connect()`. */
export class Hands implements Executor {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #submitter: Submitter;
  readonly #childSubmitter: ChildSubmitter;
  readonly #awaiter: Awaiter;
  readonly #workers = new Set<Worker>();
  readonly #access: JobAccess;
  readonly #schedules: Schedules;
  readonly #wiring: Wiring | undefined;
  readonly #hooks: SubmitHooks | undefined;
  readonly #source: Source = {
    plan: (call) => this.#plan(call),
    submit: (planned) => this.#hooked(planned, (hooked) => this.#submitter.submit(hooked)),
  };
  #closing: Promise<void> | undefined;

  /** Made by `connect()`. The store is closed with it. */
  constructor(store: Store, runtime: Runtime, wiring?: Wiring) {
    this.#store = store;
    this.#runtime = runtime;
    this.#wiring = wiring;
    this.#hooks = SubmitHooks.of(wiring?.hooks);
    this.#submitter = new Submitter(store, runtime);
    this.#childSubmitter = new ChildSubmitter(store, runtime);
    this.#awaiter = new Awaiter(store, runtime);
    this.#access = {
      awaiter: this.#awaiter,
      cancel: (id, reason) => this.cancel(id, reason),
      explain: async (ended) => (await errorsOf(store, [ended])).get(ended.id),
      parts: (id, restarted) => readParts(this.#store, this.#runtime, id, restarted),
      look: async (id) => (await this.#revealed(await store.get([id]), ["progress"]))[0],
    };
    this.#schedules = new Schedules(
      {
        store,
        mark: () => runtime.id(),
        follow: (id, adding) => {
          const submitted = adding.then((added) => added.existing ?? added.id);
          return jobFuture(this.#access, { id, state: "ready", submitted, fresh: () => false });
        },
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
    const options = isCall(what) ? checkSubmitOptions(args[0]) : {};
    const planned = this.#plan(callOf(what, args), options);
    const { tx } = options;
    if (tx === undefined) return this.#send(planned, this.#source);
    if (planned.throttle) {
      throw new UsageError(
        `Task "${nameOf(planned.root.task)}" has a "throttle", which is not kept within a transaction. Submit it without tx, or use "unique".`,
      );
    }
    const { added } = this.#hooked(planned, ({ jobs, rootAt }) => {
      const adding = this.#store.addIn(tx, jobs, this.#store.now());
      return { added: adding.then((all) => all[rootAt] as Added), sent: true };
    });
    return this.#follow(planned, added, () => false);
  }

  /** Runs the task over the inputs, a durable job each. At most `window` (default 1000) are ahead of the results consumed. */
  map<Input, Result>(
    task: Task<readonly [input: Input], Result>,
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options?: MapOptions,
  ): Results<Result> {
    return this.#map("map()", task, inputs, false, options);
  }

  /** As `map`, for a task of several parameters: each input is the tuple of its arguments. */
  starmap<Args extends readonly unknown[], Result>(
    task: Task<Args, Result>,
    inputs: Iterable<Args> | AsyncIterable<Args>,
    options?: MapOptions,
  ): Results<Result> {
    return this.#map("starmap()", task, inputs, true, options);
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
      children: (job: ClaimedJob, awaited: Awaited): Children => this.#childrenOf(job, awaited),
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
    const submitted = this.#idle().then(async () => {
      const [found] = await this.#store.get([id]);
      if (found) return id;
      throw new UsageError(`There is no job ${show(id)} in this store. Ended jobs are deleted when their "keep" is over.`);
    });
    return jobFuture(this.#access, { id, state: "ready", submitted, fresh: () => false });
  }

  /** Jobs as stored, newest first. */
  async jobs(query: JobQuery = {}): Promise<readonly JobInfo[]> {
    const { limit = 100, before, ...filter } = query;
    checkFilter(filter, "jobs()");
    checkInteger(limit, "jobs() limit", 1, 100_000);
    const rows = await this.#store.list(filter, { limit, ...(before !== undefined && { before }) });
    return (await this.#revealed(rows)).map(jobInfo);
  }

  /**
   * What a job has logged with `context().log()`, kept with it: the last 1000 lines, or 64 kB, of all its attempts. A line is there
   * a fifth of a second after it was logged. Empty where there is no such job.
   */
  logs(id: string): Promise<JobLines> {
    return readLog(this.#store, id);
  }

  /** How many jobs the filter selects. */
  count(filter: JobFilter = {}): Promise<number> {
    return this.#store.count(checkFilter(filter, "count()"));
  }

  /**
   * Cancels a job, or all that the filter selects, with everything below that nothing else needs. The wish is stored: it outlives
   * this program and reaches a running job on any machine within a second; `requested` counts those, unless you wait for their end
   * (`wait`). `{ root: id }` is the whole graph of a call.
   */
  async cancel(which: string | JobFilter, how?: string | CancelOptions): Promise<CancelReceipt> {
    const { reason, waitMs } = cancelTerms(how);
    const filter = typeof which === "string" ? { ids: [which] } : checkFilter(which, "cancel()");
    await this.#idle();
    const { cancelled, requested, failed } = await this.#store.cancel(filter, reason, this.#store.now());
    for (const worker of this.#workers) worker.cancel(requested);
    if (cancelled.length + failed.length > 0) await this.#tellEnded([...cancelled, ...failed]);
    const confirmed = await confirm(this.#store, this.#awaiter, this.#runtime, requested, waitMs);
    return { waiting: cancelled.length, ...confirmed };
  }

  /**
   * Sends a signal to a job, for `context().waitFor(name)` of its task; `payload` is what that gives. It is kept until it is asked for. Rejects
   * with a UsageError when there is no such job or it has ended, and with a CodecError for what cannot be sent.
   */
  async signal(id: string, name: string, payload?: unknown): Promise<void> {
    if (typeof name !== "string" || name === "") throw new UsageError(`signal() takes a name, found ${show(name)}.`);
    const text = encode(payload, "payload");
    await this.#idle();
    const record = { job: id, name: signalRecord(name, this.#store.now(), this.#runtime.id()), text, claim: null, tell: false };
    const [written] = await this.#store.write([record], this.#store.now());
    if (written) return;
    throw new UsageError(`The signal ${show(name)} cannot be sent to job ${show(id)}: there is no such job, or it has ended.`);
  }

  /**
   * Why a job is as it is: what keeps it from running, why it ran more than once, why it failed or was cancelled; from what the store
   * knows. Rejects with a UsageError when there is no such job.
   */
  async explain(id: string): Promise<Explanation> {
    await this.#submitter.idle();
    const explained = await explain(this.#store, id, (jobs) => this.#revealed(jobs));
    if (explained) return explained;
    throw new UsageError(`There is no job ${show(id)} in this store. Ended jobs are deleted when their "keep" is over.`);
  }

  /**
   * Makes failed, cancelled and expired jobs live again, with fresh attempts and with those dependencies that failed; what is done is not
   * done again. By id, what was to be done after its success (`onDone`) comes with it. Gives the ids.
   */
  async retry(which: string | JobFilter): Promise<readonly string[]> {
    const filter = typeof which === "string" ? { ids: [which, callbackId(which, "onDone")] } : checkFilter(which, "retry()");
    return this.#store.retry(filter, this.#store.now());
  }

  /**
   * Changes jobs that wait (`blocked`, `scheduled` or `ready`): their priority, their queue, or when they are due. Others are left
   * alone. Gives the ids of those it changed. Rejects with UsageError when nothing is to be changed.
   */
  async change(which: string | JobFilter, changes: JobChanges): Promise<readonly string[]> {
    const filter = typeof which === "string" ? { ids: [which] } : checkFilter(which, "change()");
    const now = this.#store.now();
    const wanted = changesOf(changes, now);
    await this.#idle();
    const changed = await this.#store.change(filter, wanted, now);
    if (typeof wanted.dueAt === "number") this.#dueAt(wanted.dueAt);
    return changed;
  }

  /** Deletes ended jobs; those that live jobs need are left. Gives how many. */
  async remove(which: string | JobFilter): Promise<number> {
    return this.#store.remove(typeof which === "string" ? { ids: [which] } : checkFilter(which, "remove()"));
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

  schedules(): Promise<readonly ScheduleInfo[]>;
  schedules(definitions: readonly ScheduleDefinition[], options?: ApplyOptions): Promise<ScheduleChanges>;
  /** The stored schedules, by name. With a list of definitions: how it differs from what is stored, which it then becomes. */
  schedules(
    definitions?: readonly ScheduleDefinition[],
    options?: ApplyOptions,
  ): Promise<readonly ScheduleInfo[] | ScheduleChanges> {
    this.#checkOpen("schedules()");
    return definitions === undefined ? this.#schedules.list() : this.#schedules.declare(definitions, options);
  }

  /** Asks a worker of the fleet, by its id, to take no more jobs, finish what it runs, and end. False when there is no such worker. */
  drain(worker: string): Promise<boolean> {
    return this.#store.drain(worker);
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
  async dismiss(worker: string): Promise<void> {
    // A lease that ran out long ago, which whoever tends next takes for lost; unless the worker lives, and renews it in between.
    for (let tries = 0; tries < dismissTries; tries++) {
      const { alive } = await this.#store.renew(worker, 0);
      if (alive) await this.#store.tend(this.#store.now(), dismissRows);
      else return this.#awaiter.look();
    }
    throw new StoreError(
      `Worker ${worker} could not be dismissed: it lives, and renews its lease faster than it can be taken away. Stop it.`,
    );
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
    try {
      await this.#idle();
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

  /** Sends a plan, through middleware if there is any. */
  #hooked(planned: Plan, send: (planned: Plan) => Submission): Submission {
    return this.#hooks ? this.#hooks.submit(planned, send) : send(planned);
  }

  /** Resolves when everything submitted so far has been acknowledged or refused. */
  async #idle(): Promise<void> {
    await this.#hooks?.idle();
    await this.#submitter.idle();
  }

  /** Jobs as they were before middleware sealed them. */
  async #revealed(jobs: readonly Job[], texts?: readonly JobText[]): Promise<readonly Job[]> {
    return this.#wiring?.reveal ? this.#wiring.reveal(jobs, texts) : jobs;
  }

  #plan(call: Call<unknown>, options: PlanOptions = {}): Plan {
    return plan(call, this.#runtime, this.#store.now(), options);
  }

  #childrenOf(job: ClaimedJob, awaited: Awaited): Children {
    const names = new ChildNames(job);
    const ids: string[] = [];
    const source = {
      awaited,
      plan: (call: Call<unknown>, options: GraphOptions = {}): Plan => names.plan(this.#plan(call, options)),
      submit: (planned: Plan): Submission => {
        ids.push(planned.root.id);
        return this.#hooked(planned, (hooked) => this.#childSubmitter.submit(hooked, job.fence > 1));
      },
    };
    const submit = (what: Call<unknown> | AnyTask, ...args: unknown[]): Future<unknown> => {
      this.#checkOpen("context().submit()");
      const options = isCall(what) ? checkGraphOptions(args[0], "context().submit()") : {};
      return awaitedFuture(this.#send(source.plan(callOf(what, args), options), source), awaited);
    };
    return {
      submit: submit as Children["submit"],
      map: (task, inputs, options) => this.#map("context().map()", task, inputs, false, options, source),
      starmap: (task, inputs, options) => this.#map("context().starmap()", task, inputs, true, options, source),
      cancel: (reason) => this.cancel({ ids }, reason),
    };
  }

  #map<Result>(
    what: string,
    task: AnyTask,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    isTuple: boolean,
    options: MapOptions = {},
    source: Source = this.#source,
  ): Results<Result> {
    this.#checkOpen(what);
    const { name } = definitionOf(task);
    checkOptions(options, ["window", "ordered"], what);
    const window = checkInteger(options.window ?? 1000, `${what} window`, 1);
    const host = {
      plan: (asked: Call<unknown>) => source.plan(asked),
      submit: (planned: Plan) => source.submit(planned),
      access: this.#access,
      cancel: (filter: JobFilter, reason: string | undefined) => this.cancel(filter, reason),
      dueAt: (at: number): void => this.#dueAt(at),
    };
    const terms = { task: task as Task<unknown[], unknown>, inputs: checkInputs(inputs, what), window, isTuple };
    return new Results<Result>({
      task: name,
      ordered: options.ordered ?? true,
      defer: (run) => this.#runtime.defer(run),
      ...(source.awaited && { awaited: source.awaited }),
      produce: (sink) => new JobStream(host, terms, sink),
    });
  }

  #send(planned: Plan, source: Source): Future<unknown> {
    const submission = source.submit(planned);
    // It may turn out to be another submit's job; any other cannot end before it has been sent.
    return this.#follow(planned, submission.added, () => !planned.isShared && !submission.sent);
  }

  #follow(planned: Plan, adding: Promise<Added>, fresh: () => boolean): Future<unknown> {
    const { root } = planned;
    const submitted = adding.then((added) => {
      const id = acknowledgedId(planned, added);
      if (root.dueAt !== null) this.#dueAt(root.dueAt);
      return id;
    });
    return jobFuture(this.#access, {
      id: root.id,
      state: root.dependsOn.length > 0 ? "blocked" : root.dueAt === null ? "ready" : "scheduled",
      submitted,
      fresh,
    });
  }

  #dueAt(at: number): void {
    for (const worker of this.#workers) worker.dueIn(at - this.#store.now());
  }

  async #tellEnded(ids: readonly string[]): Promise<void> {
    this.#awaiter.tell(await this.#store.endings(ids));
  }
}
