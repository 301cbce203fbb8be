// How a claim's room is divided among groups of queues by their weights. A want of the store divides evenly, so each group that is to get
// something is a want of its own. A group that gave less than it was asked for is dry: it gets no share until it gives something again, but is named in the
// wants of the others, so that what is left goes to it in the same step. Of shares that are not whole the rest is remembered:
// with one free place at a time, the groups take turns as their weights say, and none starves.
import type { Want } from "../store/store.ts";

/** Queues that share a weight. */
export interface QueueGroup {
  readonly weight: number;
  readonly queues: readonly string[];
}

/** Room asked for. */
export interface Asked {
  readonly wants: readonly Want[];
  /** Told how many jobs each queue gave; true when others may have what these did not. */
  readonly answered: (given: ReadonlyMap<string, number>) => boolean;
}

/** The queues take turns in being named first in a want, because an odd place goes to the first. */
export function inTurn(queues: readonly string[], turn: number): readonly string[] {
  const first = queues.length === 0 ? 0 : turn % queues.length;
  return first === 0 ? queues : [...queues.slice(first), ...queues.slice(0, first)];
}

/** Divides room again and again, and remembers who was dry and who is owed. */
export class Shares {
  /** By place of the group. */
  #owed: number[] = [];
  #dry = new Set<number>();
  readonly #turns: number[] = [];

  /** Wants for these rooms. */
  ask(groups: readonly QueueGroup[], rooms: readonly { readonly tasks: readonly string[]; readonly limit: number }[]): Asked {
    const wet = this.#wet(groups);
    if (wet.length === 0) return { wants: [], answered: () => false };
    const dry = groups.flatMap(({ queues }, place) => (wet.includes(place) ? [] : queues));
    const asked = new Map<number, number>();
    const wants: Want[] = [];
    for (const { tasks, limit } of rooms) {
      for (const [place, share] of this.#divide(groups, wet, limit)) {
        // Its own turns: those of all groups together could fall in with the order in which the groups come.
        const turn = (this.#turns[place] = (this.#turns[place] ?? 0) + 1);
        wants.push({ queues: [...inTurn(groups[place]?.queues ?? [], turn), ...dry], tasks, limit: share });
        asked.set(place, (asked.get(place) ?? 0) + share);
      }
    }
    return { wants, answered: (given) => this.#answered(groups, wet, asked, given) };
  }

  /** The groups that get a share: those with queues that are not dry; all of them when all are. */
  #wet(groups: readonly QueueGroup[]): number[] {
    const places = groups.flatMap(({ queues }, place) => (queues.length > 0 ? [place] : []));
    const wet = places.filter((place) => !this.#dry.has(place));
    if (wet.length > 0) return wet;
    this.#dry.clear();
    return places;
  }

  #divide(groups: readonly QueueGroup[], wet: readonly number[], limit: number): [place: number, share: number][] {
    const weightOf = (place: number): number => groups[place]?.weight ?? 0;
    const total = wet.reduce((sum, place) => sum + weightOf(place), 0);
    // What is owed to who is dry now is forgotten: nobody saves up while he has no work.
    const owed = groups.map((_, place) =>
      wet.includes(place) ? (this.#owed[place] ?? 0) + (limit * weightOf(place)) / total : 0,
    );
    const shares = new Map(wet.map((place) => [place, Math.max(0, Math.floor(owed[place] as number))] as const));
    let left = limit - [...shares.values()].reduce((sum, share) => sum + share, 0);
    const rest = (place: number): number => (owed[place] as number) - (shares.get(place) as number);
    for (; left > 0; left--) {
      const next = wet.reduce((best, place) => (rest(place) > rest(best) ? place : best));
      shares.set(next, (shares.get(next) as number) + 1);
    }
    for (; left < 0; left++) {
      const next = wet.reduce((best, place) => ((shares.get(place) as number) > 0 && rest(place) < rest(best) ? place : best));
      shares.set(next, (shares.get(next) as number) - 1);
    }
    this.#owed = groups.map((_, place) => (shares.has(place) ? rest(place) : 0));
    return [...shares].filter(([, share]) => share > 0);
  }

  #answered(
    groups: readonly QueueGroup[],
    wet: readonly number[],
    asked: ReadonlyMap<number, number>,
    given: ReadonlyMap<string, number>,
  ): boolean {
    const gave = groups.map(({ queues }) => queues.reduce((sum, queue) => sum + (given.get(queue) ?? 0), 0));
    // What the dry ones gave, they took out of the share of one that is not.
    const others = gave.reduce((sum, count, place) => (wet.includes(place) ? sum : sum + count), 0);
    let ranDry = false;
    for (const place of groups.keys()) {
      const count = gave[place] as number;
      if (!wet.includes(place)) {
        if (count > 0) this.#dry.delete(place);
        else this.#dry.add(place);
      } else if (asked.has(place) && count + others < (asked.get(place) as number)) {
        this.#dry.add(place);
        ranDry = true;
      }
    }
    return ranDry && wet.some((place) => !this.#dry.has(place));
  }
}
