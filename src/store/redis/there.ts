// Whether there is a store. A name needs no making on Redis, so this is whether anything was ever kept under it.
import type { Runtime } from "../../core/runtime.ts";
import { Link } from "./link.ts";
import { parseRedisUrl } from "./url.ts";

/** True when there is a store at this URL. Rejects as opening it would. */
export async function isRedisStore(url: string, runtime: Runtime): Promise<boolean> {
  const link = await Link.open(parseRedisUrl(url), { runtime, unavailableAfterMs: 0 });
  try {
    const prefix = `{${link.target.name}}:`;
    return (await link.ask<number>("EXISTS", ...["meta", "paused", "worker"].map((key) => prefix + key))) > 0;
  } finally {
    await link.close();
  }
}
