// Why jobs failed that others made fail: the error of the one that failed by itself, and the way down to it. Both are looked up
// when someone gets the error, and not before. A store tells of a job only which one made it fail. The jobs on the way are those
// of the graph that failed for the same cause: the oldest of them needs that one directly, and each says in its policy which job
// needs it in turn (see `plan.ts`).
import type { Ended, Job } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Why } from "./ending.ts";
import { errorOf } from "./ending.ts";
import { decodePolicy } from "./policy.ts";

/** For more failed jobs at a time the ways are not looked up: each takes a look at a graph. */
const mostWays = 100;
/** So many failed jobs of a graph are looked at, the newest first, which is the root and those near to it. */
const mostFailed = 500;

type Looks = Pick<Store, "endings" | "get" | "list">;

/** The way from a job down to the one that made it fail, or undefined when it cannot be told any more. */
function wayDown(job: Job, below: Ended, failed: readonly Job[]): string[] | undefined {
  const onTheWay = new Map<string, Job>();
  for (const each of failed) if (each.cause === job.cause) onTheWay.set(each.id, each);
  const path = [below.task];
  let next = [...onTheWay.values()].at(-1);
  for (; next; next = onTheWay.get(decodePolicy(next.policy).above ?? "")) {
    path.push(next.task);
    if (next.id === job.id) return path.toReversed();
    // Each is passed once, whatever another program may have written.
    onTheWay.delete(next.id);
  }
  return undefined;
}

async function waysOf(store: Looks, ended: readonly Ended[], causes: ReadonlyMap<string, Ended>): Promise<Map<string, string[]>> {
  const ways = new Map<string, string[]>();
  if (ended.length > mostWays) return ways;
  const graphs = Map.groupBy(await store.get(ended.map(({ id }) => id)), ({ root }) => root);
  for (const [root, jobs] of graphs) {
    const failed = await store.list({ root, states: ["failed"] }, { limit: mostFailed });
    for (const job of jobs) {
      const below = causes.get(job.cause ?? "");
      const way = below && failed.length < mostFailed ? wayDown(job, below, failed) : undefined;
      if (way) ways.set(job.id, way);
    }
  }
  return ways;
}

/** The errors of jobs that did not end as done, by their ids. */
export async function errorsOf(store: Looks, ended: readonly Ended[]): Promise<Map<string, unknown>> {
  const fallen = ended.filter(({ cause }) => cause !== null);
  const found = fallen.length === 0 ? [] : await store.endings([...new Set(fallen.map(({ cause }) => cause as string))]);
  const causes = new Map(found.map((each) => [each.id, each] as const));
  const ways = fallen.length === 0 ? undefined : await waysOf(store, fallen, causes);
  return new Map(ended.map((each) => [each.id, errorOf(each, whyOf(each, causes, ways?.get(each.id)))] as const));
}

function whyOf({ task, cause }: Ended, causes: ReadonlyMap<string, Ended>, way: string[] | undefined): Why {
  const below = causes.get(cause ?? "");
  return { path: way ?? [task, below?.task ?? "unknown"], error: below && errorOf(below) };
}
