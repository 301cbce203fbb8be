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
  /** What each of its steps gave: the execution of the step. */
  readonly steps?: readonly string[];
  /** What the signal it waited for brought. */
  readonly signal?: unknown;
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

function stepped(id: string, step: string): string {
  if (!recording.by) throw new Error("This program does not record, so it must not work.");
  return recording.by.stepped(id, step);
}

function summary(parts: readonly Made[]): Pick<Made, "id" | "n" | "token">[] {
  return parts.map(({ id, n, token }) => ({ id, n, token }));
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

export const join = task("fault.join", (n: number, parts: Made[]): Made => ({ ...made(n), parts: summary(parts) }), undying);

/** So many of a key run at a time. */
export const limitedRoom = 2;

export const limited = task(
  "fault.limited",
  async (n: number, _key: string, ms: number) => {
    const result = made(n);
    await delay(ms);
    return result;
  },
  { ...undying, concurrency: { limit: limitedRoom, key: (_n, key) => key } },
);

/** How many children `parent` has. Their numbers follow its own. */
export const childrenOfParent = 3;

export const parent = task(
  "fault.parent",
  async (n: number): Promise<Made> => {
    const result = made(n);
    const { submit } = context();
    const parts = Array.from({ length: childrenOfParent }, (_, i) => submit(leaf, n + 1 + i));
    return { ...result, parts: summary(await Promise.all(parts)) };
  },
  undying,
);

/** The name of the signal that `saga` waits for between its steps; it brings the number. */
export const sagaSignal = "go";

export const saga = task(
  "fault.saga",
  async (n: number, ms: number): Promise<Made> => {
    const result = made(n);
    const { id, step, sleep, waitFor } = context();
    const first = await step("first", () => stepped(id, "first"));
    await sleep(ms);
    const second = await step("second", () => stepped(id, "second"));
    const signal = await waitFor(sagaSignal);
    const third = await step("third", () => stepped(id, "third"));
    return { ...result, steps: [first, second, third], signal };
  },
  undying,
);

/** All tasks of the suite. */
export const all = [leaf, wait, flaky, once, fragile, join, limited, parent, saga] as const;
