// How many jobs a worker may hold for one place (loop, threads or processes). Jobs of tasks that have lately been short are
// claimed ahead, so that a claim and its commit are shared by hundreds of them; others are not, so that they stay free for other
// workers. What a task would get done within `horizonMs`, at the rate at which it has lately been done, is claimed ahead.
import type { Claim, ClaimedJob } from "../store/job.ts";
import type { Place } from "../task/options.ts";
import type { Deadline } from "./deadline.ts";
import type { Given } from "./given.ts";
import type { Definition } from "../task/task.ts";

const horizonMs = 50;
const mostAhead = 4000;
const mostAtOnce = 2000;
/** A job or two in a ms are no rate: long jobs that happen to end together must not look short. */
const leastSpanMs = 10;
const leastEnded = 32;
/** Below this rate nothing would be claimed ahead. */
const leastRatePerMs = 1 / horizonMs;

/** A job claimed but not started. */
export interface Held {
  readonly job: ClaimedJob;
  /** What it gets of its dependencies. */
  readonly inputs: readonly Given[];
  readonly deadline: Deadline | undefined;
  /** When it was claimed, on the monotonic clock. */
  readonly since: number;
}

/** What to claim: at most so many jobs of these tasks. */
export interface Room {
  readonly tasks: readonly string[];
  readonly limit: number;
}

/** The jobs a worker holds for one place. */
export class Slots {
  readonly place: Place;
  readonly capacity: number;
  readonly tasks: string[];
  readonly #mayBeAhead: ReadonlySet<string>;
  #running = 0;
  /** Those that waited and want to go on. */
  readonly #returning: (() => void)[] = [];
  /** Claims asked for and not answered. */
  #asked = 0;
  #held: Held[] = [];
  #next = 0;
  /** How many of each task have ended since the last measurement, and how many end in a ms. */
  #ended = new Map<string, number>();
  #rates = new Map<string, number>();
  #ahead = 0;
  #measuredAt: number;

  constructor(place: Place, tasks: readonly Definition[], capacity: number, elapsed: number) {
    this.place = place;
    this.tasks = tasks.map(({ name }) => name);
    // What is claimed ahead starts within the horizon, so a place or a token is held no longer for it; but it blurs shares.
    const isShared = ({ policy }: Definition): boolean => policy.limits.some(({ kind }) => kind === "fair");
    this.#mayBeAhead = new Set(tasks.filter((task) => !isShared(task)).map(({ name }) => name));
    this.capacity = capacity;
    this.#measuredAt = elapsed;
  }

  /** Takes jobs of this task too. */
  serve(task: string): void {
    this.tasks.push(task);
  }

  /** Jobs claimed and not started. */
  get held(): number {
    return this.#held.length - this.#next;
  }

  /** True while no slot stands idle: there is no hurry to claim more. */
  get isFull(): boolean {
    return this.#running + this.held + this.#returning.length >= this.capacity;
  }

  /** What there is room for now; `isLarge` says that a settle of many outcomes goes to the store anyway. */
  rooms(elapsed: number, isLarge: boolean): Room[] {
    this.#measure(elapsed);
    const rooms: Room[] = [];
    const idle = this.capacity - this.#running - this.held - this.#asked - this.#returning.length;
    if (idle > 0) rooms.push({ tasks: this.tasks, limit: idle });
    // Small refills cost a commit each: wait until a worthwhile part is free, unless a slot stands idle.
    const ahead = this.#ahead + Math.min(0, idle);
    if (ahead > 0 && (idle > 0 || isLarge || ahead * 2 >= this.#ahead))
      rooms.push({ tasks: [...this.#rates.keys()], limit: Math.min(ahead, mostAtOnce) });
    return rooms;
  }

  /** Counts these rooms as taken until the function it returns is called, which is when the store has answered. */
  ask(rooms: readonly Room[]): () => void {
    const asked = rooms.reduce((sum, { limit }) => sum + limit, 0);
    this.#asked += asked;
    return () => void (this.#asked -= asked);
  }

  /** The jobs claimed and not started. */
  claims(): Claim[] {
    return this.#held.slice(this.#next).map(({ job }) => job);
  }

  hold(held: Held): void {
    if (held.job.crashes === 0) return void this.#held.push(held);
    // What was with a worker that died goes first: while it waits, another job's crash would count as its own.
    let at = this.#next;
    while ((this.#held[at]?.job.crashes ?? 0) > 0) at += 1;
    this.#held.splice(at, 0, held);
  }

  /**
   * The oldest held job, if there is room for it where it runs. Threads and processes take jobs ahead when there are short ones,
   * because their pool batches them; those it has not begun can be taken back.
   */
  take(): Held | undefined {
    const most = this.place === "loop" ? this.capacity : this.capacity + this.#ahead;
    if (this.held === 0 || this.#running >= most) return undefined;
    const held = this.#held[this.#next++] as Held;
    if (this.#next > 1024 && this.#next * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#next);
      this.#next = 0;
    }
    this.#running += 1;
    return held;
  }

  /** A job that was taken has ended, or was given back without having begun. */
  free(task: string, hasEnded: boolean): void {
    this.leave();
    if (hasEnded && this.#mayBeAhead.has(task)) this.#ended.set(task, (this.#ended.get(task) ?? 0) + 1);
  }

  /** A running job begins to wait: its slot is another's. Those that come back go first. */
  leave(): void {
    const next = this.#returning.shift();
    if (next) next();
    else this.#running -= 1;
  }

  /** A job that waited goes on when there is a slot for it. */
  enter(): Promise<void> {
    if (this.#running < this.capacity) {
      this.#running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => void this.#returning.push(resolve));
  }

  /** Takes out the held jobs that `which` selects. */
  drop(which: (held: Held) => boolean): Held[] {
    const dropped: Held[] = [];
    const kept: Held[] = [];
    for (const held of this.#held.slice(this.#next)) (which(held) ? dropped : kept).push(held);
    this.#held = kept;
    this.#next = 0;
    return dropped;
  }

  #measure(elapsed: number): void {
    const span = elapsed - this.#measuredAt;
    let ended = 0;
    for (const count of this.#ended.values()) ended += count;
    if (span < 1 || (span < leastSpanMs && ended < leastEnded)) return;
    let total = 0;
    for (const task of new Set([...this.#rates.keys(), ...this.#ended.keys()])) {
      const rate = ((this.#rates.get(task) ?? 0) + (this.#ended.get(task) ?? 0) / span) / 2;
      if (rate < leastRatePerMs) this.#rates.delete(task);
      else {
        this.#rates.set(task, rate);
        total += rate;
      }
    }
    this.#ahead = Math.min(mostAhead, Math.floor(total * horizonMs));
    this.#ended.clear();
    this.#measuredAt = elapsed;
  }
}
