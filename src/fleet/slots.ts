// How many jobs a worker may hold for one place (loop, threads or processes). Short jobs are claimed ahead, so that a claim and
// its commit are shared by hundreds of them; long jobs are not, so that they stay free for other workers. The number follows
// the rate at which jobs have lately ended: what would be done within `horizonMs` is claimed ahead, at most `mostAhead`.
import type { Place } from "../task/options.ts";
import type { ClaimedJob } from "../store/job.ts";

const horizonMs = 50;
const mostAhead = 1000;
const leastSpanMs = 10;
const leastEnded = 32;

/** A job claimed but not started. */
export interface Held {
  readonly job: ClaimedJob;
  /** Encoded results of its dependencies. */
  readonly inputs: readonly string[];
  /** When it was claimed, on the monotonic clock. */
  readonly since: number;
}

/** The jobs a worker holds for one place. */
export class Slots {
  readonly place: Place;
  readonly tasks: readonly string[];
  readonly capacity: number;
  running = 0;
  #held: Held[] = [];
  #next = 0;
  #ratePerMs = 0;
  #ended = 0;
  #measuredAt: number;

  constructor(place: Place, tasks: readonly string[], capacity: number, elapsed: number) {
    this.place = place;
    this.tasks = tasks;
    this.capacity = capacity;
    this.#measuredAt = elapsed;
  }

  /** Jobs claimed and not started. */
  get held(): number {
    return this.#held.length - this.#next;
  }

  /** How many more jobs to claim now. */
  room(): number {
    const ahead = this.#ahead;
    const room = this.capacity + ahead - this.running - this.held;
    // Small refills cost a commit each: wait until a worthwhile part is free, unless a slot stands idle.
    const idle = this.running + this.held < this.capacity;
    return idle || room * 2 >= ahead ? Math.max(0, room) : 0;
  }

  hold(held: Held): void {
    this.#held.push(held);
  }

  get #ahead(): number {
    return Math.min(mostAhead, Math.floor(this.#ratePerMs * horizonMs));
  }

  /**
   * The oldest held job, if there is room for it where it runs. Threads and processes take short jobs ahead, because their pool
   * batches them; those it has not begun can be taken back.
   */
  take(): Held | undefined {
    const most = this.place === "loop" ? this.capacity : this.capacity + this.#ahead;
    if (this.held === 0 || this.running >= most) return undefined;
    const held = this.#held[this.#next++] as Held;
    if (this.#next > 1024 && this.#next * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#next);
      this.#next = 0;
    }
    this.running += 1;
    return held;
  }

  /** A running job has ended, or has been taken back. */
  free(hasEnded: boolean): void {
    this.running -= 1;
    if (hasEnded) this.#ended += 1;
  }

  /** Updates the rate; called once per claim. */
  measure(elapsed: number): void {
    const span = elapsed - this.#measuredAt;
    // A job or two in a ms are no rate: long jobs that happen to end together must not look short.
    if (span < 1 || (span < leastSpanMs && this.#ended < leastEnded)) return;
    const busy = this.#ended > 0 || this.running > 0;
    if (busy) this.#ratePerMs = (this.#ratePerMs + this.#ended / span) / 2;
    this.#ended = 0;
    this.#measuredAt = elapsed;
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
}
