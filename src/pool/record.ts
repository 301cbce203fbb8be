// What a pool has learnt of a task: how long it takes, and from that how many go into one batch. An unknown task goes singly,
// then in twos, fours and so on while it stays short; a task that is not short goes singly. So no task waits in a batch behind
// one that is not short, but for the rare one that surprises; that one's batch is taken over by any worker that is free.
import type { Definition } from "../task/task.ts";
import type { Introduction } from "./wire.ts";

const batchMs = 4;
const mostInBatch = 2048;
/** Outcomes come at least once a ms, unless one of the tasks takes longer; from here on it is taken for a surprise. */
const surprisingMs = 10;

/** The share of the newest measurement in the average. */
const weight = 0.25;

export class TaskRecord {
  readonly number: number;
  /** How a worker finds it; `module` is empty where no worker has to import it. */
  readonly introduction: Introduction;
  /** Deaths of workers while they imported its module, in a row. */
  importDeaths = 0;
  /** The average duration in ms; undefined before the first outcome. */
  averageMs: number | undefined;
  #limit = 1;

  constructor(number: number, definition: Definition, module: string | undefined) {
    this.number = number;
    this.introduction = module === undefined ? [number, definition.name, "", definition] : [number, definition.name, module];
  }

  /** How many may go into one batch now. */
  get batchSize(): number {
    if (this.averageMs === undefined) return 1;
    return Math.max(1, Math.min(this.#limit, Math.floor(batchMs / Math.max(this.averageMs, 1e-6))));
  }

  /** True when a worker should be given some before it has run out: the way there takes longer than a small part of the task. */
  get isShort(): boolean {
    return this.averageMs !== undefined && this.averageMs < 20;
  }

  /** `count` of them took `tookMs` together. */
  measured(count: number, tookMs: number): void {
    this.importDeaths = 0;
    const each = tookMs / count;
    const average = this.averageMs;
    this.averageMs = average === undefined ? each : average + (each - average) * weight;
    // Durations differ: begin again with single ones.
    if (tookMs > surprisingMs) this.#limit = 1;
    else if (count * 2 > this.#limit) this.#limit = Math.min(mostInBatch, this.#limit * 2);
  }
}
