// What a client asks of jobs that are stored: to end, to live again, to wait on other terms, to hear a signal, to say why they are as they are.
import { StoreError, UsageError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import type { CancelReceipt } from "../pool/future.ts";
import type { Job } from "../store/job.ts";
import type { JobFilter, Store } from "../store/store.ts";
import { encode } from "../task/codec.ts";
import { signalRecord } from "../task/job-records.ts";
import { checkName } from "../task/step-options.ts";
import type { Awaiter } from "./awaiter.ts";
import { callbackId } from "./callbacks.ts";
import type { CancelOptions, JobChanges } from "./control.ts";
import { cancelTerms, changesOf, confirm } from "./control.ts";
import type { Explanation } from "./explain.ts";
import { explain } from "./explain.ts";
import { checkId, chosen, noSuchJob } from "./filter.ts";

/** How many late or due rows are seen to along with a dismissed worker. */
const dismissRows = 5000;
const dismissTries = 20;

/** What steering needs of its client. */
export interface SteeringHost {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly awaiter: Awaiter;
  /** Resolves when everything submitted so far is stored or refused: it may be what is meant. */
  idle(): Promise<void>;
  /** Jobs as they were before middleware sealed them. */
  reveal(jobs: readonly Job[]): Promise<readonly Job[]>;
  /** Stops those of these jobs that this program runs. */
  stop(ids: readonly string[]): void;
  /** A job is due at this time. */
  dueAt(at: number): void;
}

/** Steers the jobs of a fleet for one client. */
export class Steering {
  readonly #host: SteeringHost;

  constructor(host: SteeringHost) {
    this.#host = host;
  }

  async cancel(which: string | JobFilter, how?: string | CancelOptions): Promise<CancelReceipt> {
    const { store, runtime, awaiter } = this.#host;
    const { reason, waitMs } = cancelTerms(how);
    const filter = chosen(which, "cancel()");
    await this.#host.idle();
    const { cancelled, requested, failed } = await store.cancel(filter, reason, store.now());
    this.#host.stop(requested);
    const ended = [...cancelled, ...failed];
    if (ended.length > 0) awaiter.tell(await store.endings(ended));
    const confirmed = await confirm(store, awaiter, runtime, requested, waitMs);
    return { waiting: cancelled.length, ...confirmed };
  }

  async signal(id: string, name: string, payload: unknown): Promise<void> {
    checkId(id, "signal()");
    // No task can wait for another.
    const heard = checkName(name, "signal()");
    const { store, runtime } = this.#host;
    const text = encode(payload, "payload");
    await this.#host.idle();
    const record = { job: id, name: signalRecord(heard, store.now(), runtime.id()), text, claim: null, tell: false };
    const [written] = await store.write([record], store.now());
    if (written) return;
    throw new UsageError(`The signal ${show(name)} cannot be sent to job ${show(id)}: there is no such job, or it has ended.`);
  }

  async explain(id: string): Promise<Explanation> {
    checkId(id, "explain()");
    await this.#host.idle();
    const explained = await explain(this.#host.store, id, (jobs) => this.#host.reveal(jobs));
    if (explained) return explained;
    throw noSuchJob(id);
  }

  /** A job retried by its id comes with what was to be done after its success. */
  retry(which: string | JobFilter): Promise<readonly string[]> {
    const { store } = this.#host;
    const filter = typeof which === "string" ? { ids: [which, callbackId(which, "onDone")] } : chosen(which, "retry()");
    return store.retry(filter, store.now());
  }

  async change(which: string | JobFilter, changes: JobChanges): Promise<readonly string[]> {
    const { store } = this.#host;
    const filter = chosen(which, "change()");
    const now = store.now();
    const wanted = changesOf(changes, now);
    await this.#host.idle();
    const changed = await store.change(filter, wanted, now);
    if (typeof wanted.dueAt === "number") this.#host.dueAt(wanted.dueAt);
    return changed;
  }

  async dismiss(worker: string): Promise<void> {
    checkId(worker, "dismiss()");
    const { store, awaiter } = this.#host;
    // A lease that ran out long ago, which whoever tends next takes for lost; unless the worker lives, and renews it in between.
    for (let tries = 0; tries < dismissTries; tries++) {
      const { alive } = await store.renew(worker, 0);
      if (alive) await store.tend(store.now(), dismissRows);
      else return awaiter.look();
    }
    throw new StoreError(
      `Worker ${worker} could not be dismissed: it lives, and renews its lease faster than it can be taken away. Stop it.`,
    );
  }
}
