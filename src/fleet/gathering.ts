// Claimed jobs of tasks that do many calls at once wait here for each other: until there are as many as the task takes, or the first has
// waited as long as it may. They have not started: they can be given back like others that are held.
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Claim } from "../store/job.ts";
import type { Definition } from "../task/task.ts";
import type { Held, Slots } from "./slots.ts";

interface Group {
  readonly definition: Definition;
  readonly slots: Slots;
  held: Held[];
  timer: Timer | undefined;
}

/** Runs these jobs together. */
export type BeginBatch = (definition: Definition, batch: readonly Held[], slots: Slots) => void;

/** Gathers the jobs of one worker. */
export class Gathering {
  readonly #runtime: Runtime;
  readonly #begin: BeginBatch;
  readonly #groups = new Map<string, Group>();

  constructor(runtime: Runtime, begin: BeginBatch) {
    this.#runtime = runtime;
    this.#begin = begin;
  }

  add(definition: Definition, held: Held, slots: Slots): void {
    const { size = 1, waitMs = 0 } = definition.policy.batch ?? {};
    let group = this.#groups.get(definition.name);
    if (!group) this.#groups.set(definition.name, (group = { definition, slots, held: [], timer: undefined }));
    // However long it waits here, it is not forgotten: it is not to be given back for that.
    group.held.push({ ...held, since: Infinity });
    if (group.held.length >= size) this.#go(group);
    else group.timer ??= this.#runtime.after(waitMs, () => this.#go(group));
  }

  /** The jobs that wait here. */
  claims(): Claim[] {
    return [...this.#groups.values()].flatMap(({ held }) => held.map(({ job }) => job));
  }

  /** Takes out those that `which` selects. */
  drop(which: (held: Held) => boolean): Held[] {
    return [...this.#groups.values()].flatMap((group) => {
      const dropped = group.held.filter(which);
      group.held = group.held.filter((held) => !dropped.includes(held));
      for (const { job } of dropped) group.slots.free(job.task, false);
      if (group.held.length === 0) this.#rest(group);
      return dropped;
    });
  }

  #go(group: Group): void {
    const { definition, held, slots } = group;
    group.held = [];
    this.#rest(group);
    this.#begin(definition, held, slots);
  }

  #rest(group: Group): void {
    group.timer?.cancel();
    group.timer = undefined;
  }
}
