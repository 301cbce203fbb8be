// From a URL to a store.
import { resolve } from "node:path";
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { notShown, withoutPassword } from "../core/redact.ts";
import type { Runtime } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { didYouMean } from "../core/suggest.ts";
import { memoryStore } from "../store/memory/store.ts";
import { sqliteStore } from "../store/sqlite/store.ts";
import type { Store } from "../store/store.ts";

/** How a store is opened. */
export interface OpenOptions {
  /**
   * What an acknowledged job survives in a SQLite store. `"full"` (default): loss of power, at the price of one flush of the disk
   * for each commit. `"normal"`: the death of every process, but the last commits may be lost with the power.
   */
  readonly durability?: "full" | "normal";
  /**
   * How long what is asked of a store's server waits for a server that cannot be reached, before it rejects with StoreUnavailable.
   * Default `"30s"`. Connecting itself does not wait.
   */
  readonly unavailableAfter?: Duration;
  /** Clock, timers, randomness and ids; for tests. */
  readonly runtime: Runtime;
}

const schemes = ["sqlite", "postgres", "postgresql", "redis", "rediss", "valkey", "valkeys", "memory"];

function openMemory(url: string, runtime: Runtime): Store {
  if (url === "memory:") return memoryStore({ runtime });
  throw new UsageError(`A memory store has no name and is this program's own: use "memory:", not ${show(withoutPassword(url))}.`);
}

function openSqlite(url: string, { durability, runtime }: OpenOptions): Promise<Store> {
  const path = url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "");
  if (path === "") throw new UsageError('A SQLite store needs a file: "sqlite:path/to/file.db".');
  const parameters = /\?\w+=.*$/.exec(withoutPassword(url))?.[0];
  if (parameters) {
    throw new UsageError(`The URL of a SQLite store takes no parameters, found ${show(parameters)}. Use connect(url, options).`);
  }
  return sqliteStore(resolve(path), { runtime, ...(durability && { durability }) });
}

/** Opens the store a URL names. Rejects with UsageError for an unknown scheme, with StoreError when it cannot be opened. */
export async function openStore(url: string, options: OpenOptions): Promise<Store> {
  const { durability, runtime } = options;
  if (durability !== undefined && durability !== "full" && durability !== "normal") {
    throw new UsageError(`durability must be "full" or "normal", found ${show(durability)}.`);
  }
  const unavailableAfterMs = toMs(options.unavailableAfter ?? "30s", "connect() unavailableAfter");
  const scheme = /^([a-z]+):/.exec(url)?.[1];
  switch (scheme) {
    case "memory":
      return openMemory(url, runtime);
    case "sqlite":
      return openSqlite(url, options);
    // Loaded only where they are used: their clients are optional.
    case "postgres":
    case "postgresql":
      return (await import("../store/postgres/store.ts")).postgresStore(url, { runtime, unavailableAfterMs });
    case "redis":
    case "rediss":
    case "valkey":
    case "valkeys":
      return (await import("../store/redis/store.ts")).redisStore(url, { runtime, unavailableAfterMs });
  }
  const shown = withoutPassword(url);
  const found = shown === notShown ? `The store's URL ${shown}` : show(shown);
  throw new UsageError(
    `${found} names no store. Use "sqlite:path", "postgres://…", "redis://…", or "memory:". ${scheme ? didYouMean(scheme, schemes) : ""}`.trim(),
  );
}
