// BullMQ. It keeps a job that is done, with what it returned, unless told otherwise.
import { peer } from "../pools/contract.ts";
import type { Numbered, OpenFleet } from "./contract.ts";

interface Job {
  readonly data: Numbered;
  readonly returnvalue: Numbered;
  waitUntilFinished(events: Events): Promise<unknown>;
}

interface Queue {
  add(name: string, data: Numbered): Promise<Job>;
  addBulk(jobs: readonly { readonly name: string; readonly data: Numbered }[]): Promise<unknown>;
  getJobCountByTypes(...types: string[]): Promise<number>;
  getCompleted(start: number, end: number): Promise<readonly Job[]>;
  close(): Promise<void>;
}

interface Events {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface Worker {
  on(event: "error", listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface Options {
  readonly connection: Readonly<Record<string, unknown>>;
}

interface Library {
  readonly Queue: new (name: string, options: Options) => Queue;
  readonly QueueEvents: new (name: string, options: Options) => Events;
  readonly Worker: new (name: string, run: (job: Job) => Promise<unknown>, options: Options & Record<string, unknown>) => Worker;
}

const library = await peer<Library>("bullmq");

/** `worker`: options of its Worker; `pipelining`: ioredis gathers what is sent in one turn. */
export const open: OpenFleet = async (url, { worker = {}, pipelining = false }) => {
  const { hostname: host, port, pathname } = new URL(url);
  const db = Number(pathname.slice(1));
  const connection = { host, port: Number(port), db, maxRetriesPerRequest: null, enableAutoPipelining: pipelining };
  const queue = new library.Queue("job", { connection });
  let events: Events | undefined;
  return {
    add: (n) => queue.add("job", { n }),
    addMany: (from, size) => queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: "job", data: { n: from + i } }))),
    result: async (n) => {
      events ??= new library.QueueEvents("job", { connection });
      await events.waitUntilReady();
      const job = await queue.add("job", { n });
      return job.waitUntilFinished(events);
    },
    unfinished: () => queue.getJobCountByTypes("waiting", "active", "prioritized", "paused"),
    results: async () => {
      const found: Numbered[] = [];
      for (let from = 0, size = 5000; size === 5000; from += 5000) {
        const jobs = await queue.getCompleted(from, from + 4999);
        found.push(...jobs.map(({ returnvalue }) => returnvalue));
        size = jobs.length;
      }
      return found;
    },
    work: async (run) => {
      const started = new library.Worker("job", async ({ data }) => run(data.n), { connection, ...(worker as object) });
      started.on("error", (error) => console.error(`BullMQ error: ${error.message}`));
      await started.waitUntilReady();
      return { stop: () => started.close() };
    },
    close: async () => {
      await events?.close();
      await queue.close();
    },
  };
};
