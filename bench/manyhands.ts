// manyhands as its users get it: the built package in ../dist. Imported by path, not by name, so that the benchmark needs no
// link to itself; the types come from the sources, so type checking needs no build.
import type * as Face from "../src/index.ts";
import type * as Pools from "../src/pool/index.ts";

const dist = new URL("../dist/", import.meta.url);

/** The main entry. */
export const manyhands: typeof Face = (await import(new URL("index.js", dist).href)) as typeof Face;

/** The pools. */
export const pools: typeof Pools = (await import(new URL("pool/index.js", dist).href)) as typeof Pools;
