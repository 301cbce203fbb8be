// The entry to the fleet.
import { env } from "node:process";
import type { Duration } from "../core/durations.ts";
import { checkOptions } from "../core/suggest.ts";
import { UsageError } from "../core/errors.ts";
import { systemRuntime } from "../core/runtime.ts";
import type { Runtime } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { isWorker, unguardedEntry } from "../task/load.ts";
import { currentContext } from "../task/context.ts";
import type { Hands } from "./hands.ts";
import type { Middleware } from "./middleware/middleware.ts";

/** How to connect. */
export interface ConnectOptions {
  /**
   * What an acknowledged job survives in a SQLite store. `"full"` (default): loss of power; each commit waits for the disk.
   * `"normal"`: the death of every process, but the last commits may be lost with the power.
   */
  readonly durability?: "full" | "normal";
  /**
   * How long a submit, or anything else asked of a PostgreSQL or Redis store, waits for a server that cannot be reached before it
   * rejects with StoreUnavailable. Default `"30s"`. Connecting itself does not wait.
   */
  readonly unavailableAfter?: Duration;
  /**
   * Middleware, applied in this order and in reverse on the way back: around submits and attempts, listening, encrypting and more. What is
   * not used costs nothing.
   */
  readonly use?: readonly Middleware[];
  /** Clock, timers, randomness and ids; for tests. */
  readonly runtime?: Runtime;
}

/** The store used when neither `connect()` nor MANYHANDS_URL names one. */
export const defaultUrl = "sqlite:.manyhands/hands.db";

/**
 * Connects to a fleet through its store: `"memory:"` (this program only), `"sqlite:path"` (all programs of this machine),
 * `"postgres://user:password@host/database"` (with `npm install pg`) or `"redis://host"` (with `npm install ioredis`) for programs on any machine.
 * Without a URL: the environment variable MANYHANDS_URL, else `sqlite:.manyhands/hands.db` below the current folder.
 * Rejects with UsageError for a URL that names no store, with StoreError when the store cannot be opened.
 *
 * @example
 * await using hands = await connect();
 * hands.work({ tasks: [import("./tasks.ts")] });
 * const words = await hands.submit(total, files.map((file) => call(countWords, file)));
 */
export async function connect(url: string = env["MANYHANDS_URL"] ?? defaultUrl, options: ConnectOptions = {}): Promise<Hands> {
  if (typeof url !== "string") throw new UsageError(`connect() takes a URL such as "sqlite:path", found ${show(url)}.`);
  checkOptions(options, ["durability", "unavailableAfter", "use", "runtime"], "connect()");
  if (isWorker() && !currentContext()) throw unguardedEntry("connect()");
  const runtime = options.runtime ?? systemRuntime;
  // Loaded only by programs that connect: every thread of a pool loads this module along with its tasks, and starts sooner so.
  const [fleet, { openStore }] = await Promise.all([import("./hands.ts"), import("./open.ts")]);
  const { use, ...opening } = options;
  if (use === undefined) return new fleet.Hands(await openStore(url, { ...opening, runtime }), runtime);
  const [{ Hooks }, { wire }] = await Promise.all([import("./middleware/hooks.ts"), import("./middleware/wiring.ts")]);
  const hooks = new Hooks(use);
  const opened = await openStore(url, { ...opening, runtime });
  try {
    const [store, wiring] = await wire(opened, runtime, hooks);
    return new fleet.Hands(store, runtime, wiring);
  } catch (error) {
    await opened.close();
    throw error;
  }
}
