// A store is moved when nothing goes on in it: a job that runs would end in the one store and be taken for lost in the other. Nor may
// anything go on in the destination: a job that was done and deleted there cannot be told from one that was not copied yet.
import { StoreError } from "../../core/errors.ts";
import { sleep } from "../../core/runtime.ts";
import { withoutPassword } from "../../core/redact.ts";
import type { Store, StoredWorker } from "../../store/store.ts";
import type { Cli } from "../command.ts";
import { plural } from "../table.ts";

const tendRows = 1000;
const askAgainMs = 200;
const mostListed = 5;

/** The live workers of a store, after the jobs of dead ones were taken back. */
export async function liveWorkers(store: Store): Promise<readonly StoredWorker[]> {
  for (let isBusy = true; isBusy;) {
    const { recovered, pruned } = await store.tend(store.now(), tendRows);
    isBusy = recovered + pruned > 0;
  }
  return store.workers();
}

function runningOn(workers: readonly StoredWorker[]): string {
  const running = workers.reduce((sum, worker) => sum + worker.running, 0);
  return `${plural(workers.length, "live worker")} with ${plural(running, "running job")}`;
}

/** The error for a store on which workers live. */
export function stillWorking(url: string, workers: readonly StoredWorker[]): StoreError {
  const some = workers.slice(0, mostListed);
  const listed = some.map(({ id, host, pid, running }) => `${id} (process ${pid} on ${host}, ${running} running)`);
  const [more, others] = workers.length > some.length ? [`, and ${workers.length - some.length} more`, " …"] : ["", ""];
  const shown = withoutPassword(url);
  return new StoreError(
    `The store ${shown} has ${runningOn(workers)}: ${listed.join(", ")}${more}. Nothing was moved. End them with ` +
      `"manyhands drain ${some.map(({ id }) => id).join(" ")}${others} --wait --store ${shown}", or add --wait and end them in your way.`,
  );
}

/** Waits until no worker lives on any of these stores; false when it was stopped before. */
export async function untilQuiet({ output, runtime }: Cli, stores: readonly Store[], isStopped: () => boolean): Promise<boolean> {
  let told = "";
  while (!isStopped()) {
    const workers = (await Promise.all(stores.map(liveWorkers))).flat();
    if (workers.length === 0) {
      output.status("");
      return true;
    }
    const text = `waiting for ${runningOn(workers)} to end`;
    if (output.canShowStatus) output.status(text);
    else if (text !== told) output.note(text);
    told = text;
    await sleep(runtime, askAgainMs);
  }
  output.status("");
  return false;
}
