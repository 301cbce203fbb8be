// The clock of a store's server, as a client knows it. The server's time is learnt from its answers and carried on by this
// machine's monotonic clock, so a wall clock that is wrong here, or jumps, has no effect. What is left is an error of half
// a round trip at most, and the drift of two clocks within the seconds between two answers.
import type { Runtime } from "../../core/runtime.ts";

/** For how long a sample with a short round trip is better than a newer one with a longer. */
const freshMs = 10_000;

/** A wall clock that is further off misleads whoever compares times. */
const mostSkewMs = 1000;

/** What a person has to do about this machine's wall clock, which is so far ahead of the server's; undefined when it is right. */
export function clockProblem(skewMs: number): string | undefined {
  if (Math.abs(skewMs) <= mostSkewMs) return undefined;
  const how = skewMs > 0 ? "ahead of" : "behind";
  return `This machine's clock is ${Math.round(Math.abs(skewMs))} ms ${how} the server's, whose time counts. Set it right.`;
}

/** The server's time. */
export class ServerClock {
  readonly #runtime: Runtime;
  #offset = 0;
  #roundTripMs = Infinity;
  #learntAt = -Infinity;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes in what the server's clock said (ms since 1970) in an answer to a question asked at `askedAt` on this machine's monotonic clock. */
  learn(serverMs: number, askedAt: number): void {
    const answeredAt = this.#runtime.elapsed();
    const roundTripMs = answeredAt - askedAt;
    if (roundTripMs > this.#roundTripMs && answeredAt - this.#learntAt < freshMs) return;
    this.#offset = serverMs - (askedAt + answeredAt) / 2;
    this.#roundTripMs = roundTripMs;
    this.#learntAt = answeredAt;
  }

  /** The server's time now, in whole ms since 1970. Ask it something first. */
  now(): number {
    return Math.round(this.#runtime.elapsed() + this.#offset);
  }

  /** By how many ms this machine's wall clock is ahead of the server's. */
  skewMs(): number {
    return this.#runtime.now() - this.now();
  }
}
