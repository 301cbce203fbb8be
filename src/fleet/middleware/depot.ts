// Where large texts are kept outside the store: the contract. A name is `<store>/<job>.<kind>.<id>`, written once and never again, so
// that whoever deletes what he has seen deletes nothing that came later. No part of a name can leave its place: none holds a dot or a slash.
import type { About } from "./middleware.ts";

/** A text that is kept there. */
export interface DepotEntry {
  readonly name: string;
  /** By the depot's clock, in ms since 1970. */
  readonly writtenAt: number;
}

/** A place for large texts. Its errors are for {@link Depot} users to word: any may come. */
export interface Depot {
  /** For people; no secrets. */
  readonly place: string;
  /** Writes all of it or nothing; when it resolves, it survives what the place survives. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Undefined when there is none of this name. Rejects when that cannot be known; `store` is the id of the store that asks. */
  read(name: string, store: string): Promise<Uint8Array | undefined>;
  /** Nothing happens when there is none. */
  remove(name: string): Promise<void>;
  /** All that is kept for a store, some at a time. */
  list(store: string): AsyncIterable<readonly DepotEntry[]>;
}

/** What a name says. */
export interface DepotName {
  readonly store: string;
  readonly job: string;
  readonly kind: About["kind"];
}

const shape = /^([\w-]{1,64})\/([\w%-]{1,180})\.(args|result|error|progress|record)\.([\w-]{1,64})$/;

function escaped(job: string): string {
  return encodeURIComponent(job).replaceAll(/[^\w%-]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The name of a new text; undefined for a job whose id is too long for one. */
export function depotName({ store, job, kind }: DepotName, id: string): string | undefined {
  const name = `${store}/${escaped(job)}.${kind}.${id}`;
  return shape.test(name) ? name : undefined;
}

/** Reads a name; undefined for what {@link depotName} does not give. */
export function readDepotName(name: string): DepotName | undefined {
  const [, store, segment, kind] = shape.exec(name) ?? [];
  if (store === undefined || segment === undefined) return undefined;
  try {
    const job = decodeURIComponent(segment);
    return escaped(job) === segment ? { store, job, kind: kind as About["kind"] } : undefined;
  } catch {
    // A broken escape: nobody wrote this name.
    return undefined;
  }
}
