// All jobs of a store, a part at a time. The next part is read while one is worked on.
import type { StoredJob } from "../../store/job.ts";
import type { Store } from "../../store/store.ts";

const mostJobs = 1000;

/** The jobs of a store in the order they were added. */
export async function* partsOf(store: Store): AsyncGenerator<readonly StoredJob[]> {
  let coming = store.dump(null, mostJobs);
  for (;;) {
    const { jobs, next } = await coming;
    if (next !== null) {
      coming = store.dump(next, mostJobs);
      // Whoever stops before it is there does not care.
      coming.catch(() => undefined);
    }
    yield jobs;
    if (next === null) return;
  }
}
