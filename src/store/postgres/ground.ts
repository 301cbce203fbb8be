// What every verb of one open store needs: its schema, its locks, its bell, and where the jobs are that it gave out.
import type { Bell } from "./bell.ts";
import type { GivenOut } from "./given-out.ts";

/** Numbers the settles of one open store: one whose connection was cut may arrive after it was given up, and must not claim then. */
export class Settles {
  /** The last number given. */
  last = 0;

  next(): number {
    this.last += 1;
    return this.last;
  }
}

/** What a verb stands on. */
export interface Ground {
  /** The schema, quoted for SQL. */
  readonly schema: string;
  /** The lock on everything that is stored. */
  readonly world: string;
  readonly bell: Bell;
  readonly given: GivenOut;
  readonly settles: Settles;
}
