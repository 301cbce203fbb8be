// manyhands on a server: connect(url), and everything by default.
import { manyhands } from "../manyhands.ts";
import type { Numbered, OpenFleet } from "./contract.ts";
import { behave, job } from "./tasks.ts";

export const open: OpenFleet = async (url) => {
  const hands = await manyhands.connect(url);
  return {
    add: (n) => hands.submit(job, { n }).submitted,
    addMany: (from, size) => Promise.all(Array.from({ length: size }, (_, i) => hands.submit(job, { n: from + i }).submitted)),
    result: (n) => hands.submit(job, { n }),
    unfinished: () => hands.count({ states: ["ready", "running"] }),
    results: async () => {
      const jobs = await hands.jobs({ states: ["done"], limit: 100_000 });
      return jobs.map(({ result }) => result as Numbered);
    },
    work: async (run) => {
      behave(run);
      const worker = hands.work({ tasks: [job] });
      await worker.ready;
      return worker;
    },
    close: () => hands.close(),
  };
};
