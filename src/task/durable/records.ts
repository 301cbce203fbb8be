// The records of an attempt's steps: read once, met by their names, and written anew. A later step of the same name is `<name>#2`.
import { shownName, signalPrefix, signalsNamed, stepOf, stepPrefix, stepRecord, undoingRecord } from "../job-records.ts";
import type { Change, DurableHost } from "./host.ts";
import { never } from "./host.ts";

/** Of a changed program at most so many steps are told. */
const mostTold = 20;

/** The records of one attempt. */
export class Records {
  readonly #host: DurableHost;
  readonly #toUndo: (why: string) => Promise<void>;
  #journal: Promise<Map<string, string>> | undefined;
  /** What the journal holds, once it is read. */
  #recorded: ReadonlyMap<string, string> = new Map();
  readonly #met = new Set<string>();
  /** The first names of steps that no earlier attempt recorded. */
  readonly #fresh: string[] = [];
  readonly #times = new Map<string, number>();

  /** `toUndo` is told, before any step is, that the attempt is here to undo, and for which error, encoded. */
  constructor(host: DurableHost, toUndo: (why: string) => Promise<void>) {
    this.#host = host;
    this.#toUndo = toUndo;
  }

  /** The name under which the next step of this name is recorded. */
  nameOf(name: string): string {
    const times = (this.#times.get(name) ?? 0) + 1;
    this.#times.set(name, times);
    // A step of the task may be called so itself.
    return times === 1 ? name : this.nameOf(`${name}#${times}`);
  }

  /** What is recorded of a step, if anything is. */
  async recall(name: string): Promise<string | undefined> {
    this.#met.add(name);
    return (await this.#load()).get(name);
  }

  /** Records a step, together with other changes. */
  async record(name: string, text: string, more: readonly Change[] = []): Promise<void> {
    await this.write([[stepRecord(name), text], ...more]);
    if (this.#fresh.length < mostTold) this.#fresh.push(name);
    (await this.#load()).set(name, text);
  }

  /** Writes these changes; does not return where the job is not the attempt's any more. */
  async write(changes: readonly Change[]): Promise<void> {
    if (!(await this.#host.write(changes))) await never();
  }

  /** The `place`-th signal of this name, and how many signals of any name there are. */
  async sent(signal: string, place: number): Promise<readonly [text: string | undefined, seen: number]> {
    const sent = await this.#host.read(signalPrefix);
    const prefix = signalsNamed(signal);
    return [sent.filter(({ name }) => name.startsWith(prefix))[place - 1]?.text, sent.length];
  }

  /** True when every step that is recorded was met. */
  async areMet(): Promise<boolean> {
    return [...(await this.#load()).keys()].every((name) => this.#met.has(name));
  }

  /** The task has come to its end: tells of steps that it has not met. */
  finish(): void {
    const gone = [...this.#recorded.keys()].filter((name) => !this.#met.has(name) && stepRecord(name) !== undoingRecord);
    if (gone.length > 0) this.#host.changed(gone.slice(0, mostTold).map(shownName), this.#fresh.map(shownName));
  }

  #load(): Promise<Map<string, string>> {
    // What could not be read is read again by the next step.
    this.#journal ??= this.#read().catch((error: unknown) => {
      this.#journal = undefined;
      throw error;
    });
    return this.#journal;
  }

  async #read(): Promise<Map<string, string>> {
    const steps = await this.#host.read(stepPrefix);
    const journal = new Map(steps.map(({ name, text }) => [stepOf(name, stepPrefix), text] as const));
    this.#recorded = journal;
    const why = steps.find(({ name }) => name === undoingRecord);
    if (why) await this.#toUndo(why.text);
    return journal;
  }
}
