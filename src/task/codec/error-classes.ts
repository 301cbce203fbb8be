// The classes of errors that are rebuilt as what they were: the language's own and those of manyhands. Any other error
// arrives as the nearest of these it descends from, `Error` at the least, with its `name` kept. An error is rebuilt
// without running its constructor.
import { types } from "node:util";
import * as own from "../../core/errors.ts";

type ErrorClass = abstract new (...args: never[]) => Error;

const builtin: readonly ErrorClass[] = [
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
];

const known: readonly ErrorClass[] = [...builtin, ...(Object.values(own) as readonly ErrorClass[])];
const byName: ReadonlyMap<string, ErrorClass> = new Map(known.map((each) => [each.name, each]));
const byPrototype: ReadonlyMap<unknown, string> = new Map(known.map((each) => [each.prototype, each.name]));

/** The name of the nearest known class that the error descends from. */
export function errorClassOf(error: object): string {
  for (let next: unknown = Object.getPrototypeOf(error); next !== null; next = Object.getPrototypeOf(next)) {
    const name = byPrototype.get(next);
    if (name !== undefined && name !== "Error") return name;
    if (name === "Error") break;
  }
  return types.isNativeError(error) && !(error instanceof Error) ? foreignClassOf(error) : "Error";
}

/** An error of another realm shares no prototype with ours: a builtin is told by its name. */
function foreignClassOf(error: Error): string {
  return builtin.some((each) => each.name === error.name) ? error.name : "Error";
}

/** The `name` that errors of a class have unless they set their own. */
export function defaultNameOf(className: string): unknown {
  return byName.get(className)?.prototype.name;
}

/** An error of that class, empty, or undefined when there is no such class. */
export function makeError(className: string): Error | undefined {
  const made = byName.get(className);
  if (made === undefined) return undefined;
  return Reflect.construct(Error, [], made) as Error;
}
