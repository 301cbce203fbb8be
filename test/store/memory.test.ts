// The memory store passes the store suite: it is the reference.
import { memoryStore } from "../../src/store/index.ts";
import { storeConformance } from "../../src/testing/store-suite.ts";

storeConformance("memory", async () => memoryStore());
