// Middleware around the attempts of a worker, and those who listen to it.
import type { ClaimedJob, Outcome } from "../../store/job.ts";
import type { Place } from "../../task/options.ts";
import type { Attempt, AttemptEnd } from "../attempt.ts";
import { endFacts, jobFacts } from "./facts.ts";
import type { Hooked, Hooks } from "./hooks.ts";
import type { StartAttempt } from "./hooked-attempt.ts";
import { HookedAttempt } from "./hooked-attempt.ts";
import type { ListenerFailed } from "./listeners.ts";
import { tellAll } from "./listeners.ts";

/** The run hooks of one worker. */
export class RunHooks {
  readonly #around: Hooked<"run"> | undefined;
  readonly #started: Hooked<"started"> | undefined;
  readonly #ended: Hooked<"ended"> | undefined;
  readonly #retry: Hooked<"retry"> | undefined;
  readonly #lost: Hooked<"lost"> | undefined;
  readonly #failed: ListenerFailed;

  constructor(hooks: Hooks, failed: ListenerFailed) {
    this.#around = hooks.of("run");
    this.#started = hooks.of("started");
    this.#ended = hooks.of("ended");
    this.#retry = hooks.of("retry");
    this.#lost = hooks.of("lost");
    this.#failed = failed;
  }

  /** Begins an attempt. */
  begin(job: ClaimedJob, on: Place, start: StartAttempt, end: (end: AttemptEnd) => void): Attempt | undefined {
    if (this.#started) tellAll(this.#started, this.#failed, jobFacts(job, on));
    return this.#around ? new HookedAttempt(this.#around, jobFacts(job, on), start, end) : start(end);
  }

  /** An attempt ended. */
  ended(job: ClaimedJob, on: Place, outcome: Outcome): void {
    if (this.#retry && outcome.kind === "retry") {
      const end = Object.assign(endFacts(outcome), { dueAt: outcome.dueAt });
      tellAll(this.#retry, this.#failed, jobFacts(job, on), end);
    }
    if (this.#ended) tellAll(this.#ended, this.#failed, jobFacts(job, on), endFacts(outcome));
  }

  /** Workers were lost. */
  lost(workers: readonly string[]): void {
    if (this.#lost) for (const worker of workers) tellAll(this.#lost, this.#failed, worker);
  }
}
