// Each job that was acknowledged ended, once, by an execution that held its lease.
import type { Job } from "../../src/store/job.ts";
import { decode } from "../../src/task/codec.ts";
import { isFinal } from "../../src/task/state.ts";
import type { Case } from "./evidence.ts";
import type { Answered } from "./history.ts";
import type { Made } from "./tasks.ts";
import { flakyFails, flakyRetries } from "./tasks.ts";

/** Tells what is wrong with one job. */
export type Tell = (what: string) => void;

/** How this job ended. */
export function checkEnding(found: Case, tell: Tell): void {
  const { job, made } = found;
  if (!job)
    return tell(found.submits.length > 0 ? "was acknowledged and is not stored" : "was given to a worker and is not stored");
  if (!isFinal(job.state)) return tell(`has not ended, it is ${job.state}`);
  if (job.state === "done" && made) checkResult(found, job, made, tell);
  else if (job.state === "done") tell(`is done with a result nobody made: ${job.result}`);
  else if (job.state !== "failed" || !mayFail(job))
    tell(`has ended as ${job.state} after ${job.attempt} attempts, ${job.crashes} crashes`);
  checkClaims(found, job, tell);
  checkAnswers(found, job, tell);
}

function numberOf(job: Job): number {
  const blanks = Array.from({ length: job.dependencies }, () => null);
  return (decode(job.args, blanks) as readonly number[])[0] as number;
}

/** Only a job whose every attempt was to fail may fail, or one that was to be set aside after its crashes. */
function mayFail(job: Job): boolean {
  if (job.task === "fault.fragile") return job.crashes === job.crashLimit + 1;
  return job.task === "fault.flaky" && job.attempt - job.crashes === flakyRetries + 1 && flakyFails(numberOf(job), job.attempt);
}

/** The result comes from one execution, and that one had the last claim. */
function checkResult({ ran }: Case, job: Job, made: Made, tell: Tell): void {
  if (made.id !== job.id || made.n !== numberOf(job)) tell(`has the result of job ${made.id}`);
  const by = ran.filter(({ token }) => token === made.token);
  if (by.length !== 1) tell(`has a result of which there are ${by.length} executions in the history`);
  if (made.fence !== job.fence || made.attempt !== job.attempt || made.worker !== job.worker) {
    const last = `fence ${job.fence}, attempt ${job.attempt}, worker ${job.worker}`;
    tell(
      `has the outcome of a lost lease: fence ${made.fence}, attempt ${made.attempt}, worker ${made.worker}; the last claim is ${last}`,
    );
  }
  if (job.task === "fault.flaky" && flakyFails(made.n, made.attempt)) tell(`is done by attempt ${made.attempt}, which failed`);
}

/** Each claim went to one worker, once. */
function checkClaims({ claimed }: Case, job: Job, tell: Tell): void {
  const fences = new Set<number>();
  for (const { fence, worker } of claimed) {
    if (fences.has(fence)) tell(`was given out twice under fence ${fence}, the second time to ${worker}`);
    if (fence > job.fence)
      tell(`was given to ${worker} under fence ${fence}, which the store has forgotten: it is at ${job.fence}`);
    fences.add(fence);
  }
}

const endings: ReadonlySet<Answered["outcome"]> = new Set(["done", "failed", "cancelled"]);

/** What the store accepted is what is stored; and it accepted nothing of a claim after a later one had been given out. */
function checkAnswers({ answered, claimed }: Case, job: Job, tell: Tell): void {
  for (const { kind, outcome, fence, result, sentAt, worker } of answered) {
    if (kind !== "accepted") continue;
    const said = `the ${outcome} of worker ${worker}, fence ${fence}`;
    const later = claimed.find((claim) => claim.fence > fence && claim.at < sentAt);
    if (later) tell(`was settled by ${said}, sent after fence ${later.fence} had been given to ${later.worker}`);
    if (endings.has(outcome)) {
      if (outcome !== job.state || fence !== job.fence || result !== job.result) {
        tell(`ended with ${said}, which was acknowledged, and is stored as ${job.state}, fence ${job.fence}`);
      }
    } else if (outcome !== "crashed" && fence >= job.fence) tell(`has ended without a claim after ${said}`);
  }
}
