// From the list a program gave to `connect` to what a fleet needs of it. Loaded only by programs that use middleware.
import type { Runtime } from "../../core/runtime.ts";
import type { Store } from "../../store/store.ts";
import type { Hooks } from "./hooks.ts";
import type { Reveal } from "./sealed-store.ts";
import { sealedStore } from "./sealed-store.ts";
import { Seals } from "./seals.ts";
import { storeId } from "./store-id.ts";

/** The middleware of a connection, and what it takes to use it. */
export interface Wiring {
  readonly hooks: Hooks;
  /** Opens what the store gives sealed; undefined when nothing is. */
  readonly reveal: Reveal | undefined;
  /** The id of the store; empty where no middleware needs it. */
  readonly storeId: string;
}

/** The store as a fleet with this middleware sees it. */
export async function wire(store: Store, runtime: Runtime, hooks: Hooks): Promise<readonly [Store, Wiring]> {
  const isSealing = hooks.of("seal") !== undefined;
  const id = isSealing || hooks.of("tend") ? await storeId(store, runtime) : "";
  if (!isSealing) return [store, { hooks, reveal: undefined, storeId: id }];
  const { store: sealed, reveal } = sealedStore(store, new Seals(hooks, id));
  return [sealed, { hooks, reveal, storeId: id }];
}
