// From a URL to a store.
import { resolve } from "node:path";
import { UsageError } from "../core/errors.ts";
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
  /** Clock, timers, randomness and ids; for tests. */
  readonly runtime: Runtime;
}

const later: Readonly<Record<string, string>> = {
  postgres: "PostgreSQL",
  postgresql: "PostgreSQL",
  redis: "Redis",
  rediss: "Redis",
  valkey: "Valkey",
};

/** Opens the store a URL names. Rejects with UsageError for an unknown scheme, with StoreError when it cannot be opened. */
export async function openStore(url: string, options: OpenOptions): Promise<Store> {
  const { durability, runtime } = options;
  if (durability !== undefined && durability !== "full" && durability !== "normal") {
    throw new UsageError(`durability must be "full" or "normal", found ${show(durability)}.`);
  }
  const scheme = /^([a-z]+):/.exec(url)?.[1];
  if (scheme === "memory") {
    if (url === "memory:") return memoryStore({ runtime });
    throw new UsageError(`A memory store has no name and is this program's own: use "memory:", not ${show(url)}.`);
  }
  if (scheme === "sqlite") {
    const path = url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "");
    if (path === "") throw new UsageError('A SQLite store needs a file: "sqlite:path/to/file.db".');
    const parameters = /\?\w+=.*$/.exec(path)?.[0];
    if (parameters)
      throw new UsageError(
        `The URL of a SQLite store takes no parameters, found ${show(parameters)}. Use connect(url, options).`,
      );
    return sqliteStore(resolve(path), { runtime, ...(durability && { durability }) });
  }
  if (scheme !== undefined && Object.hasOwn(later, scheme)) {
    throw new UsageError(
      `This version of manyhands has no ${later[scheme]} store. Use "sqlite:path" for one machine, or "memory:" for one program.`,
    );
  }
  throw new UsageError(
    `${show(url)} names no store. Use "sqlite:path", or "memory:". ${scheme ? didYouMean(scheme, ["sqlite", "memory"]) : ""}`.trim(),
  );
}
