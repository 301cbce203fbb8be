// The one door to time, randomness, ids and timers. Everything else in manyhands takes a Runtime and
// calls no clock of its own, which is what lets `simulate` run the same code on virtual time and lets a
// seed reproduce a run. `systemRuntime` is the real one.
import { randomBytes } from "node:crypto";

/** A timer that has been set; `cancel` may be called any number of times. */
export interface Timer {
  cancel(): void;
}

/** Clock, timers, randomness and ids, injected into every executor, store and worker. */
export interface Runtime {
  /** Wall-clock time in ms since 1970. It may jump; use it only for times that are stored or shown. */
  now(): number;
  /** Monotonic time in ms, with fractions. Use it to measure how long something took. */
  elapsed(): number;
  /** Calls `run` once after `ms`. A background timer does not keep the process alive. */
  after(ms: number, run: () => void, options?: { readonly background?: boolean }): Timer;
  /** Calls `run` once on the next turn of the event loop, after all pending microtasks. */
  defer(run: () => void): void;
  /** Keeps the process alive until it is cancelled; for waiting on something that does not. */
  hold(): Timer;
  /** A number in [0, 1). */
  random(): number;
  /** A new id: 26 characters that sort by time (see `core/ids.ts`). */
  id(): string;
}

const longestTimerMs = 0x7fffffff;

/** setTimeout treats anything above 2^31-1 ms as 1 ms; this one waits as long as it was told. */
function after(ms: number, run: () => void, options?: { readonly background?: boolean }): Timer {
  let handle: NodeJS.Timeout;
  const arm = (left: number): void => {
    const step = Math.min(left, longestTimerMs);
    handle = setTimeout(() => (left > step ? arm(left - step) : run()), step);
    if (options?.background) handle.unref();
  };
  arm(Math.max(0, ms));
  return { cancel: () => clearTimeout(handle) };
}

/** A generator of 128-bit ids in Crockford base 32, laid out as ULIDs are (github.com/ulid/spec): 48 bits of ms, 60 of
 * randomness fixed for the generator, 20 of a counter, so ids of one ms sort in the order they were made. */
export function idGenerator(now: () => number, random: () => number): () => string {
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const encode = (value: number, length: number): string => {
    let text = "";
    for (let i = 0; i < length; i++) {
      text = digits.charAt(value % 32) + text;
      value = Math.floor(value / 32);
    }
    return text;
  };
  const draw = (): string => encode(Math.floor(random() * 2 ** 30), 6);
  let last = -1;
  let prefix = "";
  const own = draw() + draw();
  let count = 0;
  return () => {
    // A clock that steps back must not make ids sort backwards within this process, nor a full counter make two alike.
    const ms = Math.max(last, now());
    if (ms !== last || count === 2 ** 20) {
      last = ms === last ? last + 1 : ms;
      prefix = encode(last, 10) + own;
      count = 0;
    }
    return prefix + encode(count++, 4);
  };
}

function secureRandom(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
}

/** Bytes nobody can foresee, for cryptography: these must never come from a seed. */
export function secureBytes(count: number): Uint8Array {
  return randomBytes(count);
}

/** The real clock, timers and randomness of this process. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after,
  defer: (run) => void setImmediate(run),
  hold: () => {
    const handle = setInterval(() => undefined, longestTimerMs);
    return { cancel: () => clearInterval(handle) };
  },
  random: Math.random,
  id: idGenerator(Date.now, secureRandom),
};

/** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(runtime: Runtime, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = runtime.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
