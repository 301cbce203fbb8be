// Deterministic simulation: the real client and the real worker on the memory store, with virtual time and seeded faults. The
// same seed gives the same trace, so a seed found in a thousand reproduces its failure. At the end the recorded history is
// checked: every job that was acknowledged has ended, and no job's outcome was accepted twice.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { ManyhandsError, UsageError } from "../core/errors.ts";
import { sleep } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import { Hands } from "../fleet/hands.ts";
import type { Outcome } from "../store/job.ts";
import { memoryStore } from "../store/memory/store.ts";
import type { Settled, Store, Want } from "../store/store.ts";
import { finalStates, isFinal } from "../task/state.ts";
import type { FinalState } from "../task/state.ts";
import type { AnyTask, Definition } from "../task/task.ts";
import { definitionOf, taskOf } from "../task/task.ts";
import { TestClock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import { Machine } from "./faults.ts";

/** What to simulate. */
export interface SimulateOptions<T> {
  /** The tasks the workers know. */
  readonly tasks: readonly AnyTask[];
  /** How many workers; a crashed one is replaced. Default 3. */
  readonly workers?: number;
  /** What goes wrong, and how often. Default: a little of everything. */
  readonly faults?: Partial<Faults>;
  /** When virtual time begins, in ms since 1970. Default 2026-01-01T00:00:00Z. */
  readonly start?: number;
  /** How much virtual time the program may take, and after it the jobs it leaves. Default `"6h"`. */
  readonly limit?: Duration;
  /** The client's program. It may wait for jobs; time is virtual and costs nothing. */
  readonly program: (hands: Hands, clock: TestClock) => Promise<T>;
}

/** What a simulation gives. */
export interface Simulation<T> {
  readonly value: T;
  /** What happened, in order, each line with its virtual time in ms. Equal for equal seeds. */
  readonly trace: readonly string[];
  /** Virtual time it took, in ms. */
  readonly elapsedMs: number;
  /** How many jobs there were, and how often their effects ran. */
  readonly jobs: number;
  readonly attempts: number;
  readonly crashes: number;
}

/** A simulation showed what must never be: run the same seed again to see it again. */
export class SimulationError extends ManyhandsError {
  readonly seed: number;
  readonly trace: readonly string[];

  constructor(seed: number, message: string, trace: readonly string[], options?: ErrorOptions) {
    super("SIMULATION", `Seed ${seed}: ${message}\nThe last steps:\n${trace.slice(-25).join("\n")}`, options);
    this.seed = seed;
    this.trace = trace;
  }
}

const someFaults: Faults = { crash: 0.01, stall: 0.01, slow: 0.05, wake: 0.1 };

/** Records every outcome the store accepted. */
function recording(
  store: Store,
  accepted: Map<string, FinalState>,
  trace: (line: string) => void,
  wrong: (what: string) => void,
): Store {
  const settle = async (worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled> => {
    const settled = await store.settle(worker, outcomes, wants, now);
    const refused = new Set(settled.refused);
    const otherwise = new Map(settled.ended.map((ended) => [ended.id, ended.state] as const));
    outcomes.forEach((outcome, index) => {
      trace(`${outcome.kind} ${outcome.id.slice(-6)} fence ${outcome.fence}${refused.has(index) ? " refused" : ""}`);
      if (refused.has(index)) return;
      const state = otherwise.get(outcome.id) ?? outcome.kind;
      if (!finalStates.includes(state as FinalState)) return;
      const before = accepted.get(outcome.id);
      if (before !== undefined) wrong(`job ${outcome.id} ended as ${before} and again as ${state}`);
      accepted.set(outcome.id, state as FinalState);
    });
    for (const job of settled.claimed) trace(`claimed ${job.id.slice(-6)} fence ${job.fence}`);
    return settled;
  };
  // Whoever makes a job live again wants another outcome.
  const retry: Store["retry"] = async (filter, now) => {
    const revived = await store.retry(filter, now);
    for (const id of revived) accepted.delete(id);
    return revived;
  };
  return new Proxy(store, {
    get(target, key: keyof Store): unknown {
      if (key === "settle") return settle;
      if (key === "retry") return retry;
      const member = target[key];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/**
 * Runs a program against a fleet of simulated workers. `seed` decides every duration, fault and interleaving.
 * Rejects with {@link SimulationError}, which names the seed, when the program fails, hangs, or a guarantee is broken.
 *
 * @example
 * for (let seed = 0; seed < 1000; seed++) {
 *   await simulate(seed, { tasks: [charge], program: async (hands) => hands.submit(charge, 5) });
 * }
 */
export async function simulate<T>(seed: number, options: SimulateOptions<T>): Promise<Simulation<T>> {
  checkTerms(seed, options);
  const clock = new TestClock({ seed, ...(options.start !== undefined && { start: options.start }) });
  const trace: string[] = [];
  const note = (line: string): void => void trace.push(`${clock.elapsed()} ${line}`);
  const broken: string[] = [];
  const accepted = new Map<string, FinalState>();
  const faults = { ...someFaults, ...options.faults };
  const counts = { attempts: 0, crashes: 0 };
  const memory = memoryStore({ runtime: clock });
  const store = recording(memory, accepted, note, (what) => broken.push(what));
  const limit = options.limit ?? "6h";
  let over = false;

  const startMachine = (place: number, life: number): void => {
    const name = `w${place}.${life}`;
    const machine = new Machine(name, clock, store, faults, note, () => {
      counts.crashes += 1;
      if (over) return;
      clock.after(Math.floor(clock.random() * 20_000), () => {
        if (!over) startMachine(place, life + 1);
      });
    });
    const tasks = options.tasks.map((each) => simulated(each, machine, clock, faults, note, () => (counts.attempts += 1)));
    const hands = new Hands(machine.store, machine.runtime);
    const worker = hands.work({ tasks, concurrency: 4, report: (event) => note(`${name} ${event.kind}`) });
    worker.ready.catch((error: unknown) => broken.push(`worker ${name} could not start: ${String(error)}`));
  };
  for (let i = 1; i <= (options.workers ?? 3); i++) startMachine(i, 1);

  const client = new Hands(store, clock);
  try {
    const value = await clock.run(options.program(client, clock), limit);
    await untilAllEnded(memory, clock, toMs(limit, "simulate() limit"));
    if (broken.length > 0) throw new Error(broken.join("; "));
    const jobs = await memory.count({});
    return { value, trace, elapsedMs: clock.elapsed(), jobs, ...counts };
  } catch (error) {
    throw new SimulationError(seed, error instanceof Error ? error.message : String(error), trace, { cause: error });
  } finally {
    over = true;
  }
}

function checkTerms(seed: number, options: SimulateOptions<unknown>): void {
  checkInteger(seed, "simulate() seed", Number.MIN_SAFE_INTEGER);
  checkOptions(options, ["tasks", "workers", "faults", "start", "limit", "program"], "simulate()");
  if (options.start !== undefined) checkInteger(options.start, "simulate() start", 0);
  checkInteger(options.workers ?? 3, "simulate() workers", 1);
  const { faults = {} } = options;
  checkOptions(faults, Object.keys(someFaults), "simulate() faults");
  for (const [name, share] of Object.entries(faults)) {
    if (typeof share === "number" && share >= 0 && share <= 1) continue;
    throw new UsageError(`simulate() faults.${name} must be a share from 0 to 1, found ${show(share)}.`);
  }
}

/** The task as it runs on a simulated machine: it takes some virtual time first, and does not run at all on a dead one. */
function simulated(
  original: AnyTask,
  machine: Machine,
  clock: TestClock,
  faults: Faults,
  note: (line: string) => void,
  count: () => void,
): AnyTask {
  const definition: Definition = definitionOf(original);
  const work = async (): Promise<void> => {
    const slow = clock.random() < faults.slow;
    await sleep(machine.runtime, Math.floor(clock.random() * (slow ? 60_000 : 50)));
    count();
    note(`${machine.name} runs ${definition.name}`);
  };
  const fn: Definition["fn"] = async (...args) => {
    await work();
    return definition.fn(...args);
  };
  const many: Definition["many"] = async (inputs) => {
    await work();
    return definition.many?.(inputs);
  };
  return taskOf({ ...definition, fn, many: definition.many && many });
}

async function untilAllEnded(store: Store, clock: TestClock, limitMs: number): Promise<void> {
  const limit = clock.elapsed() + limitMs;
  for (;;) {
    const live = (await store.list({}, { limit: 100_000 })).filter((job) => !isFinal(job.state));
    if (live.length === 0) return;
    if (clock.elapsed() > limit || !(await clock.step())) {
      throw new Error(`jobs are left hanging: ${live.map((job) => `${job.id} of "${job.task}" is ${job.state}`).join(", ")}`);
    }
  }
}
