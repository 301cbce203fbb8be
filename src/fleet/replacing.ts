// A submit that takes the place of the one before it, as long as that one's job was never given out: the job becomes another call, with the
// same id. It is added as any other; where its key is taken, the job that has it is changed, and where that has been started or ended
// meanwhile, it is added again. Each step is one of the store's, so of programs that submit at once the last one's call is what runs, and
// all get the one job.
import { DuplicateJobError } from "../core/errors.ts";
import type { Job, NewJob } from "../store/job.ts";
import type { Added, Changes, Store } from "../store/store.ts";
import { nameOf, requiresOf } from "../task/requires.ts";
import type { Plan } from "./plan.ts";
import { decodePolicy, withDueBy } from "./policy.ts";

type Replaces = Pick<Store, "get" | "change" | "now">;

function cannot({ task, unique }: NewJob, existing: string): DuplicateJobError {
  const advice =
    unique?.until === "started"
      ? "Submit again once it has been started anew."
      : 'Wait for its end; or, to have a new job once this one has started, say unique: { until: "started" }.';
  return new DuplicateJobError(
    `Task "${nameOf(task)}" has a live job with the same key, ${existing}, that cannot be replaced: it was started before, or it needs other ` +
      `calls. ${advice}`,
    existing,
  );
}

/** What a job requires stays as it is: nobody without that label is to get a call that needs it. */
function checkRequires({ task }: NewJob, found: Job): void {
  const required = requiresOf(task);
  if (required === "" || found.task === task) return;
  throw new DuplicateJobError(
    `Task "${nameOf(task)}" has a live job with the same key, ${found.id}, that requires ${requiresOf(found.task) || "no labels"}; a call that requires ` +
      `${required} cannot take its place. Give the calls of a key the same "requires", or make the labels a part of the key.`,
    found.id,
  );
}

function changesTo({ args, policy, gates, expiresAt, submittedAt, priority, queue, dueAt }: NewJob): Changes {
  return { call: { args, policy, gates, expiresAt, submittedAt }, priority, queue, dueAt };
}

/** The changes, with the latest time that the first submit of the job allows for. */
function withinMaxWait(changes: Changes, { policy }: Job): Changes {
  // Whoever replaces the job keeps it, so it is the same whenever it is read.
  const { dueBy } = decodePolicy(policy);
  if (typeof dueBy !== "number" || !changes.call) return changes;
  const dueAt = Math.min(dueBy, changes.dueAt ?? dueBy);
  return { ...changes, dueAt, call: { ...changes.call, policy: withDueBy(changes.call.policy, dueBy) } };
}

async function replace(store: Replaces, job: NewJob, id: string): Promise<boolean> {
  let changes = changesTo(job);
  const hasMaxWait = typeof decodePolicy(job.policy).dueBy === "number";
  if (hasMaxWait || requiresOf(job.task) !== "") {
    const [found] = await store.get([id]);
    if (!found) return false;
    checkRequires(job, found);
    if (hasMaxWait) changes = withinMaxWait(changes, found);
  }
  return (await store.change({ ids: [id] }, changes, store.now())).length > 0;
}

/**
 * Adds the job, or puts its call in the place of the one of the job that has its key. Rejects with a DuplicateJobError where that has been
 * started and keeps the key.
 */
async function addOrReplace(store: Replaces, job: NewJob, add: () => Promise<Added>): Promise<Added> {
  let refused: string | undefined;
  for (;;) {
    const added = await add();
    const { existing } = added;
    if (existing === null || (await replace(store, job, existing))) return added;
    // It was started or ended just now, or long ago; in the latter case it still has the key when that is asked for again.
    if (existing === refused) throw cannot(job, existing);
    refused = existing;
  }
}

interface Next {
  plan: Plan;
  readonly added: PromiseWithResolvers<Added>;
}

/** The submits of one program that replace. Of one key one is under way; of those that come meanwhile the last one's call stands for all. */
export class Replacing {
  readonly #store: Replaces;
  readonly #add: (plan: Plan) => Promise<Added>;
  /** By key, what is to follow. */
  readonly #underWay = new Map<string, Next | undefined>();

  constructor(store: Replaces, add: (plan: Plan) => Promise<Added>) {
    this.#store = store;
    this.#add = add;
  }

  /** Resolves with the job that has the plan's call, or a later one's. */
  async submit(plan: Plan): Promise<Added> {
    const key = plan.root.unique?.key ?? "";
    if (!this.#underWay.has(key)) return this.#go(key, plan);
    const next = this.#underWay.get(key) ?? { plan, added: Promise.withResolvers<Added>() };
    next.plan = plan;
    this.#underWay.set(key, next);
    const { id, existing } = await next.added.promise;
    return next.plan === plan ? { id, existing } : { id: plan.root.id, existing: existing ?? id };
  }

  async #go(key: string, plan: Plan): Promise<Added> {
    this.#underWay.set(key, undefined);
    try {
      return await addOrReplace(this.#store, plan.root, () => this.#add(plan));
    } finally {
      const next = this.#underWay.get(key);
      this.#underWay.delete(key);
      if (next) this.#go(key, next.plan).then(next.added.resolve, next.added.reject);
    }
  }
}
