// Where the jobs are that this store object has given out, so that their outcomes are recorded without looking up their ids. A
// job may have been removed and another of its id added since; the database says so, and then all are looked up.

const mostRemembered = 100_000;

/** The seqs of jobs by id. */
export class GivenOut {
  readonly #seqs = new Map<string, string>();

  remember(id: string, seq: string): void {
    this.#seqs.set(id, seq);
    // Jobs that were lost with their lease are never settled here; the oldest are forgotten.
    if (this.#seqs.size > mostRemembered) for (const oldest of this.#seqs.keys()) return void this.#seqs.delete(oldest);
  }

  find(id: string): string | undefined {
    return this.#seqs.get(id);
  }

  forget(id: string): void {
    this.#seqs.delete(id);
  }
}
