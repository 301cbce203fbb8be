// Which jobs a retry by hand makes live again: the chosen ones, with those of their dependencies that did not end as done,
// as deep as it goes. A job that could only fail again (a dependency is no longer stored, its unique key is taken) is left
// alone, and so is everything that needs it. Nothing is written here. The walk keeps a stack of its own: graphs are deep.
import type { JobState } from "../task/state.ts";
import { isFinal } from "../task/state.ts";

/** What must be known of a job. */
export interface Ancestor {
  readonly id: string;
  readonly state: JobState;
  readonly uniqueKey: string | null;
  /** How many dependencies it was added with. */
  readonly dependencies: number;
  /** Those that are still stored, in their order. */
  readonly dependsOn: readonly string[];
}

/** What must be known of the store. */
export interface Graph {
  find(id: string): Ancestor | undefined;
  /** The live job that holds a unique key. */
  holder(key: string): string | undefined;
}

/** A job to make live again. */
export interface Revival {
  readonly id: string;
  /** Its dependencies that will not be done. */
  readonly pending: number;
}

interface Visit {
  readonly job: Ancestor;
  next: number;
}

class Plan {
  readonly #graph: Graph;
  /** Every ended job met, and whether it can be made live; a dependency comes before those that need it. */
  readonly #met = new Map<string, { readonly job: Ancestor; able: boolean }>();
  readonly #others = new Map<string, boolean>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** Walks down from a chosen job. */
  meet(id: string): void {
    const stack: Visit[] = [];
    const enter = (next: string): void => {
      if (this.#met.has(next) || this.#others.has(next)) return;
      const job = this.#graph.find(next);
      if (!job || job.state === "done" || !isFinal(job.state)) this.#others.set(next, job?.state === "done");
      else stack.push({ job, next: 0 });
    };
    enter(id);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const dependency = top.job.dependsOn[top.next];
      top.next += 1;
      if (dependency !== undefined) enter(dependency);
      else {
        stack.pop();
        if (!this.#met.has(top.job.id)) this.#met.set(top.job.id, { job: top.job, able: this.#isAble(top.job) });
      }
    }
  }

  #isAble(job: Ancestor): boolean {
    if (job.dependsOn.length < job.dependencies) return false;
    if (job.uniqueKey !== null && this.#graph.holder(job.uniqueKey) !== undefined) return false;
    return job.dependsOn.every((id) => this.#met.get(id)?.able ?? true);
  }

  /** The ids of the ended jobs at and below those of `chosen` that can be made live. */
  #wanted(chosen: readonly string[]): Set<string> {
    const wanted = new Set<string>();
    const stack = chosen.filter((id) => this.#met.get(id)?.able);
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      const found = this.#met.get(id);
      if (!found || wanted.has(id)) continue;
      wanted.add(id);
      for (const dependency of found.job.dependsOn) if (!wanted.has(dependency)) stack.push(dependency);
    }
    return wanted;
  }

  revivals(chosen: readonly string[]): Revival[] {
    const wanted = this.#wanted(chosen);
    const keys = new Set<string>();
    const revivals: Revival[] = [];
    for (const [id, found] of this.#met) {
      if (!wanted.has(id)) continue;
      const { uniqueKey, dependsOn } = found.job;
      // Of several ended jobs with one key only the first comes back, and nothing that needs the others.
      const clash = uniqueKey !== null && keys.has(uniqueKey);
      found.able = !clash && dependsOn.every((dependency) => this.#met.get(dependency)?.able ?? true);
      if (!found.able) continue;
      if (uniqueKey !== null) keys.add(uniqueKey);
      revivals.push({ id, pending: dependsOn.filter((dependency) => this.#others.get(dependency) !== true).length });
    }
    return revivals;
  }
}

/** The jobs to make live again for these ended ones (in the order they were added), dependencies first. */
export function revivals(chosen: readonly string[], graph: Graph): readonly Revival[] {
  const plan = new Plan(graph);
  for (const id of chosen) plan.meet(id);
  return plan.revivals(chosen);
}
