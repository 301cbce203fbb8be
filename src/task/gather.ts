// How the results of several calls become one list: the argument of a join, or the result of a group. Members that did not
// succeed are treated as the policy says; only `fail` lets them fail the join, to the others they are as good as done.
// In a call's arguments a `Gather` stands for the list, as a `Hole` does for a single result, so that a join of 100,000
// members is written as a list of numbers.

/** What becomes of a join when a member does not succeed: it fails, it gets every outcome, or it gets the successes alone. */
export type FailedPolicy = "fail" | "collect" | "skip";

/** How a list is made: as a policy says, or by putting the members' lists one after another. */
export type How = FailedPolicy | "flat";

export const hows: readonly How[] = ["fail", "collect", "skip", "flat"];

/** True when the members need not succeed. */
export function isTolerant(how: How): boolean {
  return how === "collect" || how === "skip";
}

/** Stands for the result of a call that did not succeed. */
export class Failure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** The place of a list of dependencies' results within a call's arguments. */
export class Gather {
  readonly how: How;
  /** Indexes into the node's `dependsOn`. */
  readonly indexes: readonly number[];

  constructor(how: How, indexes: readonly number[]) {
    this.how = how;
    this.indexes = indexes;
  }
}

function outcomeOf(result: unknown): PromiseSettledResult<unknown> {
  return result instanceof Failure ? { status: "rejected", reason: result.error } : { status: "fulfilled", value: result };
}

/** The list that takes the place of a {@link Gather}; `results` are those of all dependencies. */
export function gathered({ how, indexes }: Gather, results: readonly unknown[]): unknown[] {
  const list = indexes.map((index) => results[index]);
  if (how === "collect") return list.map(outcomeOf);
  if (how === "skip") return list.filter((result) => !(result instanceof Failure));
  return how === "flat" ? list.flat() : list;
}
