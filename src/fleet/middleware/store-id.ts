// The id of a store: by it, what middleware keeps elsewhere for the jobs of one store is told from that of others. It stands in a record of
// the store's own, made when it is first asked for.
import type { Runtime } from "../../core/runtime.ts";
import type { Store } from "../../store/store.ts";

const name = "store/id";

/** The id of this store. */
export async function storeId(store: Store, runtime: Runtime): Promise<string> {
  for (;;) {
    const [found] = await store.records("", name, 1);
    if (found?.name === name) return JSON.parse(found.text) as string;
    const id = runtime.id();
    if (await store.addIf({ name, from: null, to: JSON.stringify(id) }, [], store.now())) return id;
  }
}
