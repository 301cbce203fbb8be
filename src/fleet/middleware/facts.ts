// Jobs as middleware sees them. Arguments and errors are decoded when they are asked for.
import type { ClaimedJob, NewJob, Outcome } from "../../store/job.ts";
import { decode } from "../../task/codec.ts";
import type { Place } from "../../task/options.ts";
import { decodeThrown } from "../../task/thrown.ts";
import type { Plan } from "../plan.ts";
import type { CallFacts, EndFacts, JobFacts, SubmitFacts } from "./middleware.ts";

function argsOf(text: string, dependencies: number): readonly unknown[] {
  return decode(text, Array<null>(dependencies).fill(null)) as readonly unknown[];
}

/** The task's name alone, without what the job requires of a worker. */
function nameOf(line: string): string {
  return line.split("\n", 1)[0] as string;
}

/** A row that is about to be stored. */
export function callFacts(job: NewJob): CallFacts {
  const { id, task, queue, priority, root, parent, trace } = job;
  return {
    id,
    task: nameOf(task),
    queue,
    priority,
    root,
    parent,
    trace,
    get args() {
      return argsOf(job.args, job.dependsOn.length);
    },
  };
}

/** The submit of a plan. */
export function submitFacts({ jobs, rootAt }: Plan): SubmitFacts {
  const calls = jobs.map(callFacts);
  return Object.defineProperty(calls[rootAt], "calls", { value: calls }) as SubmitFacts;
}

/** A job that a worker was given. */
export function jobFacts(job: ClaimedJob, on: Place): JobFacts {
  const { id, task, queue, attempt, root, parent, trace, submittedAt } = job;
  return {
    id,
    task: nameOf(task),
    queue,
    attempt,
    root,
    parent,
    trace,
    submittedAt,
    on,
    get args() {
      return argsOf(job.args, job.dependencies);
    },
  };
}

/** How an attempt ended. */
export function endFacts(outcome: Outcome): EndFacts {
  return {
    outcome: outcome.kind,
    get error() {
      return "error" in outcome ? decodeThrown(outcome.error) : undefined;
    },
  };
}
