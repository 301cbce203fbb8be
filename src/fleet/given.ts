// What a worker gets of a job's dependencies beside the job: encoded results, and of those that it tolerates and that did not
// succeed, their errors. Errors that other jobs caused are looked up here, once for all jobs of a claim.
import type { ClaimedJob, Ended, Input } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { decode } from "../task/codec.ts";
import { Failure } from "../task/gather.ts";
import { failureOf } from "./callbacks.ts";
import { errorsOf } from "./causes.ts";
import type { Deadline } from "./deadline.ts";
import { deadlinesOf } from "./deadline.ts";
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

/** What those of these jobs get that have dependencies, by their ids. Rejects when the store cannot give it. */
async function givenTo(store: Store, jobs: readonly ClaimedJob[]): Promise<ReadonlyMap<string, readonly Given[]>> {
  const waited = jobs.filter(({ dependencies }) => dependencies > 0);
  const asked = waited.filter(({ inputs }) => inputs === undefined).map(({ id }) => id);
  const answers = asked.length === 0 ? [] : await store.inputs(asked);
  const ended = answers.flat().filter((input) => typeof input !== "string");
  const errors = ended.length === 0 ? undefined : await errorsOf(store, ended);
  const givenOf = (input: Input): Given => (typeof input === "string" ? input : new Fallen(input, errors?.get(input.id)));
  const answered = new Map(asked.map((id, index) => [id, answers[index]] as const));
  return new Map(waited.map(({ id, inputs }) => [id, (inputs ?? answered.get(id) ?? []).map(givenOf)] as const));
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

/** What jobs get with their claim: of their dependencies, and until when. */
export interface GivenBeside {
  readonly inputs: ReadonlyMap<string, readonly Given[]>;
  readonly deadlines: ReadonlyMap<string, Deadline>;
}

/** What these claimed jobs get beside themselves. */
export async function givenBeside(store: Store, claimed: readonly ClaimedJob[]): Promise<GivenBeside> {
  const [inputs, deadlines] = await Promise.all([givenTo(store, claimed), deadlinesOf(store, claimed)]);
  return { inputs, deadlines };
}
