// The middleware of one connection, sorted by what it has: a fleet asks for a hook once, and where there is none it does what it does
// without any of this.
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import { checkOptions } from "../../core/suggest.ts";
import type { Middleware } from "./middleware.ts";

const functions = [
  "submit",
  "run",
  "submitted",
  "started",
  "ended",
  "retry",
  "lost",
  "seal",
  "open",
  "conceal",
  "tend",
] as const satisfies readonly (keyof Middleware)[];

/** A function of middleware. */
export type HookName = (typeof functions)[number];

/** The functions of one kind, each with how it is named in errors. */
export type Hooked<Name extends HookName> = readonly (readonly [name: string, hook: NonNullable<Middleware[Name]>])[];

function checkOne(given: unknown, place: string): Middleware {
  checkOptions(given ?? null, ["name", "sealsAll", ...functions], place);
  const middleware = given as Middleware;
  const { name, seal, open, sealsAll } = middleware;
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw new UsageError(`${place}: a name has 1 to 64 letters, digits or _ - ., found ${show(name)}.`);
  }
  for (const key of functions) {
    const value: unknown = middleware[key];
    if (value === undefined || typeof value === "function") continue;
    throw new UsageError(`${place}: ${key} of "${name}" must be a function, found ${show(value)}.`);
  }
  if ((seal === undefined) !== (open === undefined)) {
    throw new UsageError(`${place}: "${name}" has ${seal ? "seal without open" : "open without seal"}. Give both.`);
  }
  if (sealsAll !== undefined && (typeof sealsAll !== "boolean" || !seal)) {
    throw new UsageError(`${place}: sealsAll of "${name}" is true or false, and for middleware with seal.`);
  }
  return middleware;
}

/** What is written elsewhere by the first would not be encrypted by the second. */
function checkOrder(names: readonly string[]): void {
  const [offload, encryption] = [names.indexOf("offload"), names.indexOf("encryption")];
  if (offload === -1 || encryption < offload) return;
  throw new UsageError(
    'connect() use: "offload" comes before "encryption", so large texts would be written out as they are. Put encryption first.',
  );
}

/** The middleware of a connection. */
export class Hooks {
  readonly list: readonly Middleware[];

  /** Throws a UsageError for what is no list of middleware. */
  constructor(use: unknown) {
    if (!Array.isArray(use)) throw new UsageError(`connect() use must be a list of middleware, found ${show(use)}.`);
    this.list = use.map((each: unknown, index) => checkOne(each, `connect() use[${index}]`));
    const names = this.list.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined)
      throw new UsageError(`connect() use has two middlewares named "${twice}". Give each a name of its own.`);
    checkOrder(names);
  }

  /** The functions of this kind, in order; undefined when there is none. */
  of<Name extends HookName>(name: Name): Hooked<Name> | undefined {
    const found = this.list.flatMap((middleware) => {
      const hook = middleware[name];
      // Called as a method: middleware may be an object with a state.
      return hook ? [[`Middleware "${middleware.name}" ${name}()`, hook.bind(middleware)] as const] : [];
    });
    return found.length === 0 ? undefined : (found as unknown as Hooked<Name>);
  }
}
