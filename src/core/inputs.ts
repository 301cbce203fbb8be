// The check of what a map is to run over.
import { UsageError } from "./errors.ts";
import { show } from "./show.ts";

/** What a map takes its inputs from. */
export type Inputs = Iterable<unknown> | AsyncIterable<unknown>;

/** The inputs as an object: a text is the list of its characters. Throws {@link UsageError} for what cannot be iterated; `where` names the map. */
export function checkInputs(inputs: unknown, where: string): Inputs & object {
  if (typeof inputs === "string") return Array.from(inputs);
  if (typeof inputs === "object" && inputs !== null && (Symbol.iterator in inputs || Symbol.asyncIterator in inputs)) {
    return inputs as Inputs & object;
  }
  throw new UsageError(`${where} takes an iterable or async iterable of inputs, found ${show(inputs)}.`);
}
