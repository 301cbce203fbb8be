// Reading what a job says while it runs, and after: its log, and the parts of its output, from the beginning whenever one begins.
import { RestartedError, StoreError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Job, StoredRecord } from "../store/job.ts";
import { isHeld } from "../store/machine.ts";
import type { Store } from "../store/store.ts";
import { decode } from "../task/codec.ts";
import { unsealed } from "../task/sealed.ts";
import { isFinal } from "../task/state.ts";
import { droppedRecord, logPrefix, readChunk } from "./job-log.ts";
import { partPrefix, partRecord } from "./job-output.ts";

/** A line a task has logged. */
export interface LogLine {
  /** In ms since 1970, by the store's clock. */
  readonly at: number;
  /** The attempt that logged it, from 1. */
  readonly attempt: number;
  readonly line: string;
}

/** The log of a job: its last lines, at most 1000 and 64 kB. */
export interface JobLines {
  readonly lines: readonly LogLine[];
  /** How many came before them and are gone. */
  readonly dropped: number;
}

const page = 100;
/** Where nobody tells of a part, it is looked for after this. */
const lookAgainMs = 1000;

/** Resolves when records may have been written or a job may have ended, or after a while. */
async function whenTold(store: Store, runtime: Runtime, look: () => Promise<boolean>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unwatch = store.watch((event) => {
    if (event === "written" || event === "ended") resolve();
  });
  const timer = runtime.after(lookAgainMs, resolve);
  const hold = runtime.hold();
  try {
    // What came before it was watched has not been told.
    if (!(await look())) await promise;
  } finally {
    unwatch();
    timer.cancel();
    hold.cancel();
  }
}

/** The job's log as it is now. */
export async function readLog(store: Store, id: string): Promise<JobLines> {
  const lines: LogLine[] = [];
  let dropped = 0;
  for (let after: string | undefined; ;) {
    const records: readonly StoredRecord[] = await store.records(id, logPrefix, page, ...(after === undefined ? [] : [after]));
    for (const { name, text } of records) {
      const chunk = name === droppedRecord ? undefined : readChunk(unsealed(text));
      if (name === droppedRecord) dropped = Number(text) || 0;
      for (const [at, line] of chunk?.lines ?? []) lines.push({ at, attempt: chunk?.attempt ?? 0, line });
    }
    if (records.length < page) return { lines, dropped };
    after = records.at(-1)?.name;
  }
}

async function jobOf(store: Store, id: string): Promise<Job> {
  const [job] = await store.get([id]);
  if (job) return job;
  throw new StoreError(`Job ${id} is not stored, so its parts cannot be read. It was removed, or its "keep" was over.`);
}

/** The claim whose parts are the job's; of one that waits, the next, since what those before it gave is void. */
function fenceOf(job: Job): number {
  return isFinal(job.state) || isHeld(job) ? job.fence : job.fence + 1;
}

/** The parts of a job's output, also those to come; it is over when the job has ended, however that was. */
export async function* readParts(
  store: Store,
  runtime: Runtime,
  id: string,
  restarted: (() => void) | undefined,
): AsyncGenerator<unknown, void> {
  let fence = 0;
  let after = "";
  let hasRead = false;
  const restart = (next: number): void => {
    if (hasRead && !restarted) throw new RestartedError(id);
    if (hasRead) restarted?.();
    hasRead = false;
    fence = next;
    after = partRecord(next);
  };
  for (;;) {
    const job = await jobOf(store, id);
    const now = fenceOf(job);
    if (now !== fence) restart(now);
    const records = await store.records(id, partPrefix, page, after);
    for (const { name, text } of records) {
      if (!name.startsWith(partRecord(fence))) restart(Number(name.slice(partPrefix.length).split("/")[0]));
      after = name;
      for (const part of JSON.parse(unsealed(text)) as readonly string[]) {
        hasRead = true;
        yield decode(part);
      }
    }
    if (records.length === page) continue;
    if (isFinal(job.state)) return;
    const last = after;
    await whenTold(store, runtime, async () => {
      const [found] = await store.records(id, partPrefix, 1, last);
      return found !== undefined || isFinal((await jobOf(store, id)).state);
    });
  }
}
