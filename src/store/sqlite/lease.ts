// Renewing a worker's lease from another thread, so that a worker whose event loop is blocked does not lose its jobs. It has a
// connection of its own, does everything at once, and may block its thread for the lock: give it a thread that has nothing
// else to do. It opens only a file that is a store already.
import { existsSync } from "node:fs";
import { StoreError, StoreLostError, UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { OpenLease, Renewal } from "../lease.ts";
import { configure } from "./open.ts";
import { Connection, lockWaitMs, pause } from "./connection.ts";
import { checkFile, checkVersion } from "./migrate.ts";
import { steps } from "./schema.ts";
import { asStoreError, isBusy } from "./trouble.ts";
import { renew } from "./workers.ts";

const scheme = "sqlite:";

/** What `Store.leaseUrl` says for this file. */
export function leaseUrlOf(path: string): string {
  return scheme + path;
}

function blocking<T>(action: () => T): T {
  const start = systemRuntime.elapsed();
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (!isBusy(error) || systemRuntime.elapsed() - start > lockWaitMs) throw error;
    }
    pause(systemRuntime.random());
  }
}

function renewOnce(db: Connection, worker: string, leaseUntil: () => number): Renewal {
  return db.transaction(() => {
    checkVersion(db, steps.length);
    return renew(db, worker, leaseUntil());
  });
}

/**
 * Opens a worker's lease by the store's `leaseUrl`. Everything is done before it returns; a call may block the thread for
 * as long as another program holds the lock, at most 30 s. Throws a StoreError when the file cannot be used.
 */
export function openSqliteLease(leaseUrl: string, worker: string, clock: Pick<Runtime, "now"> = systemRuntime): OpenLease {
  if (!leaseUrl.startsWith(scheme)) throw new UsageError(`"${leaseUrl}" is not the leaseUrl of a SQLite store.`);
  const path = leaseUrl.slice(scheme.length);
  const attempt = <T>(action: () => T): T => {
    try {
      return blocking(action);
    } catch (error) {
      throw asStoreError(error, path);
    }
  };
  // SQLite would make the file.
  if (!existsSync(path)) throw new StoreLostError(`The store ${path} was deleted while this program had it open.`);
  const db = attempt(() => new Connection(path));
  attempt(() => {
    if (checkFile(db, steps) < steps.length)
      throw new StoreError(`The store ${path} is not set up: open it with connect() first.`);
    // A lease need not survive the loss of power: no worker does.
    configure(db, "normal");
  });
  return {
    // The time is asked for under the lock, which may have been waited for.
    renew: async (leaseMs) => attempt(() => renewOnce(db, worker, () => clock.now() + leaseMs)),
    close: async () => db.close(),
  };
}
