// Renewing a worker's lease from another thread, so that a worker whose event loop is blocked does not lose its jobs. It has a
// connection of its own, and goes by the server's clock: the script reads it, so it matters neither how long the question was under way
// nor what this machine's clock says.
import type { Runtime } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { OpenLease } from "../lease.ts";
import { Link } from "./link.ts";
import type { RenewReply } from "./replies.ts";
import { toRenewal } from "./replies.ts";
import { scripts } from "./scripts.ts";
import { toField } from "./field.ts";
import { parseRedisUrl } from "./url.ts";

/** A renewal that waited longer than this is of no use: the next one is due. */
const renewWithinMs = 10_000;

/** Opens a worker's lease by the store's `leaseUrl`. Rejects with a StoreError when the server cannot be used. */
export async function openRedisLease(leaseUrl: string, worker: string, runtime: Runtime = systemRuntime): Promise<OpenLease> {
  const link = await Link.open(parseRedisUrl(leaseUrl), { runtime, unavailableAfterMs: renewWithinMs });
  return {
    renew: async (leaseMs) => toRenewal(await link.run<RenewReply>(scripts.renew, [toField(worker), `+${leaseMs}`], "always")),
    close: () => link.close(),
  };
}
