// What every verb of one open store needs: its schema, its locks, its bell, and where the jobs are that it gave out.
import type { Bell } from "./bell.ts";
import type { GivenOut } from "./given-out.ts";

/** What a verb stands on. */
export interface Ground {
  /** The schema, quoted for SQL. */
  readonly schema: string;
  /** The lock on everything that is stored. */
  readonly world: string;
  readonly bell: Bell;
  readonly given: GivenOut;
}
