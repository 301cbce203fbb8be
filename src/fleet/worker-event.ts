// What a worker has to say, and how it is said when nobody listens.
import { showMs } from "../core/durations.ts";
import { show } from "../core/show.ts";

/** Something a worker has to say, to the `report` it was given; `kind` says what. Errors of jobs are not among them: they are stored with the jobs. */
export type WorkerEvent =
  /** A task held the event loop; the lease's thread has said so on standard error already. */
  | { readonly kind: "blocked"; readonly ms: number; readonly where: string }
  /** The worker was taken for lost and joins again. */
  | { readonly kind: "lease-lost"; readonly worker: string }
  /** An outcome came too late: the job had been given to another worker. */
  | { readonly kind: "refused"; readonly id: string }
  /** Someone asked this worker to stop. */
  | { readonly kind: "drain" }
  /** A job has waited `ms` though this worker has room for it and is not given it; the worker connects anew. */
  | { readonly kind: "stalled"; readonly id: string; readonly ms: number }
  /** The store failed; the worker tries again. The same failure is told once a minute. */
  | { readonly kind: "store-failed"; readonly error: Error }
  /** The store works again, `ms` after it first failed. */
  | { readonly kind: "store-back"; readonly ms: number }
  /** The store cannot be used any more; the worker has ended. */
  | { readonly kind: "store-lost"; readonly error: Error }
  /** A schedule cannot fire; the worker tries again. The same failure is told once. */
  | { readonly kind: "schedule-failed"; readonly schedule: string; readonly error: Error }
  /** Middleware that listens, or its upkeep, failed; no job is harmed. `name` says which. */
  | { readonly kind: "middleware-failed"; readonly name: string; readonly error: unknown }
  /** `context().log()` */
  | { readonly kind: "log"; readonly id: string; readonly task: string; readonly message: string }
  /** A job went on with another program: steps it had recorded were not met any more (`gone`); others were new (`fresh`); at most 20 of each. */
  | {
      readonly kind: "steps-changed";
      readonly id: string;
      readonly task: string;
      readonly gone: readonly string[];
      readonly fresh: readonly string[];
    }
  /** An attempt ended here. */
  | {
      readonly kind: "ended";
      readonly id: string;
      readonly task: string;
      readonly outcome: "done" | "failed" | "retry" | "waiting" | "crashed" | "released" | "cancelled";
    };

function listed(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/** The event in a sentence for people. */
export function describeEvent(event: WorkerEvent): string {
  switch (event.kind) {
    case "blocked":
      return `a task held the event loop for ${showMs(event.ms)}: ${event.where}`;
    case "lease-lost":
      return `worker ${event.worker} was taken for lost (was the machine asleep?). Its jobs went to others; it joins again.`;
    case "refused":
      return `the outcome of job ${event.id} came too late and was refused: the job had been given to another worker.`;
    case "drain":
      return "the worker was asked to stop.";
    case "stalled":
      return `job ${event.id} has waited for ${showMs(event.ms)} and is not given to this worker, which has room. It connects anew.`;
    case "store-failed":
      return `the store failed, trying again: ${event.error.message}`;
    case "store-back":
      return `the store works again, ${showMs(event.ms)} after it failed.`;
    case "store-lost":
      return `the worker has ended: ${event.error.message}`;
    case "schedule-failed":
      return `schedule "${event.schedule}" cannot fire, trying again: ${event.error.message}`;
    case "middleware-failed":
      return `${event.name} failed, and the job goes on: ${show(event.error)}`;
    case "log":
      return `${event.task} ${event.id}: ${event.message}`;
    case "steps-changed": {
      const fresh = event.fresh.length > 0 ? `, and ${listed(event.fresh)} were new.` : ".";
      return `job ${event.id} of task "${event.task}" went on with a changed program: its recorded steps ${listed(event.gone)} were not met any more${fresh}`;
    }
    case "ended":
      return `${event.outcome} ${event.task} ${event.id}`;
  }
}

/** Writes warnings and log lines to standard error; what went as it should is not worth a line. */
export function printEvent(event: WorkerEvent): void {
  // Of a blocked loop the lease's thread has told already: while it happened.
  if (event.kind === "ended" || event.kind === "blocked") return;
  if (event.kind === "log") return console.error(describeEvent(event));
  console.error(`manyhands: ${describeEvent(event)}`);
  if (event.kind === "middleware-failed") console.error(event.error);
}
