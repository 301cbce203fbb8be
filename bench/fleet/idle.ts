// What a worker with nothing to do costs: its own CPU, and what it asks its server.
import { setTimeout as wait } from "node:timers/promises";
import { peer } from "../pools/contract.ts";
import type { Figures } from "../row.ts";
import type { Contender } from "./contract.ts";
import { openFleet } from "./open.ts";
import type { Sizes } from "./works.ts";
import { addInBulks } from "./works.ts";
import { awaitStarts, WorkerProcess } from "./workers.ts";

/** Counts what a server is asked, this counter left out. */
interface Counter {
  begin(): Promise<void>;
  end(): Promise<number>;
}

interface PostgresClient {
  connect(): Promise<void>;
  query(sql: string): Promise<{ readonly rows: readonly { readonly n: number }[] }>;
  end(): Promise<void>;
}

/** Statements by pg_stat_statements; what a function does inside is its own affair. */
async function postgresCounter(url: string): Promise<Counter> {
  const { default: pg } = await peer<{
    default: { readonly Client: new (options: { readonly connectionString: string }) => PostgresClient };
  }>("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  const read = "SELECT coalesce(sum(calls), 0)::int AS n FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'";
  return {
    begin: async () => void (await client.query("SELECT pg_stat_statements_reset()")),
    end: async () => {
      const { rows } = await client.query(read);
      await client.end();
      return rows[0]?.n ?? Number.NaN;
    },
  };
}

interface RedisMonitor {
  on(event: "monitor", listener: (time: string, args: readonly string[], source: string) => void): void;
  disconnect(): void;
}

interface RedisClient {
  monitor(): Promise<RedisMonitor>;
  disconnect(): void;
}

/** Commands by MONITOR; what a script does inside is its own affair. */
async function redisCounter(url: string): Promise<Counter> {
  const { Redis } = await peer<{ Redis: new (url: string) => RedisClient }>("ioredis");
  const client = new Redis(url);
  let count = 0;
  let monitor: RedisMonitor | undefined;
  return {
    begin: async () => {
      monitor = await client.monitor();
      monitor.on("monitor", (_time, _args, source) => {
        if (source !== "lua") count += 1;
      });
    },
    end: () => {
      monitor?.disconnect();
      client.disconnect();
      return Promise.resolve(count);
    },
  };
}

const settleMs = 3000;

/** Starts a worker, lets it do `count` jobs and come to rest, then watches it for `seconds`. */
export async function idle(contender: Contender, { count, seconds = 20 }: Sizes): Promise<Figures> {
  const fleet = await openFleet(contender);
  const worker = await WorkerProcess.start(contender, "echo");
  const done = awaitStarts([worker], count);
  await worker.work();
  await addInBulks(fleet, 0, count);
  await done;
  // The submitter would ask the server, too.
  await fleet.close();
  await wait(settleMs);
  const counter = await (contender.url.startsWith("redis") ? redisCounter : postgresCounter)(contender.url);
  await counter.begin();
  const idlePercent = await worker.cpu(seconds);
  const queries = await counter.end();
  await worker.kill();
  return { idlePercent, queriesPerSecond: queries / seconds };
}
