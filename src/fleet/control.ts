// What a client asks of jobs that are there already: other terms for those that wait, and an end for those that run.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { CancelReceipt } from "../pool/future.ts";
import type { Ended } from "../store/job.ts";
import type { Changes, Store } from "../store/store.ts";
import { checkQueueName } from "../task/options.ts";
import type { Awaiter, Waiter } from "./awaiter.ts";

/** What may be changed of jobs that wait. */
export interface JobChanges {
  /** Higher runs first. */
  readonly priority?: number;
  readonly queue?: string;
  /** Not before this time from now has passed; 0 for at once. */
  readonly delay?: Duration;
  /** Not before this time: a Date or ms since 1970. Not together with `delay`. */
  readonly at?: Date | number;
}

/** How jobs are cancelled. */
export interface CancelOptions {
  /** Why; stored with the jobs, and part of the CancelledError. */
  readonly reason?: string;
  /**
   * Waits until the running ones have ended, or their worker was lost, so that the receipt tells what became of each; at most so
   * long, `true` for a minute. Those that have not ended by then are `requested`. Default: does not wait.
   */
  readonly wait?: boolean | Duration;
}

const longestWaitMs = 60_000;

/** The changes as a store makes them. Throws UsageError. */
export function changesOf(given: JobChanges, now: number): Changes {
  checkOptions(given ?? null, ["priority", "queue", "delay", "at"], "change()");
  const { priority, queue, delay, at } = given;
  if (delay !== undefined && at !== undefined) throw new UsageError('change() has both "delay" and "at". Give one of them.');
  const time = at instanceof Date ? at.getTime() : at;
  if (time !== undefined && !(typeof time === "number" && Math.abs(time) <= 8.64e15)) {
    throw new UsageError(`change() at must be a valid Date or ms since 1970, found ${show(at)}.`);
  }
  const dueAt = delay === undefined ? time : now + toMs(delay, "change() delay");
  const changes: Changes = {
    ...(priority !== undefined && { priority: checkInteger(priority, "change() priority", -(2 ** 31), 2 ** 31) }),
    ...(queue !== undefined && { queue: checkQueueName(queue) }),
    ...(dueAt !== undefined && { dueAt: dueAt > now ? dueAt : null }),
  };
  if (Object.keys(changes).length > 0) return changes;
  throw new UsageError("change() was given nothing to change. Give priority, queue, delay or at.");
}

/** The options, checked; `waitMs` is 0 for none. */
export function cancelTerms(given: string | CancelOptions | undefined): {
  readonly reason: string | null;
  readonly waitMs: number;
} {
  if (given === undefined || typeof given === "string") return { reason: given ?? null, waitMs: 0 };
  checkOptions(given, ["reason", "wait"], "cancel()");
  const { reason, wait = false } = given;
  if (reason !== undefined && typeof reason !== "string") {
    throw new UsageError(`cancel() reason must be a text, found ${show(reason)}.`);
  }
  if (typeof wait !== "boolean") return { reason: reason ?? null, waitMs: toMs(wait, "cancel() wait") };
  return { reason: reason ?? null, waitMs: wait ? longestWaitMs : 0 };
}

/** How an attempt ended that did not stop when it was asked to: with its thread or process, or left to itself on an event loop. */
export type Overdue = "killed" | "abandoned";

/** The record of such an attempt, written before its end. The number is that of its claim. */
export function overdueRecord(fence: number): string {
  return `overdue/${fence}`;
}

/** So many jobs are looked at together. */
const lookedAt = 200;

/** Waits until these jobs have ended, at most `waitMs`. Gives those that have. */
async function untilEnded(
  awaiter: Awaiter,
  runtime: Runtime,
  ids: readonly string[],
  waitMs: number,
): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const waiters = new Map<string, Waiter>();
  const ended: string[] = [];
  const done = (id: string): void => {
    waiters.delete(id);
    if (waiters.size === 0) resolve();
  };
  for (const id of ids) {
    waiters.set(id, {
      ended: ({ id: known }: Ended) => {
        ended.push(known);
        done(id);
      },
      lost: reject,
      isStored: () => true,
    });
  }
  const timer = runtime.after(waitMs, resolve);
  for (const [id, waiter] of waiters) awaiter.wait(id, waiter);
  try {
    await promise;
  } finally {
    timer.cancel();
    for (const [id, waiter] of waiters) awaiter.forget(id, waiter);
  }
  return ended;
}

/** What became of running jobs that were asked to stop. */
export async function confirm(
  store: Store,
  awaiter: Awaiter,
  runtime: Runtime,
  requested: readonly string[],
  waitMs: number,
): Promise<Omit<CancelReceipt, "waiting">> {
  if (requested.length === 0 || waitMs === 0) return { requested: requested.length, stopped: 0, killed: 0 };
  const ended = await untilEnded(awaiter, runtime, requested, waitMs);
  const counts = { requested: requested.length - ended.length, stopped: 0, killed: 0 };
  for (let start = 0; start < ended.length; start += lookedAt) {
    const jobs = await store.get(ended.slice(start, start + lookedAt));
    const found = await Promise.all(jobs.map(({ id, fence }) => store.records(id, overdueRecord(fence), 1)));
    for (const [how] of found) {
      if (how === undefined) counts.stopped += 1;
      else if (how.text === ("killed" satisfies Overdue)) counts.killed += 1;
      else counts.requested += 1;
    }
  }
  return counts;
}
