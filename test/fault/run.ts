// One run of the fault suite: faults from a seeded schedule while jobs are submitted and worked on; then everything is healed, all
// jobs must end within a bounded time, every awaited result must be told, and the checker judges. Whatever happens, the processes
// it started are ended and its folders removed.
import { setTimeout as delay } from "node:timers/promises";
import type { Job } from "../../src/store/job.ts";
import { seededRandom } from "../../src/testing/index.ts";
import type { Counts } from "./checker.ts";
import { check } from "./checker.ts";
import { drain } from "./drain.ts";
import type { Violation } from "./evidence.ts";
import type { Line } from "./history.ts";
import { readHistory } from "./history.ts";
import type { FaultCounts } from "./injector.ts";
import { Injector } from "./injector.ts";
import { Observer } from "./observer.ts";
import { Scene } from "./scene.ts";
import { drawSchedule } from "./schedule.ts";
import type { StoreKind } from "./server.ts";
import { Workload } from "./workload.ts";

/** What a run is made of. */
export interface RunOptions {
  readonly kind: StoreKind;
  readonly seed: number;
  /** How many jobs are acknowledged. */
  readonly jobs: number;
  /** For so long faults strike; the jobs are submitted meanwhile. */
  readonly chaosMs: number;
  readonly leaseMs: number;
  readonly workers: number;
  /** One more worker has a network of its own, where the machine allows it. */
  readonly remote: boolean;
  /** Told what happens. */
  readonly trace: (line: string) => void;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/** What came of a run. */
export interface RunReport {
  readonly kind: StoreKind;
  readonly seed: number;
  readonly seconds: number;
  /** From the healing until the last job had ended. */
  readonly drainMs: number;
  readonly faults: FaultCounts;
  readonly counts: Counts;
  /** How often the observer looked. */
  readonly looks: number;
  /** Why no worker had a network of its own. */
  readonly remoteSkipped: string | undefined;
  readonly violations: readonly Violation[];
  /** The lines of the history about the first jobs that violations name, and what the store has of them. */
  readonly stories: readonly string[];
}

/** Jobs of different submitters have numbers so far apart. */
const numbersApart = 1_000_000;
const storiesOf = 5;
const drainBaseMs = 60_000;
const drainPerJobMs = 2;
const readyLimitMs = 30_000;
const submitLimitMs = 90_000;
const toldLimitMs = 20_000;

/** Does one run. */
export async function run(options: RunOptions): Promise<RunReport> {
  const violations: Violation[] = [];
  const finding = (what: string): void => void violations.push({ id: null, what });
  const scene = new Scene({ ...options, finding });
  try {
    return await Promise.race([play(scene, options, violations), aborted(options.signal)]);
  } finally {
    await scene.close();
  }
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

async function play(scene: Scene, options: RunOptions, findings: Violation[]): Promise<RunReport> {
  const began = performance.now();
  const { kind, seed, trace } = options;
  const { finding } = scene.options;
  await scene.set();
  const observer = new Observer(scene.store, finding);
  const workloads = scene.submitters.map(
    (hands, i) =>
      new Workload(hands, seededRandom(seed + 100 + i), {
        first: 1 + i * numbersApart,
        acknowledged: (id) => observer.expect(id),
      }),
  );
  const faults = await chaos(scene, workloads, options);
  const healedAt = performance.now();
  trace("healed; waiting for all jobs to end");
  const nudge = async (): Promise<void> => void (await Promise.all(workloads.map((workload) => workload.signalRest())));
  const jobs = await drain(scene.store, drainBaseMs + drainPerJobMs * options.jobs, trace, nudge);
  const drainMs = performance.now() - healedAt;
  await allTold(workloads, finding);
  await observer.stop();
  await scene.end();
  const history = readHistory(scene.history);
  const submits = workloads.flatMap((workload) => workload.submits);
  const { violations, counts } = check({ submits, jobs, history, seen: observer.seen });
  const all = [...findings, ...violations];
  const seconds = (performance.now() - began) / 1000;
  const { remoteSkipped } = scene;
  return {
    kind,
    seed,
    seconds,
    drainMs,
    faults,
    counts,
    looks: observer.looks,
    remoteSkipped,
    violations: all,
    stories: stories(all, jobs, history),
  };
}

/** Faults and submits side by side. When both are over everything is whole. */
async function chaos(scene: Scene, workloads: readonly Workload[], options: RunOptions): Promise<FaultCounts> {
  const { slots, proxies, remote, server } = scene;
  const { seed, leaseMs, jobs, chaosMs, trace } = options;
  await within(Promise.all(slots.map((slot) => slot.ready())), readyLimitMs, "not every worker has joined");
  trace(`${slots.length} workers have joined; seed ${seed}`);
  const terms = { forMs: chaosMs, leaseMs, workers: slots.length, proxies: proxies.length, hasRemote: remote !== undefined };
  const strikes = drawSchedule({ random: seededRandom(seed), ...terms });
  const injector = new Injector({ workers: slots, proxies, server: server.network, remote }, trace, options.signal);
  const share = Math.ceil(jobs / workloads.length);
  const submitting = workloads.map((workload) => workload.submit(share, chaosMs, chaosMs + submitLimitMs));
  await Promise.all([injector.play(strikes, chaosMs), ...submitting]);
  return injector.counts;
}

/** Once nothing lives any more, whoever awaits a result is told within a bounded time. */
async function allTold(workloads: readonly Workload[], finding: (what: string) => void): Promise<void> {
  const told = Promise.all(workloads.map((workload) => workload.told()));
  await within(told, toldLimitMs, "results are still awaited").catch((error: unknown) => {
    const untold = workloads.map(({ awaited }) => awaited.slice(0, 5).join("; ") || "none").join(" | ");
    finding(`Futures were not told of their results, though every job has ended: ${untold}: ${String(error)}`);
  });
}

/** What is not so in time is an error. */
async function within(promise: Promise<unknown>, ms: number, otherwise: string): Promise<void> {
  const inTime = new AbortController();
  const late = delay(ms, undefined, { signal: inTime.signal }).then(() => {
    throw new Error(`After ${ms} ms ${otherwise}.`);
  });
  late.catch(() => undefined);
  try {
    await Promise.race([promise, late]);
  } finally {
    inTime.abort();
  }
}

/** What happened to the first jobs that violations name. */
function stories(violations: readonly Violation[], jobs: readonly Job[], history: readonly Line[]): readonly string[] {
  const ids = [...new Set(violations.flatMap(({ id }) => id ?? []))].slice(0, storiesOf);
  return ids.flatMap((id) => [
    `job ${id}: ${JSON.stringify(jobs.find((job) => job.id === id) ?? "not stored")}`,
    ...history.filter((line) => "id" in line && line.id === id).map((line) => `  ${JSON.stringify(line)}`),
  ]);
}
