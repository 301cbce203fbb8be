// The memory store passes the store suite: it is the reference.
import { test } from "node:test";
import { memoryStore } from "../../src/store/index.ts";
import { storeConformance } from "../../src/testing/store-suite.ts";
import { prunesPastAheadOf } from "./ahead.ts";

storeConformance("memory", async () => memoryStore());

test("events of a clock that was ahead hold up no others", () => {
  return prunesPastAheadOf(async (runtime) => memoryStore({ runtime }));
});
