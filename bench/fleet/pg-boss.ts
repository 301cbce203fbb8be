// pg-boss. It keeps a job that is done, with its output.
import { peer } from "../pools/contract.ts";
import type { Numbered, OpenFleet } from "./contract.ts";

interface Job {
  readonly id: string;
  readonly data: Numbered;
}

interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  createQueue(name: string, options: { readonly notify: boolean }): Promise<void>;
  send(name: string, data: Numbered): Promise<unknown>;
  insert(name: string, jobs: readonly { readonly data: Numbered }[]): Promise<unknown>;
  work(name: string, options: unknown, run: (jobs: readonly Job[]) => Promise<unknown>): Promise<string>;
  offWork(name: string): Promise<void>;
  getDb(): { executeSql(sql: string): Promise<{ readonly rows: readonly unknown[] }> };
  stop(options: { readonly graceful: false }): Promise<void>;
}

const { PgBoss } = await peer<{ PgBoss: new (options: Readonly<Record<string, unknown>>) => Boss }>("pg-boss");

/** `work`: options of its work(); `notify`: wake workers by NOTIFY; `connections`: of its pool, default its own. */
export const open: OpenFleet = async (url, { connections = 10, notify = false, work = {} }) => {
  const boss = new PgBoss({ connectionString: url, max: connections, useListenNotify: notify });
  boss.on("error", (error) => console.error(`pg-boss error: ${error.message}`));
  await boss.start();
  await boss.createQueue("job", { notify: notify as boolean });
  const rows = async (sql: string): Promise<readonly unknown[]> => (await boss.getDb().executeSql(sql)).rows;
  return {
    add: (n) => boss.send("job", { n }),
    addMany: (from, size) =>
      boss.insert(
        "job",
        Array.from({ length: size }, (_, i) => ({ data: { n: from + i } })),
      ),
    unfinished: async () => {
      const found = await rows("SELECT count(*)::int AS n FROM pgboss.job WHERE name = 'job' AND state < 'completed'");
      return (found[0] as Numbered).n;
    },
    results: async () => {
      const found = await rows("SELECT output FROM pgboss.job WHERE name = 'job' AND state = 'completed'");
      return found.map((row) => (row as { readonly output: Numbered }).output);
    },
    work: async (run) => {
      // Each job of a batch gets the result of its own.
      const options = { ...(work as object), perJobResults: true };
      await boss.work("job", options, (jobs) =>
        Promise.all(jobs.map(async ({ id, data }) => ({ id, status: "completed", output: await run(data.n) }))),
      );
      return { stop: () => boss.offWork("job") };
    },
    close: () => boss.stop({ graceful: false }),
  };
};
