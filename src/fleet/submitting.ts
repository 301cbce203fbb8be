// How calls become durable jobs: a program's own, and the children of jobs that run in it. Here a call is laid out as rows, goes through
// middleware, is sent, and gets a future. What it deliberately does not do: batch (`submitter.ts`), or change jobs that are stored.
import { checkInputs } from "../core/inputs.ts";
import type { Runtime } from "../core/runtime.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { MapOptions } from "../pool/executor.ts";
import type { CancelReceipt, Future } from "../pool/future.ts";
import { Results } from "../pool/results.ts";
import type { ClaimedJob } from "../store/job.ts";
import type { Added, JobFilter, Store } from "../store/store.ts";
import type { Call } from "../task/call.ts";
import { call, isCall } from "../task/call.ts";
import { checkGraphOptions } from "../task/inherit.ts";
import { nameOf } from "../task/requires.ts";
import type { AnyTask, Task } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";
import type { Awaited, Children, Waiting } from "./children.ts";
import { awaitedFuture, ChildNames, ChildSubmitter } from "./children.ts";
import type { JobAccess } from "./job-future.ts";
import { jobFuture } from "./job-future.ts";
import { JobStream } from "./job-stream.ts";
import { SubmitHooks } from "./middleware/submit-hooks.ts";
import type { Wiring } from "./middleware/wiring.ts";
import { acknowledgedId, plan } from "./plan.ts";
import { mustBeAlone } from "./alone.ts";
import type { Plan, PlanOptions } from "./plan.ts";
import { checkSubmitOptions } from "./submit-options.ts";
import type { Submission } from "./submitter.ts";
import { Submitter } from "./submitter.ts";

/** What submitting needs of its client. */
export interface SubmittingHost {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly access: JobAccess;
  readonly wiring: Wiring | undefined;
  /** Throws when nothing can be submitted any more. */
  checkOpen(what: string): void;
  cancel(filter: JobFilter, reason: string | undefined): Promise<CancelReceipt>;
  /** A job is due at this time. */
  dueAt(at: number): void;
}

/** Where the jobs of a submit or a map come from: this program, or a job that runs in it. */
interface Source {
  plan(call: Call<unknown>, options?: PlanOptions): Plan;
  submit(plan: Plan): Submission;
  /** The jobs may have been submitted, and have ended, before. */
  readonly hasPast: boolean;
  /** A job of a map has ended. */
  ended?(id: string): void;
  readonly awaited?: Awaited;
}

function callOf(what: Call<unknown> | AnyTask, args: readonly unknown[]): Call<unknown> {
  return isCall(what) ? what : call(what as Task<unknown[], unknown>, ...args);
}

/** The submits of one program. */
export class Submitting {
  readonly #host: SubmittingHost;
  readonly #submitter: Submitter;
  readonly #childSubmitter: ChildSubmitter;
  readonly #hooks: SubmitHooks | undefined;
  readonly #source: Source = {
    hasPast: false,
    plan: (call, options) => this.#plan(call, options),
    submit: (planned) => this.#hooked(planned, (hooked) => this.#submitter.submit(hooked)),
  };

  constructor(host: SubmittingHost) {
    this.#host = host;
    this.#hooks = SubmitHooks.of(host.wiring?.hooks);
    this.#submitter = new Submitter(host.store, host.runtime);
    this.#childSubmitter = new ChildSubmitter(host.store, host.runtime);
  }

  /** Resolves when everything submitted so far has been acknowledged or refused. */
  async idle(): Promise<void> {
    await this.#hooks?.idle();
    await this.#submitter.idle();
  }

  submit(what: Call<unknown> | AnyTask, args: readonly unknown[]): Future<unknown> {
    const { tx, ...options } = isCall(what) ? checkSubmitOptions(args[0]) : {};
    const planned = this.#plan(callOf(what, args), options);
    return tx === undefined ? this.#send(planned, this.#source) : this.#sendIn(tx, planned);
  }

  map<Result>(
    what: string,
    task: AnyTask,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    isTuple: boolean,
    options: MapOptions = {},
    source: Source = this.#source,
  ): Results<Result> {
    const { runtime, access } = this.#host;
    this.#host.checkOpen(what);
    const { name } = definitionOf(task);
    checkOptions(options, ["window", "ordered"], what);
    const window = checkInteger(options.window ?? 1000, `${what} window`, 1);
    const host = {
      plan: (asked: Call<unknown>) => source.plan(asked),
      submit: (planned: Plan) => source.submit(planned),
      ended: (id: string) => source.ended?.(id),
      hasPast: source.hasPast,
      access,
      cancel: (filter: JobFilter, reason: string | undefined) => this.#host.cancel(filter, reason),
      dueAt: (at: number): void => this.#host.dueAt(at),
    };
    const terms = { task: task as Task<unknown[], unknown>, inputs: checkInputs(inputs, what), window, isTuple };
    return new Results<Result>({
      task: name,
      ordered: options.ordered ?? true,
      defer: (run) => runtime.defer(run),
      ...(source.awaited && { awaited: source.awaited }),
      produce: (sink) => new JobStream(host, terms, sink),
    });
  }

  /** What a running job may submit. */
  childrenOf(job: ClaimedJob, { awaited, refused }: Waiting): Children {
    const names = new ChildNames(job);
    /** Those that may have to be cancelled. */
    const live = new Set<string>();
    const source: Source = {
      awaited,
      hasPast: job.fence > 1,
      ended: (id) => void live.delete(id),
      plan: (call, options) => names.plan(this.#plan(call, options)),
      submit: (planned) => {
        live.add(planned.root.id);
        const submission = this.#hooked(planned, (hooked) => this.#childSubmitter.submit(hooked));
        submission.added.catch(refused);
        return submission;
      },
    };
    const submit = (what: Call<unknown> | AnyTask, ...args: unknown[]): Future<unknown> => {
      this.#host.checkOpen("context().submit()");
      const options = isCall(what) ? checkGraphOptions(args[0], "context().submit()") : {};
      const planned = source.plan(callOf(what, args), options);
      return awaitedFuture(this.#send(planned, source), awaited, () => live.delete(planned.root.id));
    };
    return {
      submit: submit as Children["submit"],
      map: (task, inputs, options) => this.map("context().map()", task, inputs, false, options, source),
      starmap: (task, inputs, options) => this.map("context().starmap()", task, inputs, true, options, source),
      cancel: (reason) => this.#host.cancel({ ids: [...live] }, reason),
    };
  }

  #plan(call: Call<unknown>, options: PlanOptions = {}): Plan {
    const { runtime, store } = this.#host;
    return plan(call, runtime, store.now(), options);
  }

  /** Sends a plan, through middleware if there is any. */
  #hooked(planned: Plan, send: (planned: Plan) => Submission): Submission {
    return this.#hooks ? this.#hooks.submit(planned, send) : send(planned);
  }

  #send(planned: Plan, source: Source): Future<unknown> {
    const submission = source.submit(planned);
    // It may turn out to be another submit's job; any other cannot end before it has been sent.
    return this.#follow(planned, submission.added, () => !planned.isShared && !source.hasPast && !submission.sent);
  }

  /** Within the caller's own transaction. */
  #sendIn(tx: object, planned: Plan): Future<unknown> {
    const { alone } = planned;
    if (alone)
      throw mustBeAlone(nameOf(planned.root.task), alone, ", which is not kept within a transaction. Submit it without tx");
    const { store } = this.#host;
    const { added } = this.#hooked(planned, ({ jobs, rootAt }) => {
      const adding = store.addIn(tx, jobs, store.now());
      return { added: adding.then((all) => all[rootAt] as Added), sent: true };
    });
    return this.#follow(planned, added, () => false);
  }

  #follow(planned: Plan, adding: Promise<Added>, fresh: () => boolean): Future<unknown> {
    const { root } = planned;
    const submitted = adding.then((added) => {
      const id = acknowledgedId(planned, added);
      if (root.dueAt !== null) this.#host.dueAt(root.dueAt);
      return id;
    });
    return jobFuture(this.#host.access, {
      id: root.id,
      state: root.dependsOn.length > 0 ? "blocked" : root.dueAt === null ? "ready" : "scheduled",
      submitted,
      fresh,
    });
  }
}
