// What a pool makes of a call before it begins: a number, an id, the record of its task, and a copy of its arguments.
import { importableModule } from "../task/load.ts";
import type { Definition } from "../task/task.ts";
import type { Crew } from "./crew.ts";
import type { Entry } from "./entry.ts";
import { flatten, flattenOne, Flattener } from "./flat.ts";
import { pack } from "./payload.ts";
import { TaskRecord } from "./record.ts";

/** Takes in the calls of one pool. */
export class Intake {
  /** What the ids of its calls begin with. */
  readonly idPrefix: string;
  readonly #crew: Crew;
  readonly #flattener = new Flattener();
  readonly #records = new WeakMap<Definition["fn"], TaskRecord>();
  #recordCount = 0;
  #entryCount = 0;

  constructor(crew: Crew, idPrefix: string) {
    this.#crew = crew;
    this.idPrefix = idPrefix;
  }

  /** What the pool knows of a task. Throws {@link UsageError} when no worker could import it. */
  recordOf(definition: Definition): TaskRecord {
    let record = this.#records.get(definition.fn);
    if (!record) {
      record = new TaskRecord(this.#recordCount++, definition, this.#crew.imports ? importableModule(definition) : undefined);
      this.#records.set(definition.fn, record);
    }
    return record;
  }

  /** Gives an entry a copy of its arguments. Throws {@link CodecError} with the path of what cannot be sent. */
  setArgs(entry: Entry, args: readonly unknown[]): void {
    if (!this.setFlatArgs(entry, args)) entry.setArgs(pack(args, this.#crew.crossing));
  }

  /** The same for a task's only argument. */
  setArg(entry: Entry, arg: unknown): void {
    if (!flattenOne(arg, entry, this.#flattener)) entry.setArgs(pack([arg], this.#crew.crossing));
  }

  /** The same for arguments that are small and flat, and so hold no calls; false for any other. */
  setFlatArgs(entry: Entry, args: readonly unknown[]): boolean {
    return flatten(args, entry, this.#flattener);
  }

  /** The number of the next entry. */
  nextNumber(): number {
    return this.#entryCount++;
  }

  idOf(entry: Entry): string {
    return entry.terms?.id ?? this.idPrefix + String(entry.number);
  }
}
