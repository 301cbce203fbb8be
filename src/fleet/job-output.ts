// What the running jobs of a worker say beside their results, on its way into the store: lines of their logs, and parts of their output. It is
// written in batches, with the claim of the job, and what an attempt has said is written before its end is recorded. A task that
// says nothing costs nothing here.
import type { Runtime, Timer } from "../core/runtime.ts";
import type { ClaimedJob, NewRecord } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Change } from "../task/durable/host.ts";
import { JobLog, logPrefix } from "./job-log.ts";
import { togetherOrApart } from "./together.ts";

/** What records of parts begin with: then the number of the claim, and that of the batch. */
export const partPrefix = "out/";

/** The record of a batch of parts; of all those of a claim, without `batch`, what their names begin with. */
export function partRecord(fence: number, batch?: number): string {
  const claim = `${partPrefix}${String(fence).padStart(10, "0")}/`;
  return batch === undefined ? claim : claim + String(batch).padStart(10, "0");
}

/** Log lines wait for others for so long, parts only since the last were written. */
const logEveryMs = 200;
const partsEveryMs = 20;
/** A generator waits at its next part while so many characters of it are not written. */
const mostUnwritten = 256 * 1024;
const mostInBatch = 1000;
const oldLogs = 2000;

/** What it needs of its worker. */
export interface OutputHost {
  readonly store: Store;
  readonly runtime: Runtime;
  /** The id under which the store knows the worker now. */
  worker(): string;
  failed(error: Error): void;
}

interface Parts {
  pending: string[];
  /** Characters that are not written yet. */
  unwritten: number;
  batches: number;
  /** Told when there is room again. */
  waiting: PromiseWithResolvers<void> | undefined;
  /** Each resolves when its batch is written; none rejects. */
  readonly writing: Set<Promise<void>>;
  failure: Error | undefined;
}

/** What one job has said since it was last asked. */
interface Batch {
  readonly records: readonly NewRecord[];
  /** Undefined when there are none in it. */
  readonly parts: Parts | undefined;
  readonly chars: number;
}

interface Said {
  readonly job: ClaimedJob;
  readonly claim: NewRecord["claim"];
  log: JobLog | undefined;
  parts: Parts | undefined;
}

/** The output of the jobs of one worker. */
export class JobOutput {
  readonly #host: OutputHost;
  readonly #said = new Map<string, Said>();
  readonly #dirty = new Set<Said>();
  #timer: Timer | undefined;
  #dueAt = Infinity;
  #flushedAt = -Infinity;

  constructor(host: OutputHost) {
    this.#host = host;
  }

  /** A line of the job's log. */
  log(job: ClaimedJob, line: string): void {
    const said = this.#of(job);
    if (!said.log) {
      said.log = new JobLog(job.fence, job.attempt);
      if (job.fence > 1) void this.#adopt(said.log, job);
    }
    said.log.add(this.#host.store.now(), line);
    this.#dirty.add(said);
    this.#flushIn(logEveryMs);
  }

  /**
   * A part of the job's output, encoded. A promise where there is much that is not written yet: it resolves when there is room. Throws,
   * and the promise rejects, when the store has refused parts before.
   */
  part(job: ClaimedJob, text: string): Promise<void> | undefined {
    const said = this.#of(job);
    said.parts ??= { pending: [], unwritten: 0, batches: 0, waiting: undefined, writing: new Set(), failure: undefined };
    const { parts } = said;
    if (parts.failure) throw parts.failure;
    parts.pending.push(text);
    parts.unwritten += text.length;
    this.#dirty.add(said);
    this.#flushIn(this.#flushedAt + partsEveryMs - this.#host.runtime.elapsed());
    if (parts.unwritten < mostUnwritten) return undefined;
    parts.waiting ??= Promise.withResolvers<void>();
    return parts.waiting.promise;
  }

  /** True when the job has given parts. */
  hasParts({ id }: ClaimedJob): boolean {
    return this.#said.get(id)?.parts !== undefined;
  }

  /** Resolves when all parts of the job are written; rejects when they could not be. */
  async written({ id }: ClaimedJob): Promise<void> {
    const said = this.#said.get(id);
    if (!said?.parts) return;
    const { parts } = said;
    this.#send([said]);
    await Promise.all(parts.writing);
    if (parts.failure) throw parts.failure;
  }

  /** Writes one record of a job, before whatever is asked of the store next. */
  note(job: ClaimedJob, [name, text]: Change): void {
    const claim = { worker: this.#host.worker(), fence: job.fence };
    this.#write([{ job: job.id, name, text, claim, tell: false }]).catch((error: unknown) => this.#host.failed(error as Error));
  }

  /** The attempt has ended, or is others' now: what it has said is sent off at once, and that is all. */
  end({ id }: ClaimedJob): void {
    const said = this.#said.get(id);
    if (!said) return;
    this.#send([said]);
    this.#said.delete(id);
  }

  #of(job: ClaimedJob): Said {
    let said = this.#said.get(job.id);
    if (!said) {
      said = { job, claim: { worker: this.#host.worker(), fence: job.fence }, log: undefined, parts: undefined };
      this.#said.set(job.id, said);
    }
    return said;
  }

  async #adopt(log: JobLog, { id }: ClaimedJob): Promise<void> {
    try {
      log.adopt(await this.#host.store.records(id, logPrefix, oldLogs));
    } catch (error) {
      this.#host.failed(error as Error);
    }
  }

  #flushIn(ms: number): void {
    const at = this.#host.runtime.elapsed() + Math.max(0, ms);
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#timer?.cancel();
    this.#timer = this.#host.runtime.after(at - this.#host.runtime.elapsed(), () => this.#flush());
  }

  #flush(): void {
    this.#dueAt = Infinity;
    this.#flushedAt = this.#host.runtime.elapsed();
    this.#send([...this.#dirty]);
  }

  #send(all: readonly Said[]): void {
    const batches: Batch[] = [];
    for (const said of all) {
      if (!this.#dirty.delete(said)) continue;
      const { job, claim, log, parts } = said;
      const records: NewRecord[] = [];
      for (const [name, text] of log?.take() ?? []) records.push({ job: job.id, name, text, claim, tell: false });
      const pending = parts?.pending ?? [];
      for (let from = 0; from < pending.length; from += mostInBatch) {
        const text = JSON.stringify(pending.slice(from, from + mostInBatch));
        records.push({ job: job.id, name: partRecord(job.fence, (parts as Parts).batches++), text, claim, tell: true });
      }
      if (parts) parts.pending = [];
      const chars = pending.reduce((sum, { length }) => sum + length, 0);
      if (records.length > 0) batches.push({ records, parts: chars > 0 ? parts : undefined, chars });
    }
    if (batches.length === 0) return;
    const writing: Promise<void> = this.#writeAll(batches, () => writing);
    for (const { parts } of batches) parts?.writing.add(writing);
  }

  #writeAll(all: readonly Batch[], writing: () => Promise<void>): Promise<void> {
    const settle = (some: readonly Batch[], failure?: Error): void => {
      for (const { parts, chars } of some) if (parts) settled(parts, chars, writing(), failure);
    };
    return togetherOrApart(
      all,
      async (some) => {
        await this.#write(some.flatMap(({ records }) => records));
        settle(some);
      },
      (some, error) => {
        this.#host.failed(error as Error);
        settle(some, error as Error);
      },
    );
  }

  #write(records: readonly NewRecord[]): Promise<unknown> {
    const { store } = this.#host;
    return store.write(records, store.now());
  }
}

/** A batch of so many characters was written, or could not be. */
function settled(parts: Parts, chars: number, writing: Promise<void>, error: Error | undefined): void {
  parts.writing.delete(writing);
  parts.unwritten -= chars;
  parts.failure ??= error;
  if (!parts.waiting || (parts.unwritten >= mostUnwritten && !parts.failure)) return;
  if (parts.failure) parts.waiting.reject(parts.failure);
  else parts.waiting.resolve();
  parts.waiting = undefined;
}
