// A job that runs in this worker, and what its attempt may ask and say.
import type { Runtime } from "../core/runtime.ts";
import type { ClaimedJob } from "../store/job.ts";
import type { Definition } from "../task/task.ts";
import type { Attempt, AttemptOptions } from "./attempt.ts";
import type { Children } from "./children.ts";
import type { Deadline } from "./deadline.ts";
import type { AttemptPolicy } from "./policy.ts";
import type { Slots } from "./slots.ts";

/** A job that runs. */
export interface Running {
  readonly job: ClaimedJob;
  readonly slots: Slots;
  readonly policy: AttemptPolicy;
  readonly deadline: Deadline | undefined;
  readonly definition: Definition;
  /** When it was started here, on the monotonic clock. */
  readonly since: number;
  attempt: Attempt | undefined;
  /** It was asked to stop for good. */
  isCancelled: boolean;
  /** It was cancelled while it ran here: the store has the wish. */
  isWished: boolean;
  /** It had failed for good, and has only to be undone, before anyone asked it to stop. */
  hasFailed: boolean;
  /** This attempt has written records. */
  hasRecords: boolean;
  children: Children | undefined;
  /** How many promises of children it awaits. */
  awaited: number;
  /** The store could not be reached for its children. */
  hasMissedStore: boolean;
  /** False while it waits: its slot is another's. */
  hasSlot: boolean;
  isOver: boolean;
}

/** What the options of attempts are made of, the same for all. */
export interface RunningNeeds {
  readonly runtime: Runtime;
  readonly graceMs: number;
  progress(running: Running, fraction: number, note: string | undefined): void;
  log(running: Running, message: string): void;
  part(running: Running, text: string): Promise<void> | undefined;
  durable(running: Running): AttemptOptions["durable"];
  children(running: Running): Children;
}

/** Made for each attempt, most of which ask for nothing: so it holds no functions of its own. */
export class RunningOptions implements AttemptOptions {
  readonly timeoutMs: number | undefined;
  readonly #running: Running;
  readonly #needs: RunningNeeds;

  constructor(running: Running, timeoutMs: number | undefined, needs: RunningNeeds) {
    this.timeoutMs = timeoutMs;
    this.#running = running;
    this.#needs = needs;
  }

  get id(): string {
    return this.#running.job.id;
  }

  get attempt(): number {
    return this.#running.job.attempt;
  }

  get graceMs(): number {
    return this.#needs.graceMs;
  }

  get runtime(): Runtime {
    return this.#needs.runtime;
  }

  get durable(): AttemptOptions["durable"] {
    return this.#needs.durable(this.#running);
  }

  get children(): Children {
    return this.#needs.children(this.#running);
  }

  progress(fraction: number, note: string | undefined): void {
    this.#needs.progress(this.#running, fraction, note);
  }

  log(message: string): void {
    this.#needs.log(this.#running, message);
  }

  part(text: string): Promise<void> | undefined {
    return this.#needs.part(this.#running, text);
  }
}
