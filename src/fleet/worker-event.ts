// What a worker has to say, and how it is said when nobody listens.
import { showMs } from "../core/durations.ts";

/** Something a worker has to say. Errors of jobs are not among them: they are stored with the jobs. */
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

/** Writes warnings and log lines to standard error; what went as it should is not worth a line. */
export function printEvent(event: WorkerEvent): void {
  if (event.kind === "log") console.error(`${event.task} ${event.id}: ${event.message}`);
  else if (event.kind === "lease-lost") {
    console.error(
      `manyhands: worker ${event.worker} was taken for lost (was the machine asleep?). Its jobs went to others; it joins again.`,
    );
  } else if (event.kind === "refused") {
    console.error(
      `manyhands: the outcome of job ${event.id} came too late and was refused: the job had been given to another worker.`,
    );
  } else if (event.kind === "drain") console.error("manyhands: the worker was asked to stop.");
  else if (event.kind === "stalled") {
    console.error(
      `manyhands: job ${event.id} has waited for ${showMs(event.ms)} and is not given to this worker, which has room. It connects anew.`,
    );
  } else if (event.kind === "steps-changed") {
    console.error(
      `manyhands: job ${event.id} of task "${event.task}" went on with a changed program: its recorded steps ${listed(event.gone)} were not met any more` +
        (event.fresh.length > 0 ? `, and ${listed(event.fresh)} were new.` : "."),
    );
  } else if (event.kind === "store-back") console.error(`manyhands: the store works again, ${showMs(event.ms)} after it failed.`);
  else if (event.kind === "store-lost") console.error(`manyhands: the worker has ended: ${event.error.message}`);
  else if (event.kind === "schedule-failed") {
    console.error(`manyhands: schedule "${event.schedule}" cannot fire, trying again: ${event.error.message}`);
  } else if (event.kind === "middleware-failed") {
    console.error(`manyhands: ${event.name} failed, and the job goes on:`, event.error);
  } else if (event.kind === "store-failed") console.error(`manyhands: the store failed, trying again: ${event.error.message}`);
}
