// The ids of jobs that a schedule made. They say which schedule and which of its ticks, so that the job of a tick can be found without
// looking for it, no tick can become two jobs, and a running task knows for when it was meant:
//
//   nightly@2026-03-29T01:00:00.000Z              the job of a tick; of a graph of calls, the outermost one
//   nightly@2026-03-29T01:00:00.000Z/2            another call of that graph
//   nightly@2026-03-29T14:07:31.250Z~0W5K7Q…      triggered by hand at that time

/** Which schedule made a job, and for when. */
export interface Scheduled {
  readonly schedule: string;
  /** The time of the tick, in ms since 1970; of a triggered job, when it was triggered. */
  readonly at: number;
  readonly isTriggered: boolean;
}

/** The id of the job of a tick. */
export function tickId(schedule: string, at: number): string {
  return `${schedule}@${new Date(at).toISOString()}`;
}

/** The id of a job triggered by hand; `mark` tells it from others of the same ms. */
export function triggeredId(schedule: string, at: number, mark: string): string {
  return `${tickId(schedule, at)}~${mark}`;
}

/** The id of another call of the graph that `id` is the outermost call of. */
export function partId(id: string, part: number): string {
  return `${id}/${part}`;
}

/** What the id of a job says, or undefined when no schedule made it. */
export function scheduledBy(id: string): Scheduled | undefined {
  const match = /^([^@]+)@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)(~\w+)?(?:\/\d+)?$/.exec(id);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { schedule: match[1], at: Date.parse(match[2]), isTriggered: match[3] !== undefined };
}

/** The time for which a schedule made the job with this id, or undefined when none did. */
export function tickOf(id: string): Date | undefined {
  const scheduled = scheduledBy(id);
  return scheduled && new Date(scheduled.at);
}
