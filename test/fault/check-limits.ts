// Limits held: of a key never more ran at a time than there is room for. A job has its place for certain from when its execution began until the
// outcome of that was sent which the store took; lost leases have given their places away, and count for nothing.
import { decode } from "../../src/task/codec.ts";
import type { Case, Cases } from "./evidence.ts";
import { limitedRoom } from "./tasks.ts";

interface Place {
  readonly id: string;
  readonly from: number;
  readonly until: number;
}

/** When this job had a place, by each of its claims that ended in an outcome. */
function placesOf({ id, ran, answered }: Case): Place[] {
  return ran.flatMap(({ fence, at }) => {
    const taken = answered.find((line) => line.kind === "accepted" && line.fence === fence);
    return taken ? [{ id, from: at, until: taken.sentAt }] : [];
  });
}

/** Compares the places of all jobs of each key. */
export function checkLimits(cases: Cases, tell: (id: string, what: string) => void): void {
  const byKey = new Map<string, Place[]>();
  for (const found of cases.all()) {
    if (found.job?.task !== "fault.limited") continue;
    const [, key] = decode(found.job.args) as readonly [number, string, number];
    byKey.set(key, [...(byKey.get(key) ?? []), ...placesOf(found)]);
  }
  for (const places of byKey.values()) {
    let held: Place[] = [];
    for (const place of places.toSorted((a, b) => a.from - b.from)) {
      held = [...held.filter(({ until }) => until > place.from), place];
      if (held.length > limitedRoom)
        tell(place.id, `ran beside ${held.map(({ id }) => id).join(" and ")}: room is for ${limitedRoom}`);
    }
  }
}
