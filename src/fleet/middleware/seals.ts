// Seals and opens texts: the `seal` of each middleware in order, and `open` in reverse. Each seal stands in the text by the name of its
// middleware (`task/sealed.ts`), so that a text is opened by what sealed it, whatever the list looks like by now.
import { createHash } from "node:crypto";
import { SealError, StoreError, UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import { isThenable } from "../../core/thenable.ts";
import { isSealed, notUsed, sealedBy, sealOf, unopened } from "../../task/sealed.ts";
import type { Hooks } from "./hooks.ts";
import type { About, Middleware } from "./middleware.ts";

/** A value, or the promise of one: what needs no waiting must not cost a turn. */
export type Soon<T> = T | PromiseLike<T>;

/** What is done with a text, without the store. */
export type Text = Omit<About, "store">;

type Sealer = Middleware & Required<Pick<Middleware, "seal" | "open">>;

/** Continues with a value that may be there already. */
export function whenThere<T, R>(value: Soon<T>, go: (value: T) => Soon<R>): Soon<R> {
  return isThenable(value) ? value.then(go) : go(value);
}

/** All of them; at once when all are there. */
export function allOf<T>(values: readonly Soon<T>[]): Soon<readonly T[]> {
  return values.some(isThenable) ? Promise.all(values) : (values as readonly T[]);
}

/** The seals of one connection. */
export class Seals {
  readonly #store: string;
  readonly #sealers: readonly Sealer[];
  readonly #byName: ReadonlyMap<string, Sealer>;
  readonly #conceal: (key: string) => string;

  /** `store` is the id of the store. */
  constructor({ list }: Hooks, store: string) {
    this.#store = store;
    this.#sealers = list.filter((each): each is Sealer => each.seal !== undefined);
    this.#byName = new Map(this.#sealers.map((each) => [each.name, each]));
    const concealing = list.find(({ conceal }) => conceal);
    this.#conceal = concealing?.conceal?.bind(concealing) ?? ((key) => createHash("sha256").update(key).digest("base64url"));
  }

  /** The text to store. */
  seal(text: string, about: Text): Soon<string> {
    // It would overwrite what another program can open.
    if (isSealed(text)) throw new SealError(`A text that could not be opened cannot be stored again: ${text.slice(1)}`);
    return this.#sealFrom(0, text, { ...about, store: this.#store });
  }

  /**
   * The text as it was given to be sealed. One that cannot be opened comes as it were: it says why where it is decoded. Rejects only with a
   * StoreError, when it may work later.
   */
  open(text: string, about: Text): Soon<string> {
    try {
      const opened = this.#openOnce(text, { ...about, store: this.#store }, new Set());
      return isThenable(opened) ? opened.then(undefined, unopenedFor) : opened;
    } catch (error) {
      return unopenedFor(error);
    }
  }

  /** What is stored for a unique key, which begins with the name of the task. */
  conceal(key: string): string {
    const task = key.slice(0, key.indexOf("\n") + 1);
    return task + this.#conceal(key);
  }

  #sealFrom(at: number, text: string, about: About): Soon<string> {
    const sealer = this.#sealers[at];
    if (!sealer) return text;
    return whenThere(sealer.seal(text, about), (sealed) => {
      if (typeof sealed !== "string") throw notText(sealer.name, "seal", sealed);
      return this.#sealFrom(at + 1, sealed === text ? text : sealedBy(sealer.name, sealed), about);
    });
  }

  /** Opens seal after seal; each middleware has sealed a text once at most. */
  #openOnce(text: string, about: About, opened: Set<string>): Soon<string> {
    if (!isSealed(text)) return this.#checked(text, opened);
    const seal = sealOf(text);
    if (!seal || opened.has(seal.name)) throw new SealError("The stored text is damaged: its seals make no sense.");
    const sealer = this.#byName.get(seal.name);
    if (!sealer) throw notUsed(seal.name);
    opened.add(seal.name);
    return whenThere(sealer.open(seal.sealed, about), (inside) => {
      if (typeof inside !== "string") throw notText(sealer.name, "open", inside);
      return this.#openOnce(inside, about, opened);
    });
  }

  #checked(text: string, opened: ReadonlySet<string>): string {
    const missing = this.#sealers.find(({ name, sealsAll }) => sealsAll && !opened.has(name));
    if (!missing) return text;
    throw new SealError(
      `The stored text is not sealed by the middleware "${missing.name}", and may not be from this fleet. Was it stored by a program without it?`,
    );
  }
}

function notText(name: string, what: string, found: unknown): UsageError {
  return new UsageError(`Middleware "${name}" ${what}() must give a text, found ${show(found)}.`);
}

function unopenedFor(error: unknown): string {
  if (error instanceof StoreError) throw error;
  return unopened(error instanceof Error ? error.message : String(error));
}
