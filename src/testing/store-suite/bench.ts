// What every case of the store suite starts with: a store of its own, a clock that stands still, and short ways to add jobs
// and to play a worker.
import assert from "node:assert/strict";
import type { ClaimedJob, Ended, Job, NewJob, Outcome } from "../../store/job.ts";
import type { Added, NewWorker, Settled, Store, Want } from "../../store/store.ts";
import type { JobState } from "../../task/state.ts";

/** One guarantee of the contract: its sentence, and how it is tried. */
export type Case = readonly [sentence: string, run: (bench: Bench) => Promise<void>];

/** A job to add: an id, and whatever matters to the case. */
export type Draft = Partial<NewJob> & Pick<NewJob, "id">;

/** The time at which every case begins. */
export const start = 1_700_000_000_000;

/** How long a worker's lease lasts in these cases. */
export const leaseMs = 10_000;

/** A job with every field filled in. */
export function newJob(draft: Draft, now: number = start): NewJob {
  return {
    task: "task",
    queue: "queue",
    priority: 0,
    args: `["${draft.id}"]`,
    policy: null,
    crashLimit: 1,
    dueAt: null,
    expiresAt: null,
    keepMs: 1_000_000,
    root: draft.id,
    parent: null,
    trace: null,
    dependsOn: [],
    tolerates: [],
    gates: [],
    unique: null,
    submittedAt: now,
    ...draft,
  };
}

/** A worker with every field filled in. */
export function newWorker(id: string): NewWorker {
  return { id, host: "host", pid: 7, queues: ["queue"], tasks: ["task"], startedAt: start };
}

/** Everything of the task that the cases use. */
export const wants = (limit: number): readonly Want[] => [{ queues: ["queue"], tasks: ["task"], limit }];

/** Claims, and settles nothing. */
export async function claim(store: Store, worker: string, wanted: readonly Want[], now: number): Promise<readonly ClaimedJob[]> {
  return (await store.settle(worker, [], wanted, now)).claimed;
}

/** An outcome with the fence of its claim. */
export function done({ id, fence }: Pick<ClaimedJob, "id" | "fence">, result: string = `"${id} done"`): Outcome {
  return { id, fence, kind: "done", result };
}

/** A failed outcome with the fence of its claim. */
export function failed({ id, fence }: Pick<ClaimedJob, "id" | "fence">, error: string = `"${id} failed"`): Outcome {
  return { id, fence, kind: "failed", error };
}

/** The ids of these jobs. */
export function namesOf(jobs: readonly { readonly id: string }[]): string[] {
  return jobs.map(({ id }) => id);
}

/** A store, a clock, and short ways to use them. */
export class Bench {
  readonly store: Store;
  now: number = start;

  constructor(store: Store) {
    this.store = store;
  }

  add(...drafts: Draft[]): Promise<readonly Added[]> {
    return this.store.add(
      drafts.map((draft) => newJob(draft, this.now)),
      this.now,
    );
  }

  join(worker: string): Promise<void> {
    return this.store.join(newWorker(worker), this.now + leaseMs);
  }

  /** Claims for a worker, which joins first. */
  async claim(worker: string = "w", limit: number = 100): Promise<readonly ClaimedJob[]> {
    await this.join(worker);
    return claim(this.store, worker, wants(limit), this.now);
  }

  /** The one job there is to claim. */
  async claimOne(worker: string = "w"): Promise<ClaimedJob> {
    const [job, ...others] = await this.claim(worker);
    assert.ok(job, "a job was ready");
    assert.deepEqual(namesOf(others), [], "no other job was ready");
    return job;
  }

  settle(...outcomes: Outcome[]): Promise<Settled> {
    return this.store.settle("w", outcomes, [], this.now);
  }

  /** Runs everything that is ready, round after round, and ends it as done. */
  async runAll(): Promise<string[]> {
    const order: string[] = [];
    for (let claimed = await this.claim(); claimed.length > 0; claimed = await this.claim()) {
      order.push(...namesOf(claimed));
      await this.settle(...claimed.map((job) => done(job)));
    }
    return order;
  }

  async job(id: string): Promise<Job> {
    const [job] = await this.store.get([id]);
    assert.ok(job, `job ${id} is stored`);
    return job;
  }

  async states(...ids: string[]): Promise<readonly (JobState | undefined)[]> {
    const jobs = new Map((await this.store.get(ids)).map((job) => [job.id, job.state]));
    return ids.map((id) => jobs.get(id));
  }

  async ending(id: string): Promise<Ended> {
    const [ended] = await this.store.endings([id]);
    assert.ok(ended, `job ${id} has ended`);
    return ended;
  }
}
