// The two stores of a move. A source that is not there must not be made by opening it, and both must not be one store under two
// names: then everything would agree, and the source be deleted.
import { hostname } from "node:os";
import { StoreError, UsageError } from "../../core/errors.ts";
import { withoutPassword } from "../../core/redact.ts";
import type { Runtime } from "../../core/runtime.ts";
import { openStore } from "../../fleet/open.ts";
import type { Store } from "../../store/store.ts";
import { isThere, storeFile } from "../store.ts";

const probeMs = 30_000;

function oneStore(to: string): UsageError {
  return new UsageError(`--from and --to name one store: ${withoutPassword(to)}. Give another one as --to.`);
}

/** Refuses URLs of which it is plain that they will not do. */
export function checkUrls(from: string, to: string): void {
  for (const url of [from, to]) {
    if (url.startsWith("memory:")) {
      throw new UsageError('A "memory:" store ends with the program that made it, so nothing can be moved from or to it.');
    }
  }
  const file = storeFile(from);
  if (from === to || (file !== undefined && file === storeFile(to))) throw oneStore(to);
}

/** Opens the store to move from. Rejects with a StoreError when there is none. */
export async function openSource(url: string, runtime: Runtime): Promise<Store> {
  if (await isThere(url, runtime)) return openStore(url, { runtime });
  throw new StoreError(`There is no store to move from at ${withoutPassword(url)}. Check --from.`);
}

/** Opens the store to move to, and makes it when there is none. Rejects with a UsageError when it is the source. */
export async function openDestination(url: string, source: Store, runtime: Runtime): Promise<Store> {
  const store = await openStore(url, { runtime });
  try {
    if (await areOne(source, store, runtime)) throw oneStore(url);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** True when what is written to the one is seen in the other. URLs do not tell: a server has many names, and a file many paths. */
async function areOne(source: Store, destination: Store, runtime: Runtime): Promise<boolean> {
  const now = destination.now();
  const probe = { id: `move-${runtime.id()}`, host: hostname(), pid: process.pid, queues: [], tasks: [], startedAt: now };
  await destination.join(probe, now + probeMs);
  try {
    return (await source.workers()).some(({ id }) => id === probe.id);
  } finally {
    await destination.leave(probe.id, now);
  }
}
