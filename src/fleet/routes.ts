// Where a worker's jobs come from: its queues, and of its tasks the lines whose requirements its labels meet. Names it knows from the start;
// queues that fit a pattern, and lines with requirements, it learns from the store, which it asks for the lines that have ready jobs: with
// every round of upkeep, and when work became ready that a claim did not bring. A worker without patterns and labels never asks.
import type { Runtime } from "../core/runtime.ts";
import type { ReadyLine, Store } from "../store/store.ts";
import { groupTask } from "../task/flow.ts";
import type { Labels } from "../task/requires.ts";
import { lineOf, meets, nameOf, requiresOf } from "../task/requires.ts";
import type { Definition } from "../task/task.ts";
import type { QueueEntry } from "./queue-choice.ts";
import { entryOf } from "./queue-choice.ts";
import type { QueueGroup } from "./shares.ts";

/** Work that comes and goes elsewhere makes a worker look no more often than this. */
const apartMs = 50;
/** What had no ready job for so long is forgotten, and found again when it has one. */
const forgetMs = 60_000;
const firstLimit = 1000;
const mostVerdicts = 10_000;

/** What a worker may take. */
export interface RouteTerms {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly entries: readonly QueueEntry[];
  readonly labels: Labels;
  readonly tasks: ReadonlyMap<string, Definition>;
  /** There are jobs to claim in queues or lines that were not known. */
  found(): void;
  failed(error: Error): void;
}

/** The queues and lines of one worker. */
export class Routes {
  readonly #terms: RouteTerms;
  readonly #own: ReadonlySet<string>;
  /** Queues and lines that were learnt, with when they were last seen. */
  readonly #queues = new Map<string, number>();
  readonly #lines = new Map<string, number>();
  readonly #verdicts = new Map<string, boolean>();
  readonly #mayLearn: boolean;
  #groups: readonly QueueGroup[] = [];
  #linesOf = new Map<string, string[]>();
  #limit = firstLimit;
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;
  #isLookDue = false;
  /** Work became ready, and no claim has given any since. */
  #isUnexplained = false;

  constructor(terms: RouteTerms) {
    this.#terms = terms;
    const { entries, labels, tasks } = terms;
    this.#own = new Set(entries.filter(({ pattern }) => !pattern).map(({ text }) => text));
    this.#mayLearn = entries.some(({ pattern }) => pattern) || Object.keys(labels).length > 0;
    for (const { name, policy } of tasks.values()) {
      if (policy.requires !== "" && meets(policy.requires, labels)) this.#lines.set(lineOf(name, policy.requires), Infinity);
    }
    this.#rebuild();
  }

  /** The queues by their weights, those known now. */
  get groups(): readonly QueueGroup[] {
    return this.#groups;
  }

  /** The queues known now. */
  get queues(): readonly string[] {
    return this.#groups.flatMap(({ queues }) => queues);
  }

  /** The lines of these tasks that this worker may run, those known now. */
  lines(tasks: readonly string[]): readonly string[] {
    if (this.#linesOf.size === 0) return tasks;
    return tasks.flatMap((task) => [task, ...(this.#linesOf.get(task) ?? [])]);
  }

  /** Work became ready somewhere. */
  workIsReady(): void {
    this.#isUnexplained = true;
  }

  /** A claim gave work, or, though there was room, none: what became ready may then be where this worker does not look yet. */
  claimed(gave: boolean): void {
    if (!gave && this.#isUnexplained) this.#lookSoon();
    this.#isUnexplained = false;
  }

  #lookSoon(): void {
    if (!this.#mayLearn || this.#isLookDue) return;
    this.#isLookDue = true;
    const { runtime } = this.#terms;
    const waitMs = Math.max(0, this.#lookedAt + apartMs - runtime.elapsed());
    runtime.after(waitMs, () => void this.look(), { background: true });
  }

  /** Asks the store now, if there may be more to know. Never rejects. */
  look(): Promise<void> {
    if (!this.#mayLearn) return Promise.resolve();
    this.#isLookDue = false;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { store, runtime } = this.#terms;
    this.#lookedAt = runtime.elapsed();
    try {
      const found = await store.lines(this.#limit);
      // There may be more, and in no order: what is this worker's could be hidden for ever.
      if (found.length >= this.#limit) this.#limit *= 4;
      if (this.#learn(found, runtime.elapsed())) this.#terms.found();
    } catch (error) {
      this.#terms.failed(error as Error);
    }
  }

  /** True when something new was learnt. */
  #learn(found: readonly ReadyLine[], elapsed: number): boolean {
    const before = this.#queues.size + this.#lines.size;
    for (const { queue, task } of found) {
      if (!this.#knows(nameOf(task)) || !entryOf(this.#terms.entries, queue) || !this.#meets(requiresOf(task))) continue;
      if (!this.#own.has(queue)) this.#queues.set(queue, elapsed);
      if (task.includes("\n") && this.#lines.get(task) !== Infinity) this.#lines.set(task, elapsed);
    }
    const hasNew = this.#queues.size + this.#lines.size > before;
    let isChanged = hasNew;
    for (const known of [this.#queues, this.#lines]) {
      for (const [name, seenAt] of known) if (seenAt < elapsed - forgetMs) isChanged = known.delete(name);
    }
    if (isChanged) this.#rebuild();
    return hasNew;
  }

  /** A group of calls is a job that every worker knows. */
  #knows(task: string): boolean {
    return task === groupTask.name || this.#terms.tasks.has(task);
  }

  #meets(requires: string): boolean {
    let verdict = this.#verdicts.get(requires);
    if (verdict === undefined) {
      if (this.#verdicts.size >= mostVerdicts) this.#verdicts.clear();
      this.#verdicts.set(requires, (verdict = meets(requires, this.#terms.labels)));
    }
    return verdict;
  }

  #rebuild(): void {
    const { entries } = this.#terms;
    const groups = new Map(entries.map((entry) => [entry, entry.pattern ? [] : [entry.text]]));
    for (const queue of this.#queues.keys()) groups.get(entryOf(entries, queue) as QueueEntry)?.push(queue);
    // Without weights the room is divided evenly among all queues, which takes one want and no memory.
    const isEven = entries.every(({ weight }) => weight === entries[0]?.weight);
    const each = [...groups].map(([{ weight }, queues]) => ({ weight, queues }));
    this.#groups = isEven ? [{ weight: 1, queues: each.flatMap(({ queues }) => queues) }] : each;
    this.#linesOf = new Map();
    for (const line of this.#lines.keys()) {
      const own = this.#linesOf.get(nameOf(line));
      if (own) own.push(line);
      else this.#linesOf.set(nameOf(line), [line]);
    }
  }
}
