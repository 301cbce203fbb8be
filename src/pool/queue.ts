// Entries that could start now, by priority. Within a priority, entries go in the order they came, and a map (a feed that
// makes its entries only when a worker has room) takes turns with them and with other maps: an endless map starves nobody.
// An entry that has ended meanwhile stays in its place and is passed over.
import type { Definition } from "../task/task.ts";
import type { Entry } from "./entry.ts";
import type { TaskRecord } from "./record.ts";

/** Makes entries on demand: a map. */
export interface Feed {
  readonly definition: Definition;
  readonly record: TaskRecord;
  readonly priority: number;
  /** Adds at most `most` entries to `into`; fewer, or none, when it has no more for now. */
  fill(into: Entry[], most: number): void;
  /** How many it could give now, as far as it knows; 0 when it must be woken first. */
  readonly waiting: number;
  /** Ends it with an error. */
  fail(error: unknown): void;
  /** The pool is being closed: no more entries than there are inputs. */
  finish(): void;
}

/** How long a batch of different tasks should take, in ms. */
const mixedBatchMs = 1;

class Level {
  readonly priority: number;
  readonly feeds: Feed[] = [];
  #entries: Entry[] = [];
  #head = 0;
  #turn = 0;

  constructor(priority: number) {
    this.priority = priority;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  unshift(entries: readonly Entry[]): void {
    this.#entries = [...entries, ...this.#entries.slice(this.#head)];
    this.#head = 0;
  }

  get waiting(): number {
    // What has ended must not be waited for: workers would be started for it.
    this.#next();
    let count = this.#entries.length - this.#head;
    for (const feed of this.feeds) count += feed.waiting;
    return count;
  }

  take(share: number, shortOnly: boolean): Entry[] {
    const count = this.feeds.length + 1;
    for (let i = 0; i < count; i++) {
      const turn = this.#turn++ % count;
      const feed = this.feeds[turn];
      const taken = feed ? takeFrom(feed, share, shortOnly) : this.#takeEntries(share, shortOnly);
      if (taken.length > 0) return taken;
    }
    return [];
  }

  /** Every entry that waits here itself. */
  entries(): Entry[] {
    return this.#entries.slice(this.#head).filter((entry) => entry.phase === "ready");
  }

  #takeEntries(share: number, shortOnly: boolean): Entry[] {
    const taken: Entry[] = [];
    let ms = 0;
    for (let entry = this.#next(); entry; entry = this.#next()) {
      const alone = entry.alone || entry.record.batchSize === 1;
      if (shortOnly && (entry.alone || !entry.record.isShort)) break;
      if (taken.length > 0 && (alone || taken.length >= entry.record.batchSize)) break;
      this.#head += 1;
      taken.push(entry);
      ms += entry.record.averageMs ?? 0;
      if (alone || ms >= mixedBatchMs || taken.length >= share) break;
    }
    this.#compact();
    return taken;
  }

  /** The first entry that still waits. */
  #next(): Entry | undefined {
    for (; this.#head < this.#entries.length; this.#head++) {
      const entry = this.#entries[this.#head];
      if (entry?.phase === "ready") return entry;
    }
    return undefined;
  }

  #compact(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}

function takeFrom(feed: Feed, share: number, shortOnly: boolean): Entry[] {
  const taken: Entry[] = [];
  if (feed.waiting === 0 || (shortOnly && !feed.record.isShort)) return taken;
  feed.fill(taken, Math.min(feed.record.batchSize, Math.max(share, 1)));
  return taken;
}

export class Queue {
  /** Highest priority first. */
  readonly #levels: Level[] = [];

  /** Entries and inputs that could start now; an upper bound. */
  get waiting(): number {
    let count = 0;
    for (const level of this.#levels) count += level.waiting;
    return count;
  }

  /** The highest priority at which something waits, or undefined. Of use only when there are several. */
  get highest(): number | undefined {
    return this.#levels.find((level) => level.waiting > 0)?.priority;
  }

  get hasPriorities(): boolean {
    return this.#levels.length > 1;
  }

  push(entry: Entry): void {
    this.#level(entry.priority).push(entry);
  }

  /** Puts entries of one priority back in front. */
  putBack(entries: readonly Entry[]): void {
    const byPriority = Map.groupBy(entries, (entry) => entry.priority);
    for (const [priority, group] of byPriority) this.#level(priority).unshift(group);
  }

  addFeed(feed: Feed): void {
    this.#level(feed.priority).feeds.push(feed);
  }

  /** False when it was removed before. */
  removeFeed(feed: Feed): boolean {
    const feeds = this.#levels.find(({ priority }) => priority === feed.priority)?.feeds ?? [];
    const place = feeds.indexOf(feed);
    if (place >= 0) feeds.splice(place, 1);
    return place >= 0;
  }

  feeds(): Feed[] {
    return this.#levels.flatMap(({ feeds }) => feeds);
  }

  /** The next batch; `workers` share what waits. `shortOnly`: for a worker that is still busy. Empty when nothing can start. */
  take(workers: number, shortOnly: boolean): Entry[] {
    for (const level of this.#levels) {
      const taken = level.take(Math.max(1, Math.ceil(level.waiting / (workers * 2))), shortOnly);
      if (taken.length > 0 || (shortOnly && level.waiting > 0)) return taken;
    }
    this.#dropEmptyLevels();
    return [];
  }

  /** Every entry that waits in the queue itself. */
  entries(): Entry[] {
    return this.#levels.flatMap((level) => level.entries());
  }

  #dropEmptyLevels(): void {
    for (let i = this.#levels.length - 1; i > 0; i--) {
      const level = this.#levels[i];
      if (level?.waiting === 0 && level.feeds.length === 0) this.#levels.splice(i, 1);
    }
  }

  #level(priority: number): Level {
    const known = this.#levels.find((level) => level.priority === priority);
    if (known) return known;
    const made = new Level(priority);
    const place = this.#levels.findIndex((level) => level.priority < priority);
    this.#levels.splice(place < 0 ? this.#levels.length : place, 0, made);
    return made;
  }
}
