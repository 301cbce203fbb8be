// Another thread's monotonic clock begins at another moment. Every message that carries the sender's time bounds the offset
// from above, since messages take time but never go back in it; the least bound is the best. An age computed with it is never
// more than the true one, so nothing times out early.

export class ClockOffset {
  #offset = Infinity;

  /** A message sent at `theirs` by the other clock was read at `ours`. */
  seen(theirs: number, ours: number): void {
    this.#offset = Math.min(this.#offset, ours - theirs);
  }

  /** How long ago `theirs` was, in ms. */
  age(theirs: number, ours: number): number {
    return Math.max(0, ours - theirs - this.#offset);
  }
}
