// The end of a run: waits until nothing lives any more, and reads everything that is stored.
import { setTimeout as delay } from "node:timers/promises";
import type { Job } from "../../src/store/job.ts";
import type { Store } from "../../src/store/store.ts";
import { isFinal, liveStates } from "../../src/task/state.ts";

const pageRows = 5000;
const pollMs = 100;
const tracedOneIn = 10;

/** Waits until every job has ended, for so long at most. What is alive then is the checker's to tell. Calls `nudge` every second or so. */
export async function drain(
  store: Store,
  limitMs: number,
  trace: (line: string) => void,
  nudge: () => Promise<void>,
): Promise<readonly Job[]> {
  const deadline = performance.now() + limitMs;
  for (let looks = 0; ;) {
    for (;;) {
      const live = await store.count({ states: liveStates });
      if (looks++ % tracedOneIn === 0) {
        trace(`${live} jobs live`);
        await nudge();
      }
      if (live === 0 || performance.now() > deadline) break;
      await delay(pollMs);
    }
    const jobs = await readAll(store);
    // A submit nobody waits for any more may have arrived between the two.
    if (jobs.every(({ state }) => isFinal(state)) || performance.now() > deadline) return jobs;
  }
}

async function readAll(store: Store): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  for (;;) {
    const before = jobs.at(-1)?.id;
    const page = await store.list({}, { limit: pageRows, ...(before !== undefined && { before }) });
    jobs.push(...page);
    if (page.length < pageRows) return jobs;
  }
}
