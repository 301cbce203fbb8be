// What a worker gets of a job's dependencies beside the job: encoded results, and of those that it tolerates and that did not
// succeed, their errors. Errors that other jobs caused are looked up here, once for all jobs of a claim.
import type { Ended } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { decode } from "../task/codec.ts";
import { Failure } from "../task/gather.ts";
import { failureOf } from "./callbacks.ts";
import { errorsOf } from "./causes.ts";
import type { AttemptPolicy } from "./policy.ts";

/** A dependency that did not succeed. */
export class Fallen extends Failure {
  readonly ended: Ended;

  constructor(ended: Ended, error: unknown) {
    super(error);
    this.ended = ended;
  }
}

/** The encoded result of a dependency, or how it ended otherwise. */
export type Given = string | Fallen;

/** What these jobs get of their dependencies, by their ids. Rejects when the store cannot give it. */
export async function givenTo(store: Store, ids: readonly string[]): Promise<Map<string, readonly Given[]>> {
  const inputs = await store.inputs(ids);
  const ended = inputs.flat().filter((input) => typeof input !== "string");
  const errors = ended.length === 0 ? undefined : await errorsOf(store, ended);
  const given = inputs.map((all) =>
    all.map((input): Given => (typeof input === "string" ? input : new Fallen(input, errors?.get(input.id)))),
  );
  return new Map(ids.map((id, index) => [id, given[index] ?? []] as const));
}

/** What takes the places of a job's dependencies in its arguments. */
export function resultsOf(given: readonly Given[], { onFailed }: AttemptPolicy): readonly unknown[] {
  return given.map((each) => {
    if (typeof each === "string") return decode(each);
    return onFailed ? failureOf(each.ended, each.error) : each;
  });
}

/** True for a job that is about a failure, where there was none. */
export function isUncalledFor(given: readonly Given[], { onFailed }: AttemptPolicy): boolean {
  return onFailed === true && given.every((each) => typeof each === "string");
}
