// How the attempts of a worker begin: alone or several as one, with middleware around them or without, on the worker's own event
// loop or in its threads and processes. What becomes of an attempt that has ended is not decided here.
import type { Runtime } from "../core/runtime.ts";
import { checkInput } from "../pool/input.ts";
import { companionOf } from "../task/batch.ts";
import { decode, encode } from "../task/codec.ts";
import type { Place } from "../task/options.ts";
import { unsealed } from "../task/sealed.ts";
import type { Definition } from "../task/task.ts";
import type { Attempt, AttemptEnd, AttemptOptions } from "./attempt.ts";
import { LoopAttempt } from "./attempt.ts";
import { BatchAttempt, withoutJob } from "./batch-attempt.ts";
import type { Given } from "./given.ts";
import { resultsOf } from "./given.ts";
import type { BatchMember, BegunMember } from "./middleware/hooked-batch.ts";
import { beginTogether } from "./middleware/hooked-batch.ts";
import type { RunHooks } from "./middleware/run-hooks.ts";
import type { Running, RunningNeeds } from "./running.ts";
import { RunningOptions } from "./running.ts";
import type { Held, Slots } from "./slots.ts";
import type { WorkerPools } from "./worker-pools.ts";

/** However short its deadline, a job that has missed it has this long to undo what it did. */
const leastUndoMs = 10_000;

/** What beginning an attempt needs. */
export interface StartingHost {
  readonly runtime: Runtime;
  /** The store's clock. */
  now(): number;
  readonly tasks: ReadonlyMap<string, Definition>;
  readonly pools: WorkerPools;
  /** Middleware around attempts. */
  readonly hooks: RunHooks | undefined;
  /** The task with this number begins to run on the event loop; -1 when it has returned. */
  onLoop(task: number): void;
}

type End = (ended: AttemptEnd) => void;

/** Begins the attempts of one worker. */
export class Starting {
  readonly #host: StartingHost;
  readonly #needs: RunningNeeds;
  readonly #ended: (running: Running, ended: AttemptEnd) => void;
  readonly #numbers: ReadonlyMap<string, number>;

  /** `ended` is told of each attempt, once. */
  constructor(host: StartingHost, needs: RunningNeeds, ended: (running: Running, ended: AttemptEnd) => void) {
    this.#host = host;
    this.#needs = needs;
    this.#ended = ended;
    this.#numbers = new Map([...host.tasks.values()].map(({ name }, index) => [name, index] as const));
  }

  /** Starts one job. */
  begin(running: Running, inputs: readonly Given[]): void {
    const { hooks, tasks } = this.#host;
    const end: End = (ended) => this.#ended(running, ended);
    try {
      if (this.#isOverBefore(running)) return end({ kind: "failed", error: undefined });
      const results = resultsOf(inputs, running.policy);
      const place = tasks.has(running.job.task) ? running.slots.place : "loop";
      if (hooks) this.#beginHooked(hooks, running, results, place, end);
      else this.#launch(running, results, place, end);
    } catch (error) {
      end({ kind: "failed", error });
    }
  }

  /** With middleware around it. */
  #beginHooked(hooks: RunHooks, running: Running, results: readonly unknown[], place: Place, end: End): void {
    const start = (over: End): Attempt | undefined => {
      const around = running.attempt;
      this.#launch(running, results, place, over);
      const { attempt } = running;
      running.attempt = around ?? attempt;
      return attempt;
    };
    running.attempt = hooks.begin(running.job, place, start, end);
  }

  #isOverBefore({ deadline, isCancelled }: Running): boolean {
    return isCancelled || (deadline !== undefined && !deadline.undoes && this.#host.now() >= deadline.at);
  }

  #launch(running: Running, results: readonly unknown[], place: Place, end: End): void {
    const { job, definition } = running;
    const { pools } = this.#host;
    // Threads and processes read the stored text themselves, unless results have to be filled in.
    if (place !== "loop" && results.length === 0) {
      running.attempt = pools.start(place, definition, job.args, this.#optionsOf(running), end);
      return;
    }
    const stored = decode(job.args, results) as readonly unknown[];
    const args = results.length === 0 ? stored : checkInput(definition, stored);
    if (place === "loop") return this.#startOnLoop(running, args, end);
    running.attempt = pools.start(place, definition, args, this.#optionsOf(running), end);
  }

  #startOnLoop(running: Running, args: readonly unknown[], end: End): void {
    const attempt = new LoopAttempt(running.definition, this.#optionsOf(running), end);
    running.attempt = attempt;
    this.#onLoop(running.definition, () => attempt.start(running.definition, args));
  }

  #onLoop({ name }: Definition, start: () => void): void {
    this.#host.onLoop(this.#numbers.get(name) ?? -1);
    start();
    this.#host.onLoop(-1);
  }

  /** Starts several jobs of one task as one attempt; each has its own end. */
  beginBatch(definition: Definition, batch: readonly (readonly [Running, Held])[], slots: Slots): void {
    const members: BatchMember[] = [];
    for (const [running, held] of batch) {
      try {
        if (this.#isOverBefore(running)) this.#ended(running, { kind: "failed", error: undefined });
        else members.push({ running, text: textOf(running, held) });
      } catch (error) {
        this.#ended(running, { kind: "failed", error });
      }
    }
    const launch = (begun: readonly BegunMember[]): void => this.#launchBatch(definition, begun, slots);
    const { hooks } = this.#host;
    if (hooks) return beginTogether(hooks, members, slots.place, launch, (running, end) => this.#ended(running, end));
    const begun = members.map(({ running, text }) => ({
      running,
      text,
      end: (end: AttemptEnd): void => this.#ended(running, end),
      begun: (attempt: Attempt): void => void (running.attempt = attempt),
    }));
    if (begun.length > 0) launch(begun);
  }

  #launchBatch(definition: Definition, members: readonly BegunMember[], slots: Slots): void {
    const together = new BatchAttempt(members.map(({ end }) => end));
    for (const [place, member] of members.entries()) member.begun(together.member(place));
    const texts = members.map(({ text }) => text);
    const options = this.#batchOptions(members.map(({ running }) => running));
    const companion = companionOf(definition);
    try {
      if (slots.place === "loop") {
        const attempt = new LoopAttempt(companion, options, together.end);
        together.attempt = attempt;
        this.#onLoop(definition, () => attempt.start(companion, [texts]));
      } else together.attempt = this.#host.pools.start(slots.place, companion, [texts], options, together.end);
    } catch (error) {
      together.end({ kind: "failed", error });
    }
  }

  /** The batch has the id and the attempt of its first job, the shortest of the time-outs, and tells all of its progress. */
  #batchOptions(members: readonly Running[]): AttemptOptions {
    const first = members[0] as Running;
    const options = this.#optionsOf(first);
    const { id, attempt, graceMs, runtime } = options;
    const limits = members.flatMap((running) => this.#timeoutOf(running) ?? []);
    const timeoutMs = limits.length === 0 ? undefined : Math.min(...limits);
    const progress: AttemptOptions["progress"] = (fraction, note) => {
      for (const each of members) if (!each.isOver) this.#needs.progress(each, fraction, note);
    };
    return Object.assign(withoutJob(first.job.task), {
      id,
      attempt,
      timeoutMs,
      graceMs,
      runtime,
      progress,
      log: (message: string): void => options.log(message),
    });
  }

  /** The attempt's time-out, cut to the deadline: a little later, so that it has certainly passed. */
  #timeoutOf({ policy: { timeoutMs }, deadline }: Running): number | undefined {
    if (!deadline) return timeoutMs;
    // Once more for as long, to come to what is to be undone.
    if (deadline.undoes) return Math.min(Math.max(deadline.ms, leastUndoMs), timeoutMs ?? Infinity);
    return Math.min(Math.max(0, Math.ceil(deadline.at - this.#host.now())) + 1, timeoutMs ?? Infinity);
  }

  #optionsOf(running: Running): AttemptOptions {
    return new RunningOptions(running, this.#timeoutOf(running), this.#needs);
  }
}

/** The arguments of a job as text, with what it gets of its dependencies filled in. */
function textOf({ job, definition, policy }: Running, { inputs }: Held): string {
  if (inputs.length === 0) return unsealed(job.args);
  const args = decode(job.args, resultsOf(inputs, policy)) as readonly unknown[];
  return encode(checkInput(definition, args), "args");
}
