// What jobs of a batch have in common. Jobs added together are mostly alike, so what they share is sent and read once.
import type { Gate, NewJob } from "../job.ts";
import { numberArray, sparseListArray, sparseTextArray, textArray } from "./text.ts";

/** The gates of jobs by their facts: for each job a list, written as a text, or null. */
export function gateColumns(jobs: readonly Pick<NewJob, "gates">[]): readonly (string | null)[] {
  const lists = (write: (gates: readonly Gate[]) => string): string | null =>
    sparseListArray(jobs.map(({ gates }) => (gates.length === 0 ? null : write(gates))));
  return [
    lists((gates) => textArray(gates.map(({ name }) => name))),
    lists((gates) => numberArray(gates.map(({ room }) => room))),
    lists((gates) => numberArray(gates.map(({ everyMs }) => everyMs))),
    lists((gates) => textArray(gates.map(({ until }) => until))),
  ];
}

interface Kind {
  readonly job: NewJob;
  readonly root: string | null;
  readonly now: number;
}

function rootOf({ id, root }: NewJob): string | null {
  return root === id ? null : root;
}

function gatesText({ gates }: NewJob): string {
  return gates.length === 0 ? "" : JSON.stringify(gates.map(({ name, room, everyMs, until }) => [name, room, everyMs, until]));
}

function sameGates(one: NewJob, other: NewJob): boolean {
  return one.gates === other.gates || gatesText(one) === gatesText(other);
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
    sameGates(job, other) &&
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
    const name = JSON.stringify([task, queue, priority, crashLimit, keepMs, policy, root, parent, trace, gatesText(job), now]);
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
      ...gateColumns(jobs),
      numberArray(this.#kinds.map(({ now }) => now)),
    ];
  }
}
