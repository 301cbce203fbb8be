// The parts that a generator called through a pool has yielded. They are kept as long as the call's future, so that who comes late reads from
// the beginning; those of an attempt that failed are void when the next begins.
import { RestartedError } from "../core/errors.ts";
import { decode } from "../task/codec.ts";

export class Parts {
  #texts: string[] = [];
  #attempt = 1;
  #isOver = false;
  /** Counts the attempts that were void. */
  #voided = 0;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  /** A part of this attempt, as the codec's text. */
  add(attempt: number, text: string): void {
    this.#begin(attempt);
    this.#texts.push(text);
    this.#tell();
  }

  /** The call has ended with this attempt. */
  end(attempt: number): void {
    this.#begin(attempt);
    this.#isOver = true;
    this.#tell();
  }

  /** All parts, also those to come. */
  async *read(id: string, restarted: (() => void) | undefined): AsyncGenerator<unknown, void> {
    let at = 0;
    let voided = this.#voided;
    for (;;) {
      if (voided !== this.#voided) {
        voided = this.#voided;
        if (at > 0 && !restarted) throw new RestartedError(id);
        if (at > 0) restarted?.();
        at = 0;
      }
      const text = this.#texts[at];
      if (text !== undefined) {
        at += 1;
        yield decode(text);
      } else if (this.#isOver) return;
      else await this.#changed.promise;
    }
  }

  #begin(attempt: number): void {
    if (attempt === this.#attempt) return;
    this.#attempt = attempt;
    if (this.#texts.length === 0) return;
    this.#texts = [];
    this.#voided += 1;
  }

  #tell(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
