// Renewing a worker's lease from another thread, with a connection of its own, so that a worker whose event loop is blocked does not
// lose its jobs. The lease lasts from when the server writes it, by the server's clock.
import { StoreError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { OpenLease, Renewal } from "../lease.ts";
import { ConnectionLost } from "./connection.ts";
import { Link } from "./link.ts";
import { look, steps } from "./migrate.ts";
import { quoted } from "./text.ts";
import { asStoreError } from "./trouble.ts";
import { placeOf } from "./url.ts";
import { renew } from "./workers.ts";

const unavailableAfterMs = 30_000;

/** Opens a worker's lease by the store's `leaseUrl`. Rejects with a StoreError when the store cannot be used. */
export async function openPostgresLease(leaseUrl: string, worker: string, runtime: Runtime = systemRuntime): Promise<OpenLease> {
  const place = placeOf(leaseUrl);
  const ground = { schema: quoted(place.schema) };
  const link = new Link({
    place,
    runtime,
    unavailableAfterMs,
    prepare: async (connection) => {
      const { layout } = await look(connection, place);
      if (layout < steps.length)
        throw new StoreError(`The store on ${place.location} is not set up: open it with connect() first.`);
    },
  });
  await link.open();
  const renewOnce = async (leaseMs: number, until: number): Promise<Renewal> => {
    for (;;) {
      const connection = await link.get(until);
      try {
        return (await renew(ground, connection, worker, { leaseMs })).renewal;
      } catch (error) {
        // A lease may be renewed as often as one likes.
        if (!(error instanceof ConnectionLost)) throw asStoreError(error, place);
      }
    }
  };
  return {
    renew: (leaseMs) => renewOnce(leaseMs, runtime.elapsed() + unavailableAfterMs),
    close: () => link.close(),
  };
}
