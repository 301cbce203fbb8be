// The servers of one test run. Each test file finds them by environment variable and works in a schema or under a prefix of
// its own, so that files can run at the same time.
import { installServers } from "./install.ts";
import { findPostgres, startPostgres } from "./postgres.ts";
import { findRedis, startRedis } from "./redis.ts";

export const postgresVariable = "MANYHANDS_TEST_POSTGRES";
export const redisVariable = "MANYHANDS_TEST_REDIS";

export interface TestServers {
  /** What the tests' environment must say. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts what is not named by the environment. Where there is no server and none can be installed, the tests say what becomes of them. */
export async function startServers(): Promise<TestServers> {
  const needs = { postgres: !process.env[postgresVariable], redis: !process.env[redisVariable] };
  installServers(needs);
  const postgres = needs.postgres && findPostgres() !== undefined ? await startPostgres({ fsync: false }) : undefined;
  const redis = needs.redis && findRedis() !== undefined ? await startRedis() : undefined;
  return {
    environment: { ...(postgres && { [postgresVariable]: postgres.url }), ...(redis && { [redisVariable]: redis.url }) },
    close: async () => {
      await Promise.all([postgres?.close(), redis?.close()]);
    },
  };
}
