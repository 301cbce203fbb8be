// What jobs of a batch have in common. Jobs added together are mostly alike, so what they share is sent and read once.
import type { NewJob } from "../job.ts";
import { numberArray, sparseTextArray, textArray } from "./text.ts";

interface Kind {
  readonly job: NewJob;
  readonly root: string | null;
  readonly now: number;
}

function rootOf({ id, root }: NewJob): string | null {
  return root === id ? null : root;
}

function isOf({ job, root, now }: Kind, other: NewJob, otherNow: number): boolean {
  return (
    job.task === other.task &&
    job.queue === other.queue &&
    job.priority === other.priority &&
    job.crashLimit === other.crashLimit &&
    job.keepMs === other.keepMs &&
    job.policy === other.policy &&
    root === rootOf(other) &&
    job.parent === other.parent &&
    job.trace === other.trace &&
    now === otherNow
  );
}

/** The kinds of job met so far, numbered from 1. */
export class Kinds {
  readonly #kinds: Kind[] = [];
  readonly #numbers = new Map<string, number>();
  #last = 0;

  /** The number of this job's kind. */
  of(job: NewJob, now: number): number {
    const last = this.#kinds[this.#last - 1];
    if (!last || !isOf(last, job, now)) this.#last = this.#numberOf(job, now);
    return this.#last;
  }

  #numberOf(job: NewJob, now: number): number {
    const { task, queue, priority, crashLimit, keepMs, policy, parent, trace } = job;
    const root = rootOf(job);
    const name = JSON.stringify([task, queue, priority, crashLimit, keepMs, policy, root, parent, trace, now]);
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#kinds.push({ job, root, now });
    this.#numbers.set(name, number);
    return number;
  }

  /** How many there are. */
  get count(): number {
    return this.#kinds.length;
  }

  /** The facts of the kinds, as the function takes them. */
  columns(): readonly (string | null)[] {
    const jobs = this.#kinds.map(({ job }) => job);
    return [
      textArray(jobs.map(({ task }) => task)),
      textArray(jobs.map(({ queue }) => queue)),
      numberArray(jobs.map(({ priority }) => -priority)),
      numberArray(jobs.map(({ crashLimit }) => crashLimit)),
      numberArray(jobs.map(({ keepMs }) => keepMs)),
      sparseTextArray(jobs.map(({ policy }) => policy)),
      sparseTextArray(this.#kinds.map(({ root }) => root)),
      sparseTextArray(jobs.map(({ parent }) => parent)),
      sparseTextArray(jobs.map(({ trace }) => trace)),
      numberArray(this.#kinds.map(({ now }) => now)),
    ];
  }
}
