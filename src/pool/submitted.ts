// One call without calls inside: an entry that is also its future's handle.
import type { FinalState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import type { Engine } from "./engine.ts";
import { Entry } from "./entry.ts";
import type { CancelReceipt, Handle } from "./future.ts";
import { Future } from "./future.ts";

export class Submitted extends Entry implements Handle {
  readonly future: Future<unknown>;
  readonly #engine: Engine;
  #resolve: ((result: unknown) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #cancelling: Promise<CancelReceipt> | undefined;

  constructor(engine: Engine, definition: Definition) {
    super(definition, engine.recordOf(definition), engine.nextNumber());
    this.#engine = engine;
    this.future = new Future<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }, this);
  }

  get id(): string {
    return this.#engine.idOf(this);
  }

  get submitted(): Promise<string> {
    return Promise.resolve(this.id);
  }

  cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#cancelling ??= this.#engine.cancelAll(this.hasEnded ? [] : [this], reason);
    return this.#cancelling;
  }

  ended(state: FinalState, outcome: unknown): void {
    if (state === "done") this.#resolve?.(outcome);
    else this.#reject?.(outcome);
  }
}
