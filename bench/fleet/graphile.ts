// graphile-worker. It deletes a job that is done and keeps no result.
import { peer } from "../pools/contract.ts";
import type { Numbered, OpenFleet } from "./contract.ts";

interface Pool {
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "connect", listener: (client: Pick<Pool, "on">) => void): void;
  query(sql: string): Promise<{ readonly rows: readonly { readonly n: number }[] }>;
  end(): Promise<void>;
}

interface Shared {
  readonly pgPool: Pool;
  readonly logger: unknown;
}

interface Library {
  makeWorkerUtils(options: Shared): Promise<{
    migrate(): Promise<void>;
    addJob(task: string, payload: Numbered): Promise<unknown>;
    addJobs(jobs: readonly { readonly identifier: string; readonly payload: Numbered }[]): Promise<unknown>;
    release(): Promise<void>;
  }>;
  run(
    options: Shared & {
      readonly noHandleSignals: true;
      readonly crontab: "";
      readonly preset: unknown;
      readonly taskList: Readonly<Record<string, (payload: Numbered) => unknown>>;
    },
  ): Promise<{ stop(): Promise<void> }>;
  readonly Logger: new (factory: () => (level: string, message: string) => void) => unknown;
}

const library = await peer<Library>("graphile-worker");
const { default: pg } = await peer<{
  default: { readonly Pool: new (options: { readonly connectionString: string; readonly max: number }) => Pool };
}>("pg");

// Errors only: it tells of every job that is done.
function complain(level: string, message: string): void {
  if (level === "error") console.error(`graphile-worker error: ${message}`);
}

/** `worker`: its settings by the names its preset has; `connections`: of its pool, default 10 as it has by itself. */
export const open: OpenFleet = async (url, { connections = 10, worker = {} }) => {
  const pgPool = new pg.Pool({ connectionString: url, max: connections as number });
  const hear = (error: Error): void => complain("error", error.message);
  pgPool.on("error", hear);
  pgPool.on("connect", (client) => client.on("error", hear));
  const logger = new library.Logger(() => complain);
  const utils = await library.makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  return {
    add: (n) => utils.addJob("job", { n }),
    addMany: (from, size) =>
      utils.addJobs(Array.from({ length: size }, (_, i) => ({ identifier: "job", payload: { n: from + i } }))),
    unfinished: async () => {
      const { rows } = await pgPool.query("SELECT count(*)::int AS n FROM graphile_worker._private_jobs");
      return rows[0]?.n ?? Number.NaN;
    },
    work: (run) =>
      library.run({
        pgPool,
        logger,
        noHandleSignals: true,
        crontab: "",
        preset: { worker },
        taskList: { job: ({ n }) => void run(n) },
      }),
    close: async () => {
      await utils.release();
      await pgPool.end();
    },
  };
};
