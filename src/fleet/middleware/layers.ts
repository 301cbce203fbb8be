// Functions around one another, as an onion: each is given `next`, which runs those inside it.
import { UsageError } from "../../core/errors.ts";

/** How layers of one kind are run. */
export interface Onion<Layer, State, Given, Result, Told> {
  /** With the names they have in errors. */
  readonly layers: readonly (readonly [name: string, layer: Layer])[];
  call(layer: Layer, state: State, next: (given?: Given) => Promise<Told>): unknown;
  /** What the layers inside see, after one has called `next(given)`. */
  inside(state: State, given: Given | undefined): State;
  /** What is inside them all. */
  core(state: State): Promise<Result>;
  /** What `next` resolves with. */
  told(result: Result): Told;
}

/**
 * Runs them all. As long as every layer calls `next` at once, the core is begun before this returns. Rejects with what the outermost layer
 * threw, or else with what failed inside it, caught by a layer or not; with a UsageError when one did not call `next` exactly once.
 */
export function throughLayers<Layer, State, Given, Result, Told>(
  onion: Onion<Layer, State, Given, Result, Told>,
  state: State,
): Promise<Result> {
  const run = async (at: number, state: State): Promise<Result> => {
    const entry = onion.layers[at];
    if (!entry) return onion.core(state);
    const [name, layer] = entry;
    let inner: Promise<Result> | undefined;
    let isOver = false;
    const next = async (given?: Given): Promise<Told> => {
      if (inner) throw new UsageError(`${name} called next() twice. Call it once: there is one job.`);
      if (isOver) throw new UsageError(`${name} called next() after it had ended. Await what comes before it.`);
      inner = run(at + 1, onion.inside(state, given));
      return onion.told(await inner);
    };
    try {
      await onion.call(layer, state, (given) => handled(next(given)));
    } finally {
      isOver = true;
    }
    if (inner) return inner;
    throw new UsageError(`${name} neither called next() nor threw. Call next() to go on, or throw an error that says why not.`);
  };
  return run(0, state);
}

/** A layer that does not wait for `next` is told of a failure otherwise. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
