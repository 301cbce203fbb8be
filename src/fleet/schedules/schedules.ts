// The schedules of a fleet: one at a time, or declared as a list whose difference to what is stored is shown and applied.
import { UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import { checkOptions } from "../../core/suggest.ts";
import type { Checked, FieldChange, ScheduleDefinition } from "./define.ts";
import { begun, changesOf, checkDefinition, redefined } from "./define.ts";
import { change, readAll, readOne, understood } from "./ledger.ts";
import { checkScheduleName } from "./record.ts";
import { isOver, rhythmOf } from "./rhythm.ts";
import type { ScheduleHost, ScheduleInfo, UnreadableSchedule } from "./schedule.ts";
import { listedSchedule, Schedule } from "./schedule.ts";

/** What becomes of a list of definitions. */
export interface ApplyOptions {
  /** Whether the difference is written, or only shown. Default true. */
  readonly apply?: boolean;
  /** Whether stored schedules that the list does not name are removed. Default false: others may have defined them. */
  readonly prune?: boolean;
}

/** How a list of definitions differs from what is stored. */
export interface ScheduleChanges {
  readonly added: readonly string[];
  readonly changed: readonly { readonly name: string; readonly changes: readonly FieldChange[] }[];
  /** Those that the list does not name, with `prune`. */
  readonly removed: readonly string[];
  /** Those that the list does not name and this program cannot read, with `prune`: they are left alone. */
  readonly unreadable: readonly UnreadableSchedule[];
  readonly same: readonly string[];
  /** Whether it has been written. */
  readonly applied: boolean;
}

/** The schedules of one store. */
export class Schedules {
  readonly #host: ScheduleHost;
  readonly #runtime: Runtime;

  constructor(host: ScheduleHost, runtime: Runtime) {
    this.#host = host;
    this.#runtime = runtime;
  }

  /** The schedule of this name, whether there is one or not. Throws a UsageError for what cannot be a name. */
  one(name: string): Schedule {
    return new Schedule(checkScheduleName(name), this.#host);
  }

  /** Defines a schedule, or replaces it; one that is the same is left alone. */
  async define(definition: ScheduleDefinition): Promise<Schedule> {
    await this.#write(await this.#check(definition));
    return this.one(definition.name);
  }

  /** All schedules, by name. */
  async list(): Promise<readonly (ScheduleInfo | UnreadableSchedule)[]> {
    return (await readAll(this.#host.store)).map(listedSchedule);
  }

  /**
   * Compares a list with what is stored, and makes it so. All of it is checked before anything is written. One that is stored, and
   * cannot be read, is not compared: it rejects when the list names it, and is not removed when it does not.
   */
  async declare(definitions: readonly ScheduleDefinition[], options: ApplyOptions = {}): Promise<ScheduleChanges> {
    const { apply = true, prune = false } = checkApply(options);
    if (!Array.isArray(definitions)) {
      throw new UsageError(`schedules() takes a list of definitions ({ name, when, call }), found ${show(definitions)}.`);
    }
    const wanted = await Promise.all(definitions.map((each) => this.#check(each)));
    const names = new Set(wanted.map(({ name }) => name));
    if (names.size < wanted.length) {
      const twice = wanted.find(({ name }, index) => wanted.findIndex((other) => other.name === name) < index);
      throw new UsageError(`schedules(): ${show(twice?.name)} is defined twice. Give each schedule a name of its own.`);
    }
    const stored = new Map((await readAll(this.#host.store)).map((entry) => [entry.name, entry] as const));
    const unnamed = prune ? [...stored.values()].filter(({ name }) => !names.has(name)).map(listedSchedule) : [];
    const removed = unnamed.filter(({ problem }) => problem === undefined).map(({ name }) => name);
    const added = wanted.filter(({ name }) => !stored.has(name));
    const others = wanted.flatMap((each) => {
      const entry = stored.get(each.name);
      return entry ? [{ name: each.name, changes: changesOf(understood(entry), each) }] : [];
    });
    if (apply) {
      for (const each of wanted) await this.#write(each);
      for (const name of removed) await this.one(name).remove();
    }
    return {
      added: added.map(({ name }) => name),
      changed: others.filter(({ changes }) => changes.length > 0),
      removed,
      unreadable: unnamed.filter((each): each is UnreadableSchedule => each.problem !== undefined),
      same: others.filter(({ changes }) => changes.length === 0).map(({ name }) => name),
      applied: apply,
    };
  }

  async #check(definition: ScheduleDefinition): Promise<Checked> {
    const { store } = this.#host;
    const now = store.now();
    const checked = await checkDefinition(definition, this.#runtime, now);
    if (!(await isOver(checked.definition.when, now))) return checked;
    // A program may define what it has defined before, though it is over by now.
    const entry = await readOne(store, checked.name);
    if (entry && changesOf(understood(entry), checked).every(({ field }) => field !== "when")) return checked;
    throw new UsageError(
      `Schedule ${show(checked.name)}: ${show(definition.when)} never comes again: the last of its years is over.`,
    );
  }

  async #write(checked: Checked): Promise<void> {
    const { store } = this.#host;
    const rhythm = await rhythmOf(checked.definition.when);
    await change(store, checked.name, (entry) => {
      const now = store.now();
      if (!entry) return { to: begun(checked, rhythm, now) };
      const stored = understood(entry);
      return changesOf(stored, checked).length > 0 ? { to: redefined(stored, checked, rhythm, now) } : undefined;
    });
  }
}

function checkApply(options: ApplyOptions): ApplyOptions {
  checkOptions(options, ["apply", "prune"], "schedules()");
  for (const key of ["apply", "prune"] as const) {
    if (options[key] === undefined || typeof options[key] === "boolean") continue;
    throw new UsageError(`schedules() ${key} is true or false, found ${show(options[key])}.`);
  }
  return options;
}
