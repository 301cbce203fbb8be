// The SQLite store passes the store suite with both durabilities.
import { sqliteStore } from "../../src/store/index.ts";
import { storeConformance } from "../../src/testing/store-suite.ts";
import { newPath } from "./files.ts";

storeConformance("sqlite", () => sqliteStore(newPath()));
storeConformance("sqlite, durability normal", () => sqliteStore(newPath(), { durability: "normal" }));
