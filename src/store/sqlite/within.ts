// Adding jobs within the caller's own transaction, on his own connection to the same file: they exist exactly if his rows do.
// Nobody tells us of his commit, so it is looked for, ever less often, and then the bell is rung; who listens for nothing more
// than that may start a job a little later.
import { realpathSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import type { NewJob } from "../job.ts";
import type { Added } from "../store.ts";
import { add } from "./add.ts";
import { noEffects } from "./commits.ts";
import { Connection } from "./connection.ts";
import { recordEndings } from "./endings.ts";
import { stampEvents } from "./events.ts";
import { checkVersion } from "./migrate.ts";

const longestWaitMs = 500;
const mostLookedForMs = 600_000;

const connections = new WeakMap<DatabaseSync, Connection>();

function connectionOf(tx: unknown, path: string): Connection {
  if (!(tx instanceof DatabaseSync)) {
    throw new UsageError(
      `submit() tx must be the DatabaseSync of node:sqlite on which your transaction is open, found ${show(tx)}.`,
    );
  }
  const location = tx.location();
  if (location === null || realpathSync(location) !== realpathSync(path)) {
    throw new UsageError(
      `submit() tx is a connection to ${location ?? "a database in memory"}, but this store is ${path}. ` +
        "A job can only be part of a transaction on the store's own file: keep your tables there.",
    );
  }
  if (!tx.isTransaction) throw new UsageError('submit() tx has no open transaction. Run "BEGIN IMMEDIATE" on it first.');
  let connection = connections.get(tx);
  if (!connection) connections.set(tx, (connection = new Connection(path, tx)));
  return connection;
}

/** What adding needs of the store. */
export interface Within {
  readonly path: string;
  readonly version: number;
  readonly runtime: Runtime;
  /** One job of each transaction whose commit is looked for. */
  readonly awaited: Set<string>;
  /** Those of these jobs that are committed. */
  stored(ids: readonly string[]): readonly { readonly id: string }[];
  /** Called after his commit. */
  committed(): void;
}

/** Adds the jobs; see `Store.addIn`. */
export function addWithin(store: Within, tx: unknown, jobs: readonly NewJob[], now: number): readonly Added[] {
  const db = connectionOf(tx, store.path);
  const effects = noEffects();
  db.run("SAVEPOINT manyhands");
  let added: readonly Added[];
  try {
    checkVersion(db, store.version);
    stampEvents(db, store.runtime.now());
    added = add(db, effects, jobs, now);
    recordEndings(db, effects);
  } catch (error) {
    db.run("ROLLBACK TO manyhands");
    db.run("RELEASE manyhands");
    throw error;
  }
  db.run("RELEASE manyhands");
  const first = added.find(({ existing }) => existing === null);
  // One look is for all that is awaited, however many jobs a transaction has.
  if (first && store.awaited.add(first.id).size === 1) void lookForCommits(store);
  return added;
}

/** Ends when all are there, when the store is closed, or when the rest have been away for so long that they were rolled back. */
async function lookForCommits(store: Within): Promise<void> {
  const { runtime, awaited } = store;
  let since = runtime.elapsed();
  for (
    let waitMs = 1;
    awaited.size > 0 && runtime.elapsed() - since < mostLookedForMs;
    waitMs = Math.min(longestWaitMs, waitMs * 1.5)
  ) {
    const before = awaited.size;
    await new Promise<void>((resolve) => runtime.after(waitMs, resolve, { background: true }));
    if (awaited.size > before) [waitMs, since] = [1, runtime.elapsed()];
    try {
      const stored = store.stored([...awaited]);
      for (const { id } of stored) awaited.delete(id);
      if (stored.length > 0) store.committed();
    } catch {
      // The store is closed or lost: nobody is left to be woken by it.
      break;
    }
  }
  awaited.clear();
}
