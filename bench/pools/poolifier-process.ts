// poolifier's worker in a child process.
import { peer } from "./contract.ts";
import { functions } from "./functions.ts";

const { ClusterWorker } = await peer<{ ClusterWorker: new (tasks: typeof functions) => unknown }>("poolifier");

/** The worker that poolifier talks to. */
export const worker: unknown = new ClusterWorker(functions);
