// Unique keys held: never two live jobs of one key, and a submit whose key was taken was given a job that lived. What is compared are
// times at which a job lived for certain, by one clock; so nothing is found that was not.
import type { Case, Cases } from "./evidence.ts";
import type { Submit } from "./workload.ts";

/** From when until when a job with a key lived for certain. */
interface Life {
  readonly id: string;
  readonly from: number;
  readonly until: number;
}

function lifeOf({ id, submits, claimed, ran, answered, made }: Case): Life {
  const known = [
    ...submits.map(({ ackedAt }) => ackedAt ?? Infinity),
    ...claimed.map(({ at }) => at),
    ...ran.map(({ at }) => at),
  ];
  return { id, from: Math.min(...known), until: lastAlive({ ran, answered, made }) };
}

/** Its end came after its recorded execution began, and after the outcome that was taken was sent. */
function lastAlive({ ran, answered, made }: Pick<Case, "ran" | "answered" | "made">): number {
  const began = ran.filter(({ token }) => token === made?.token).map(({ at }) => at);
  const sent = answered.filter(({ kind, outcome }) => kind === "accepted" && outcome === "done").map(({ sentAt }) => sentAt);
  return Math.max(-Infinity, ...began, ...sent);
}

/** Compares the lives of all jobs of each key. */
export function checkKeys(cases: Cases, tell: (id: string, what: string) => void): void {
  const byKey = new Map<string, Life[]>();
  for (const found of cases.all()) {
    const key = found.job?.uniqueKey;
    if (key === null || key === undefined) continue;
    const life = lifeOf(found);
    const lives = byKey.get(key) ?? [];
    byKey.set(key, lives);
    if (life.from < life.until) lives.push(life);
  }
  for (const lives of byKey.values()) {
    lives.sort((a, b) => a.from - b.from);
    let last: Life | undefined;
    for (const life of lives) {
      if (last && life.from < last.until) tell(life.id, `lived at the same time as ${last.id}, which has the same unique key`);
      if (!last || life.until > last.until) last = life;
    }
  }
}

/** What submits with a key were given. */
export function checkExisting(submits: readonly Submit[], cases: Cases, tell: (id: string, what: string) => void): void {
  for (const { id, key, ackedId, sentAt } of submits) {
    if (key === null || ackedId === null) continue;
    const found = cases.get(ackedId);
    if (!found?.job?.uniqueKey?.endsWith(key)) tell(ackedId, `was given to a submit with the key "${key}", which is not its own`);
    const ended = found?.answered.find((line) => line.kind === "accepted" && line.outcome === "done");
    if (ackedId !== id && ended && ended.at < sentAt) tell(ackedId, `was given to a submit that came after its end, for its key`);
  }
}
