// The SQLite store passes the store suite. (With durability "normal" only a setting differs; the model test uses that.)
import { sqliteStore } from "../../src/store/index.ts";
import { storeConformance } from "../../src/testing/store-suite.ts";
import { newPath } from "./files.ts";

storeConformance("sqlite", () => sqliteStore(newPath()));
