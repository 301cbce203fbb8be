// Whether there is a store, for those who must not make one by opening it.
import type { Runtime } from "../../core/runtime.ts";
import { Link } from "./link.ts";
import { look } from "./migrate.ts";
import { placeOf } from "./url.ts";

/** For so long a server that is starting is waited for. */
const unavailableAfterMs = 30_000;

/** True when there is a store at this URL. Makes nothing. Rejects as opening it would. */
export async function isPostgresStore(url: string, runtime: Runtime): Promise<boolean> {
  const place = placeOf(url);
  let layout = 0;
  const link = new Link({
    place,
    runtime,
    unavailableAfterMs,
    prepare: async (connection) => {
      ({ layout } = await look(connection, place));
    },
  });
  try {
    await link.open();
    return layout > 0;
  } finally {
    await link.close();
  }
}
