// One call without calls inside: an entry that is also its future's handle.
import type { FinalState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import type { Engine } from "./engine.ts";
import { Entry } from "./entry.ts";
import type { CancelReceipt, Future, Handle } from "./future.ts";
import { PromptFuture } from "./prompt-future.ts";

type Resolve = (result: unknown) => void;

// A promise hands out its function while it is made. Leaving it here for a moment spares a closure for each submit.
let lastResolve: Resolve | undefined;
const capture = (resolve: Resolve): void => {
  lastResolve = resolve;
};

export class Submitted extends Entry implements Handle {
  readonly #engine: Engine;
  #resolve: Resolve | undefined;

  constructor(engine: Engine, definition: Definition) {
    super(definition, engine.intake.recordOf(definition), engine.intake.nextNumber());
    this.#engine = engine;
  }

  /** The future of this call; asked for once. */
  makeFuture(): Future<unknown> {
    const future = new PromptFuture<unknown>(capture, this);
    this.#resolve = lastResolve;
    return future;
  }

  get id(): string {
    return this.#engine.intake.idOf(this);
  }

  get submitted(): Promise<string> {
    return Promise.resolve(this.id);
  }

  parts(restarted: (() => void) | undefined): AsyncGenerator<unknown, void> {
    return this.readParts(this.id, restarted);
  }

  cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.extra.cancelling ??= this.#engine.wishes.cancelAll(this.hasEnded ? [] : [this], reason);
    return this.extra.cancelling;
  }

  ended(state: FinalState, outcome: unknown): void {
    // The function that rejects is not kept, for every future would keep one and few need it: the future becomes a rejected promise.
    this.#resolve?.(state === "done" ? outcome : Promise.reject(outcome));
  }
}
