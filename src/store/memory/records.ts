// The records of the memory store.
import type { StoredRecord } from "../job.ts";

/** Records by the job they belong to, "" for the store. */
export class Records {
  readonly #of = new Map<string, Map<string, string>>();

  get(job: string, name: string): string | null {
    return this.#of.get(job)?.get(name) ?? null;
  }

  set(job: string, name: string, text: string | null): void {
    const own = this.#of.get(job) ?? new Map<string, string>();
    if (text === null) own.delete(name);
    else own.set(name, text);
    if (own.size === 0) this.#of.delete(job);
    else this.#of.set(job, own);
  }

  /** Those of a job whose names begin so, by name. */
  list(job: string, prefix: string = ""): StoredRecord[] {
    const own = [...(this.#of.get(job) ?? [])].filter(([name]) => name.startsWith(prefix));
    return own.map(([name, text]) => ({ name, text })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  forget(job: string): void {
    this.#of.delete(job);
  }
}
