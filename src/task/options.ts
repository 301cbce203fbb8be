// What a task may say about how it runs. Options are checked where the task is defined, so a mistake shows at
// start-up and never in a worker at night. `resolveOptions` turns them into a Policy: every field present, times in ms.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { Debounce, DebounceMs } from "./debounce.ts";
import { resolveDebounce } from "./debounce.ts";
import type { Concurrency, Fair, Limit, OneOrMore, Rate } from "./limits.ts";
import { resolveLimits } from "./limits.ts";
import type { Requires } from "./requires.ts";
import { writeRequires } from "./requires.ts";
import type { StandardSchema } from "./schema.ts";
import type { Throttle } from "./throttle.ts";
import { checkThrottle } from "./throttle.ts";

/** Where a worker runs a task: on its own event loop, in one of its threads, or in one of its child processes. */
export type Place = "loop" | "thread" | "process";

/** How long to wait before the next attempt: `initial * factor^(attempt-1)`, at most `max`, times a random part. */
export interface Backoff {
  /** Wait before the second attempt. Default `"1s"`. */
  readonly initial?: Duration;
  /** Growth from one wait to the next. Default 2. */
  readonly factor?: number;
  /** The longest wait. Default `"1h"`. */
  readonly max?: Duration;
  /** The share of each wait that is random, 0 to 1. Default 0.25: waits are spread over 75 % to 100 % of the computed one. */
  readonly jitter?: number;
}

/** At most one live job for a key. */
export interface Unique<Args extends readonly unknown[] = readonly unknown[]> {
  /** The key, or a function of the arguments. Default: the task's name and its encoded arguments. */
  readonly key?: string | ((...args: Args) => string);
  /** Until when the key is taken: `"started"` frees it when the job starts, `"ended"` (default) when it ends. */
  readonly until?: "started" | "ended";
  /**
   * What a second submit gets: `"existing"` (default), the future of the job there is; `"reject"`, a DuplicateJobError; `"replace"`, the job there
   * is, which becomes this call, with its arguments, priority, queue, due time, limits and expiry. Once that job has started, a further submit makes
   * a new job where the key is free then (`until: "started"`), and is rejected with a DuplicateJobError where it is not. Only for calls submitted
   * by themselves, without other calls among their arguments; replacing costs a round trip more.
   */
  readonly onConflict?: "existing" | "reject" | "replace";
}

/** How calls are gathered to be run together. */
export interface Batch {
  /** How many at most: a whole number from 1 to 10000. */
  readonly size: number;
  /** How long the first of a batch waits for others, at most a minute; a full batch does not wait. Default `"10ms"`. */
  readonly wait?: Duration;
}

/** Options of a task. All optional; durations are ms or texts such as `"30s"`. */
export interface TaskOptions<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  /** Where a fleet worker runs it. CPU-bound work says `"thread"`. Default `"loop"`. A pool runs every task its own way; so that a worker knows before it claims, its own definition holds, not `.with()` at submit. */
  readonly on?: Place;
  /** The queue it waits in. Default `"default"`. Letters, digits and `_ - . : /`, at most 128. */
  readonly queue?: string;
  /** Higher runs first. An integer, default 0. */
  readonly priority?: number;
  /** How many more attempts after a failed one. Default 0. */
  readonly retries?: number;
  /** The wait before each further attempt. */
  readonly backoff?: Backoff;
  /** Asked with the error before each further attempt; a falsy answer fails the job at once. It must answer at once, without a promise. Where it throws itself, the job fails with the task's error, whose `cause` tells what it threw. */
  readonly retryIf?: (error: unknown) => boolean;
  /** How often the job is given out again after its worker, thread or process died. Default 3. */
  readonly crashes?: number;
  /** The longest one attempt may take; then it is aborted and, after a grace period, ended. Importing the task's module does not count, but may itself take only as long, or 10 s where that is longer. Default: no limit. */
  readonly timeout?: Duration;
  /** The job expires when it has not started within this time of its submission. Default: never. */
  readonly expires?: Duration;
  /** The job ends within this time of its submission: one that waits expires by then, a running attempt is stopped as by a time-out, and no further one begins; it ends as failed with a TimeoutError. Default: no limit. */
  readonly deadline?: Duration;
  /** Wait this long before the first attempt. */
  readonly delay?: Duration;
  /** Wait until this time (a Date or ms since 1970) before the first attempt. Not together with `delay`. */
  readonly at?: Date | number;
  /** At most one live job for a key. Fleet only: a pool has no jobs that outlive a call. */
  readonly unique?: Unique<Args>;
  /**
   * How many may run at a time in the whole fleet, in all or for each key; FIFO for each key is `{ limit: 1, key }`. A job that waits for
   * its retry lets the next go. Fleet only: a pool refuses the task. Each limit costs a write when the job passes it and one when it stops.
   */
  readonly concurrency?: OneOrMore<number | Concurrency<Args>> | undefined;
  /** How many attempts may start in a time in the whole fleet, in all or for each key. Waiting costs no attempt. Fleet only: a pool refuses the task. */
  readonly rate?: OneOrMore<Rate<Args>> | undefined;
  /** Even shares of the workers between keys, however many jobs each has waiting. In a pool it has no effect. */
  readonly fair?: Fair<Args> | undefined;
  /**
   * At most one job for a key in a time: further submits get the future of that job, ended or not. Not together with `unique`, and not for calls inside
   * other calls. Costs a round trip more at each submit. Fleet only: a pool refuses the task.
   */
  readonly throttle?: Throttle<Args> | undefined;
  /**
   * One job for many submits of a key in a row: due `wait` after the last one, with its arguments, and `maxWait` after the first at the latest. Every
   * submit gets the future of the one job; once that has started, the next submit makes another. Not together with `unique`, `throttle`, `delay` or `at`, and
   * not for calls inside other calls. Costs a round trip more at each submit that puts a job off, and another with `maxWait`. Fleet only: a
   * pool refuses the task.
   */
  readonly debounce?: Debounce<Args> | undefined;
  /** How many calls are run together, and how long they wait for each other. Only for what `batchTask()` defines. */
  readonly batch?: Batch;
  /** How long a store keeps the ended job with its result. Default `"7d"`. Fleet only. */
  readonly keep?: Duration;
  /** What the worker that runs it must have, compared with its `labels`: `{ gpu: true, memory: ">=8GiB", zone: ["a", "b"] }`. Fleet only. */
  readonly requires?: Requires;
  /** A Standard Schema for the argument (one parameter) or for the tuple of arguments; checked at submit. */
  readonly input?: StandardSchema;
  /** A Standard Schema for the result; checked where the task ran. */
  readonly output?: StandardSchema<unknown, Result>;
  /** The module that defines the task, as `import.meta.url`. Needed only in bundled programs. */
  readonly module?: string;
}

/** Options with every default filled in and every time in ms; what executors and stores read. */
export interface Policy {
  readonly on: Place;
  readonly queue: string;
  readonly priority: number;
  readonly retries: number;
  readonly backoff: { readonly initialMs: number; readonly factor: number; readonly maxMs: number; readonly jitter: number };
  readonly crashes: number;
  readonly timeoutMs: number | undefined;
  /** The shorter of `expires` and `deadline`. */
  readonly expiresMs: number | undefined;
  readonly deadlineMs: number | undefined;
  readonly delayMs: number;
  readonly at: number | undefined;
  readonly keepMs: number;
  /** In the order in which they are passed. */
  readonly limits: readonly Limit[];
  /** 0: none. */
  readonly throttleMs: number;
  readonly debounce: DebounceMs | undefined;
  readonly batch: { readonly size: number; readonly waitMs: number } | undefined;
  /** As it is stored; "" for nothing. */
  readonly requires: string;
}

const known = [
  "on",
  "queue",
  "priority",
  "retries",
  "backoff",
  "retryIf",
  "crashes",
  "timeout",
  "expires",
  "deadline",
  "delay",
  "at",
  "unique",
  "concurrency",
  "rate",
  "fair",
  "throttle",
  "debounce",
  "batch",
  "keep",
  "requires",
  "input",
  "output",
  "module",
] as const satisfies readonly (keyof TaskOptions)[];

export const defaultBackoff: Policy["backoff"] = { initialMs: 1000, factor: 2, maxMs: 3_600_000, jitter: 0.25 };

/** Checks a queue's name and returns it; throws {@link UsageError} otherwise. */
export function checkQueueName(name: unknown): string {
  if (typeof name === "string" && /^[\w\-.:/]{1,128}$/.test(name)) return name;
  throw new UsageError(`A queue's name has 1 to 128 letters, digits or _ - . : /, found ${show(name)}.`);
}

function checkOneOf(value: unknown, allowed: readonly string[], what: string): void {
  if (value === undefined || (typeof value === "string" && allowed.includes(value))) return;
  throw new UsageError(`${what} must be one of ${allowed.map((each) => `"${each}"`).join(", ")}, found ${show(value)}.`);
}

function checkNumber(value: unknown, what: string, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new UsageError(`${what} must be a number from ${least} to ${most}, found ${show(value)}.`);
}

const latestTime = 8.64e15;

/** Checks a priority and returns it; throws {@link UsageError} otherwise. */
export function checkPriority(priority: unknown, what: string): number {
  return checkInteger(priority, what, -(2 ** 31), 2 ** 31);
}

/** The limit in ms, if there is one; throws {@link UsageError} for what is none. A limit of 0 would leave no time at all. */
export function checkLimit(duration: Duration | undefined, what: string): number | undefined {
  if (duration === undefined) return undefined;
  const ms = toMs(duration, what);
  if (ms > 0) return ms;
  throw new UsageError(`${what} must be longer than 0, found ${show(duration)}. Leave it out for no limit.`);
}

function resolveBackoff(backoff: Backoff | undefined, where: string): Policy["backoff"] {
  if (backoff === undefined) return defaultBackoff;
  checkOptions(backoff, ["initial", "factor", "max", "jitter"], `${where} backoff`);
  return {
    initialMs: toMs(backoff.initial ?? defaultBackoff.initialMs, `${where} backoff.initial`),
    factor: checkNumber(backoff.factor ?? defaultBackoff.factor, `${where} backoff.factor`, 1, 1000),
    maxMs: toMs(backoff.max ?? defaultBackoff.maxMs, `${where} backoff.max`),
    jitter: checkNumber(backoff.jitter ?? defaultBackoff.jitter, `${where} backoff.jitter`, 0, 1),
  };
}

const longestBatchMs = 60_000;

function resolveBatch(batch: Batch | undefined, where: string): Policy["batch"] {
  if (batch === undefined) return undefined;
  checkOptions(batch ?? null, ["size", "wait"], where);
  const size = checkInteger(batch.size, `${where}.size`, 1, 10_000);
  const waitMs = toMs(batch.wait ?? "10ms", `${where}.wait`);
  if (waitMs <= longestBatchMs) return { size, waitMs };
  throw new UsageError(
    `${where}.wait is at most a minute, found ${show(batch.wait)}: a worker has the jobs meanwhile. Submit less often, with more in each input.`,
  );
}

function resolveAt(options: TaskOptions<never>, where: string): number | undefined {
  if (options.at === undefined) return undefined;
  if (options.delay !== undefined) throw new UsageError(`${where} has both "delay" and "at". Give one of them.`);
  const at = options.at instanceof Date ? options.at.getTime() : options.at;
  if (typeof at === "number" && Math.abs(at) <= latestTime) return at;
  throw new UsageError(`${where} at must be a valid Date or ms since 1970, found ${show(options.at)}.`);
}

function checkKinds(options: TaskOptions<never>, where: string): void {
  checkOneOf(options.on, ["loop", "thread", "process"], `${where} on`);
  if (options.retryIf !== undefined && typeof options.retryIf !== "function") {
    throw new UsageError(`${where} retryIf must be a function of the error, found ${show(options.retryIf)}.`);
  }
  for (const key of ["input", "output"] as const) {
    if (options[key] !== undefined && typeof options[key]["~standard"]?.validate !== "function") {
      throw new UsageError(
        `${where} ${key} must be a Standard Schema (Zod, Valibot, ArkType, ...), found ${show(options[key])}.`,
      );
    }
  }
  if (options.module !== undefined && typeof options.module !== "string") {
    throw new UsageError(`${where} module must be import.meta.url, found ${show(options.module)}.`);
  }
  if (options.unique === undefined) return;
  checkOptions(options.unique, ["key", "until", "onConflict"], `${where} unique`);
  checkOneOf(options.unique.until, ["started", "ended"], `${where} unique.until`);
  checkOneOf(options.unique.onConflict, ["existing", "reject", "replace"], `${where} unique.onConflict`);
  if (!["string", "function", "undefined"].includes(typeof options.unique.key)) {
    throw new UsageError(`${where} unique.key must be a text or a function, found ${show(options.unique.key)}.`);
  }
}

/** Throws {@link UsageError} for a wait that is not over in time. */
function checkWait(options: TaskOptions<never>, delayMs: number, limit: "expires" | "deadline", where: string): void {
  if (options[limit] === undefined || delayMs < toMs(options[limit], limit)) return;
  const wait =
    options.debounce === undefined ? `delay (${show(options.delay)})` : `debounce.wait (${show(options.debounce.wait)})`;
  throw new UsageError(
    `${where} can never start: its ${wait} is not shorter than its ${limit} (${show(options[limit])}), and both ` +
      `count from the submit. Give it a longer ${limit}.`,
  );
}

/** Options of which each says what a further submit of a key gets. */
const forFurther = ["unique", "throttle", "debounce"] as const satisfies readonly (keyof TaskOptions)[];

/** Throws {@link UsageError} for options that contradict each other. */
function checkTogether(options: TaskOptions<never>, where: string): void {
  const [one, other] = forFurther.filter((key) => options[key] !== undefined);
  if (one !== undefined && other !== undefined) {
    throw new UsageError(
      `${where} has both "${one}" and "${other}", which both say what a further submit gets. Give one of them.`,
    );
  }
  const time = (["delay", "at"] as const).find((key) => options[key] !== undefined);
  if (options.debounce === undefined || time === undefined) return;
  throw new UsageError(`${where} has both "debounce" and "${time}", which both say when the job is due. Give one of them.`);
}

/** Validates `options` and fills in the defaults. Throws {@link UsageError} with "did you mean" for an unknown one. */
export function resolveOptions(options: TaskOptions<never>, where: string): Policy {
  checkOptions(options, known, where);
  checkKinds(options, where);
  const expiresMs = checkLimit(options.expires, `${where} expires`);
  checkTogether(options, where);
  const debounce = resolveDebounce(options.debounce, `${where} debounce`);
  const delayMs = debounce?.waitMs ?? toMs(options.delay ?? 0, `${where} delay`);
  const keepMs = toMs(options.keep ?? "7d", `${where} keep`);
  const deadlineMs = checkLimit(options.deadline, `${where} deadline`);
  checkWait(options, delayMs, "expires", where);
  checkWait(options, delayMs, "deadline", where);
  return {
    on: options.on ?? "loop",
    queue: options.queue === undefined ? "default" : checkQueueName(options.queue),
    priority: checkPriority(options.priority ?? 0, `${where} priority`),
    retries: checkInteger(options.retries ?? 0, `${where} retries`, 0),
    backoff: resolveBackoff(options.backoff, where),
    crashes: checkInteger(options.crashes ?? 3, `${where} crashes`, 0),
    timeoutMs: checkLimit(options.timeout, `${where} timeout`),
    expiresMs: deadlineMs === undefined ? expiresMs : Math.min(deadlineMs, expiresMs ?? Infinity),
    deadlineMs,
    delayMs,
    at: resolveAt(options, where),
    keepMs,
    limits: resolveLimits(options, where),
    batch: resolveBatch(options.batch, `${where} batch`),
    throttleMs: checkThrottle(options.throttle, keepMs, `${where} throttle`),
    debounce,
    requires: writeRequires(options.requires, where),
  };
}

/** The wait in ms before attempt `failed + 1`, after `failed` attempts have failed; `random` is in [0, 1). */
export function backoffMs(backoff: Policy["backoff"], failed: number, random: number): number {
  const full = Math.min(backoff.maxMs, backoff.initialMs * backoff.factor ** Math.max(0, failed - 1));
  return full * (1 - backoff.jitter * random);
}
