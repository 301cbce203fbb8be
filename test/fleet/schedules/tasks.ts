// Tasks for the tests of schedules.
import { context, task } from "../../../src/index.ts";

function seen(): readonly [id: string, at: number | undefined] {
  const { id, scheduledFor } = context();
  return [id, scheduledFor?.getTime()];
}

/** What the context says, on the loop, in a thread and in a process. */
export const onLoop = task("schedules.onLoop", seen);
export const onThread = task("schedules.onThread", seen, { on: "thread" });
export const onProcess = task("schedules.onProcess", seen, { on: "process" });
export const both = task("schedules.both", (a: unknown, b: unknown) => [a, b, seen()]);
