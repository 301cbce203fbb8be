// Waiting for the next message without the event loop. Waking a thread out of its event loop takes longer than a short task;
// so a worker that has run out of work blocks for a moment, in which a caller that submits one task after the other will have sent
// the next. Meanwhile its timers and sockets wait, so the moment is short, and not taken again where it was of no use.
import type { Runtime } from "../../core/runtime.ts";
import type { Claims } from "../claims.ts";

// Shorter waits are dearer: a timer that is due before the next tick of the clock has to be programmed into the hardware, which
// costs more than the whole wait is to save.
const lingerMs = 5;
const mostSkipped = 64;

export class Linger<Message> {
  readonly #claims: Claims;
  readonly #runtime: Runtime;
  readonly #receive: () => Message | undefined;
  /** How often it was in vain, one after the other, and how often it is left out for that. */
  #misses = 0;
  #skip = 0;
  #idleSince = 0;

  /** `receive` gives a message that has arrived, or undefined. */
  constructor(claims: Claims, runtime: Runtime, receive: () => Message | undefined) {
    this.#claims = claims;
    this.#runtime = runtime;
    this.#receive = receive;
  }

  /** The next message, if it comes within the moment. */
  next(): Message | undefined {
    const rings = this.#claims.rings;
    const arrived = this.#receive();
    if (arrived !== undefined) return arrived;
    if (this.#skip > 0) {
      this.#skip -= 1;
      this.#idleSince = this.#runtime.elapsed();
      return undefined;
    }
    const message = this.#claims.listen(rings, lingerMs) ? this.#receive() : undefined;
    if (message !== undefined) this.#misses = 0;
    else {
      this.#misses += 1;
      this.#skip = Math.min(mostSkipped, 2 ** Math.min(this.#misses, 10)) - 1;
    }
    return message;
  }

  /** A message has come through the event loop. */
  woken(): void {
    if (this.#idleSince > 0 && this.#runtime.elapsed() - this.#idleSince < lingerMs) this.#skip = 0;
    this.#idleSince = 0;
  }
}
