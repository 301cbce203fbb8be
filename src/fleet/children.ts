// The calls that a running job submits: its children. They belong to its tree (`root`), and their ids are made of the parent's id and of
// what is called, so that an attempt that runs again, after a crash or a retry, finds those it has submitted before instead of
// submitting them once more: what is done is not done again, and what failed is retried.
import { createHash } from "node:crypto";
import type { Runtime } from "../core/runtime.ts";
import { StoreError, UsageError } from "../core/errors.ts";
import type { Executor } from "../pool/executor.ts";
import type { CancelReceipt, Handle } from "../pool/future.ts";
import { Future, partsOf } from "../pool/future.ts";
import type { ClaimedJob, NewJob } from "../store/job.ts";
import type { Added, Store } from "../store/store.ts";
import { nameOf } from "../task/requires.ts";
import { isFinal } from "../task/state.ts";
import { mustBeAlone } from "./alone.ts";
import type { Plan } from "./plan.ts";
import { renameAbove } from "./policy.ts";
import type { Submission } from "./submitter.ts";
import { Submitter } from "./submitter.ts";

/** What a running job may submit. */
export interface Children extends Pick<Executor, "submit" | "map" | "starmap"> {
  /** Cancels those that have not ended. */
  cancel(reason: string): Promise<unknown>;
}

/** Sends the children of all jobs of a program. */
export class ChildSubmitter {
  readonly #store: Store;
  readonly #submitter: Submitter;

  constructor(store: Store, runtime: Runtime) {
    this.#store = store;
    // Of its own: a batch with an id that is taken is refused as a whole.
    this.#submitter = new Submitter(store, runtime);
  }

  /** Submits a plan made by {@link ChildNames}. An earlier attempt may have submitted it, or one that was lost and does not know it yet. */
  submit(plan: Plan): Submission {
    const submission = this.#submitter.submit(plan);
    const sent = submission.added.catch((error: unknown) => {
      if (error instanceof StoreError) return this.#find(plan);
      throw error;
    });
    const added = sent.then(async (its) => {
      if (its.existing !== null) await this.#refuseAncestor(plan, its.existing);
      return its;
    });
    return {
      added,
      get sent() {
        return submission.sent;
      },
    };
  }

  /** A job that gets one above it for its child would wait for itself. */
  async #refuseAncestor({ root }: Plan, existing: string): Promise<void> {
    for (let above = root.parent; above !== null;) {
      if (above === existing) {
        throw new UsageError(
          `A child of task "${nameOf(root.task)}" has the unique key of job ${existing}, by which it is submitted or which waits for that: ` +
            "it would wait for itself. Give the child a key of its own.",
        );
      }
      const [job] = await this.#store.get([above]);
      above = job?.parent ?? null;
    }
  }

  /** Adds what is not stored yet, and retries what has ended badly. */
  async #find({ jobs, root }: Plan): Promise<Added> {
    const stored = new Map((await this.#store.get(jobs.map(({ id }) => id))).map((job) => [job.id, job]));
    const found = stored.get(root.id);
    if (!found) return (await this.#store.add(withoutStored(jobs, stored), this.#store.now())).at(-1) as Added;
    if (isFinal(found.state) && found.state !== "done") await this.#store.retry({ ids: [root.id] }, this.#store.now());
    return { id: root.id, existing: null };
  }
}

function withoutStored(jobs: readonly NewJob[], stored: ReadonlyMap<string, unknown>): readonly NewJob[] {
  return jobs.filter(({ id }) => !stored.has(id));
}

/** Names the children of one attempt. */
export class ChildNames {
  readonly #parent: ClaimedJob;
  readonly #times = new Map<string, number>();

  constructor(parent: ClaimedJob) {
    this.#parent = parent;
  }

  /** The same plan as a part of the parent's tree. */
  plan({ jobs, root: called, rootAt, alone, ...terms }: Plan): Plan {
    // The job it would get may belong to someone else's tree, and be no child at all.
    if (alone) throw mustBeAlone(nameOf(called.task), alone, " and is no child of a job. Submit it to hands of your own");
    const names = new Map<string, string>();
    const { id: parent, root, trace } = this.#parent;
    const renamed = jobs.map((job): NewJob => {
      const id = this.#nameOf(job, names);
      const dependsOn = job.dependsOn.map((each) => names.get(each) ?? each);
      const tolerates = job.tolerates.map((each) => names.get(each) ?? each);
      names.set(job.id, id);
      return { ...job, id, dependsOn, tolerates, root, parent, trace: job.trace ?? trace };
    });
    const placed = renamed.map((job) => ({ ...job, policy: renameAbove(job.policy, names) }));
    return { jobs: placed, root: placed[rootAt] as NewJob, rootAt, alone, ...terms };
  }

  // Of one length however deep the tree is.
  #nameOf({ task, args, dependsOn }: NewJob, names: ReadonlyMap<string, string>): string {
    const called = JSON.stringify([task, args, dependsOn.map((id) => names.get(id) ?? id)]);
    const times = (this.#times.get(called) ?? 0) + 1;
    this.#times.set(called, times);
    const digest = createHash("sha256").update(`${this.#parent.id} ${times} ${called}`).digest("base64url");
    return `${this.#parent.root}.${digest.slice(0, 22)}`;
  }
}

/** Given a promise that a task awaits, gives one that comes when the task may go on. */
export type Awaited = <T>(promise: Promise<T>) => Promise<T>;

/** What a task does while it has children. */
export interface Waiting {
  readonly awaited: Awaited;
  /** A child could not be submitted. */
  readonly refused: (error: unknown) => void;
}

/** A future of which is told when it is awaited, and when it has come. */
export function awaitedFuture<T>(future: Future<T>, awaited: Awaited, ended: () => void): Future<T> {
  const settle: Pick<PromiseWithResolvers<T>, "resolve" | "reject"> = { resolve: () => undefined, reject: () => undefined };
  let isAwaited = false;
  const handle: Handle = {
    get id() {
      return future.id;
    },
    get state() {
      return future.state;
    },
    get progress() {
      return future.progress;
    },
    get submitted() {
      return future.submitted;
    },
    cancel: (reason): Promise<CancelReceipt> => future.cancel(reason),
    async *parts(restarted) {
      const parts = partsOf(future, restarted);
      for (let next = await awaited(parts.next()); !next.done; next = await awaited(parts.next())) yield next.value;
    },
    observe: () => {
      if (isAwaited) return;
      isAwaited = true;
      awaited(future).then(
        (value) => {
          ended();
          settle.resolve(value);
        },
        (error: unknown) => {
          ended();
          settle.reject(error);
        },
      );
    },
  };
  return new Future<T>((resolve, reject) => void Object.assign(settle, { resolve, reject }), handle);
}
