// Whatever stores and executors promise holds with middleware between them: around every attempt, with every text encrypted, and the
// larger ones kept in a folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { encryption, folder, offload } from "../../../src/index.ts";
import type { Middleware } from "../../../src/index.ts";
import { Hooks } from "../../../src/fleet/middleware/hooks.ts";
import { sealedStore } from "../../../src/fleet/middleware/sealed-store.ts";
import { Seals } from "../../../src/fleet/middleware/seals.ts";
import { memoryStore } from "../../../src/store/memory/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { executorConformance } from "../../../src/testing/executor-suite.ts";
import { storeConformance } from "../../../src/testing/store-suite.ts";
import { fleet, noCode, noMemory } from "../placed.ts";

const path = mkdtempSync(join(tmpdir(), "manyhands-middleware-"));
process.once("exit", () => rmSync(path, { recursive: true, force: true }));

/** Takes its time for every third text, so that calls overtake each other where they may. */
function dawdling(): Middleware {
  let count = 0;
  return {
    name: "dawdling",
    seal: (text) => (count++ % 3 === 0 ? turn(`${text}.`) : `${text}.`),
    open: (sealed) => (count++ % 3 === 0 ? turn(sealed.slice(0, -1)) : sealed.slice(0, -1)),
    conceal: (key) => key.slice(key.indexOf("\n") + 1),
  };
}

/** A sealed store that gives everything open, as the suite wants it. */
async function opened(): Promise<Store> {
  const { store, reveal } = sealedStore(memoryStore(), new Seals(new Hooks([dawdling()]), "store"));
  const own: Partial<Store> = {
    get: async (ids) => reveal(await store.get(ids)),
    list: async (filter, page) => reveal(await store.list(filter, page)),
  };
  return new Proxy(store, { get: (_, key) => Reflect.get(key in own ? own : store, key) as unknown });
}

const asStored = "A dump is as sealed as the store.";
storeConformance("sealed memory", opened, {
  skip: [
    {
      reason: asStored,
      tests: [
        "records are dumped and loaded with their job",
        "a dump gives every job as the reference gives it",
        "what is loaded goes on as it would have where it was",
      ],
    },
  ],
});

const use: readonly Middleware[] = [
  { name: "around", run: async (_, next) => void (await next()), submit: (_, next) => next() },
  encryption({ keys: { a: "0".repeat(64) }, current: "a" }),
  offload({ over: "4kB", to: folder(path) }),
];
executorConformance("Hands with middleware, in threads", (wish) => fleet("memory:", "thread", wish, { use }), {
  skip: [noMemory, noCode],
});
