// The tasks of the fault suite. Each has one effect, a line in the history, and returns what that line says, so that the result that
// is stored can be traced to the one execution it came from. Whether `flaky` fails is decided by its number and attempt alone.
import { setTimeout as delay } from "node:timers/promises";
import { context, task } from "../../src/index.ts";
import { seededRandom } from "../../src/testing/clock.ts";
import type { Ran } from "./history.ts";
import type { Recorder } from "./recorder.ts";

/** What a task returns: the execution it came from. */
export interface Made extends Pick<Ran, "id" | "attempt" | "fence" | "worker" | "token"> {
  /** What it was called with. */
  readonly n: number;
  /** For a join: the results it got, in their order. */
  readonly parts?: readonly Pick<Made, "id" | "n" | "token">[];
}

/** Where executions are recorded; set by the program that works. */
export const recording: { by: Recorder | undefined } = { by: undefined };

/** More deaths of its workers than a run has kills: such a job is never set aside. */
const undying = { crashes: 1000 };

function made(n: number): Made {
  const { id, task, attempt } = context();
  if (!recording.by) throw new Error("This program does not record, so it must not work.");
  const { fence, worker, token } = recording.by.ran(id, task, attempt);
  return { id, n, attempt, fence, worker, token };
}

/** True when this attempt of `flaky` fails, which half of them do. */
export function flakyFails(n: number, attempt: number): boolean {
  return seededRandom(n * 1000 + attempt)() < 0.5;
}

/** How many more attempts `flaky` has after a failed one. */
export const flakyRetries = 2;

export const leaf = task("fault.leaf", (n: number) => made(n), undying);

export const wait = task(
  "fault.wait",
  async (n: number, ms: number) => {
    const result = made(n);
    await delay(ms);
    return result;
  },
  undying,
);

export const flaky = task(
  "fault.flaky",
  (n: number) => {
    const result = made(n);
    if (flakyFails(n, result.attempt)) throw new Error(`attempt ${result.attempt} fails`);
    return result;
  },
  { ...undying, retries: flakyRetries, backoff: { initial: 30, factor: 2, jitter: 0.5 } },
);

/** At most one live job of a key. */
export const once = task(
  "fault.once",
  async (n: number, _key: string, ms: number) => {
    const result = made(n);
    await delay(ms);
    return result;
  },
  { ...undying, unique: { key: (_n, key) => key } },
);

/** Set aside when its workers die twice. */
export const fragile = task("fault.fragile", (n: number) => made(n), { crashes: 1 });

export const join = task(
  "fault.join",
  (n: number, parts: Made[]): Made => ({ ...made(n), parts: parts.map(({ id, n, token }) => ({ id, n, token })) }),
  undying,
);
