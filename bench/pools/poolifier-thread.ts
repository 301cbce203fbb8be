// poolifier's worker in a thread.
import { peer } from "./contract.ts";
import { functions } from "./functions.ts";

const { ThreadWorker } = await peer<{ ThreadWorker: new (tasks: typeof functions) => unknown }>("poolifier");

/** The worker that poolifier talks to. */
export const worker: unknown = new ThreadWorker(functions);
