// A worker's lease as another thread holds it: with a connection of its own, so that a worker whose event loop is blocked does not
// lose its jobs.
import { UsageError } from "../core/errors.ts";

/** What a worker learns when it renews its lease. */
export interface Renewal {
  /** False when it was taken for lost. */
  readonly alive: boolean;
  /** Its running jobs that someone wants cancelled. */
  readonly cancels: readonly string[];
  /** Someone asked it to stop. */
  readonly drain: boolean;
}

/** A lease opened by its URL. */
export interface OpenLease {
  /** Makes the lease last for `leaseMs` from now, by the store's clock. Rejects with a StoreError when the store cannot be written. */
  renew(leaseMs: number): Promise<Renewal>;
  close(): Promise<void>;
}

/** Opens a worker's lease by the store's `leaseUrl`. Rejects with a StoreError when the store cannot be used. */
export async function openLease(leaseUrl: string, worker: string): Promise<OpenLease> {
  const scheme = /^[a-z]+(?=:)/.exec(leaseUrl)?.[0] ?? "";
  if (scheme === "sqlite") return (await import("./sqlite/lease.ts")).openSqliteLease(leaseUrl, worker);
  if (/^postgres(ql)?$/.test(scheme)) return (await import("./postgres/lease.ts")).openPostgresLease(leaseUrl, worker);
  if (/^(redis|valkey)s?$/.test(scheme)) return (await import("./redis/lease.ts")).openRedisLease(leaseUrl, worker);
  // The rest may hold a password.
  throw new UsageError(`No store has leases by the scheme "${scheme}".`);
}
