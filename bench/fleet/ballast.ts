// The rate of a worker on a store full of queued and finished jobs, against the same on a small store of the same server.
import { peer } from "../pools/contract.ts";
import type { Figures } from "../row.ts";
import { median } from "../statistics.ts";
import type { Contender, Fleet } from "./contract.ts";
import { openFleet } from "./open.ts";
import type { Sizes } from "./works.ts";
import { addInBulks, drainOnce } from "./works.ts";
import { awaitStarts, WorkerProcess } from "./workers.ts";

const turns = 5;
const smallJobs = 10_000;
const warmJobs = 2000;
// A worker goes on until it hears that it should stop, so a store needs about twice as many queued in all turns.
const timedJobs = 7500;

interface PostgresClient {
  connect(): Promise<void>;
  query(sql: string): Promise<unknown>;
  end(): Promise<void>;
}

/** The URL of another, empty database on the same server. */
async function otherDatabase(url: string, number: number): Promise<string> {
  const other = new URL(url);
  other.pathname = `/${number}`;
  if (url.startsWith("redis")) return other.href;
  const { default: pg } = await peer<{
    default: { readonly Client: new (options: { readonly connectionString: string }) => PostgresClient };
  }>("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE "${number}"`);
  await client.end();
  return other.href;
}

/** Fills a store with finished jobs, which a worker really did, and as many queued. */
async function fill(contender: Contender, jobs: number): Promise<Fleet> {
  const fleet = await openFleet(contender);
  const worker = await WorkerProcess.start(contender, "echo");
  await drainOnce(fleet, [worker], 0, jobs);
  await worker.kill();
  await addInBulks(fleet, jobs, jobs);
  return fleet;
}

/** The rate of a new process, which is as warm on the one store as on the other, over the same number of jobs. */
async function rate(contender: Contender): Promise<number> {
  const worker = await WorkerProcess.start(contender, "echo");
  let began = Number.NaN;
  let firstSeen = 0;
  let perSecond = Number.NaN;
  const started = awaitStarts([worker], warmJobs + timedJobs, (seen) => {
    if (seen < warmJobs) return;
    if (Number.isNaN(began)) {
      began = performance.now();
      firstSeen = seen;
    }
    perSecond = ((seen - firstSeen) / (performance.now() - began)) * 1000;
  });
  void worker.work();
  await started;
  const found = perSecond;
  await worker.stop();
  await worker.kill();
  return found;
}

/** The rate with `count` queued and `count` finished jobs, against 10,000 of each; both in turn, five times. */
export async function ballast(contender: Contender, { count }: Sizes): Promise<Figures> {
  const large = await fill(contender, count);
  const smallRates: number[] = [];
  const largeRates: number[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    const other = { ...contender, url: await otherDatabase(contender.url, turn) };
    const small = await fill(other, smallJobs);
    smallRates.push(await rate(other));
    await small.close();
    largeRates.push(await rate(contender));
  }
  await large.close();
  return {
    share: median(largeRates.map((found, turn) => found / (smallRates[turn] ?? Number.NaN))) * 100,
    largePerSecond: median(largeRates),
    smallPerSecond: median(smallRates),
  };
}
