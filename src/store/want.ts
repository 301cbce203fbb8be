// How the room of a want is divided among its queues.
import type { Want } from "./store.ts";

/**
 * Fills a want: `take` takes at most so many jobs from a queue. A queue gets an even share of the room that is left, and those
 * that filled theirs are asked again for what the others left.
 */
export function fillWant<T>({ queues, limit }: Want, take: (queue: string, limit: number) => readonly T[]): T[] {
  const taken: T[] = [];
  let asked = [...new Set(queues)];
  while (asked.length > 0) {
    const filled: string[] = [];
    for (const [i, queue] of asked.entries()) {
      const room = Math.ceil((limit - taken.length) / (asked.length - i));
      if (!(room > 0)) return taken;
      const found = take(queue, room);
      for (const each of found) taken.push(each);
      if (found.length === room) filled.push(queue);
    }
    asked = filled;
  }
  return taken;
}
