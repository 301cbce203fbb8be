// The PostgreSQL store passes the store suite.
import { test } from "node:test";
import { storeConformance } from "../../../src/testing/store-suite.ts";
import { newStore, skip } from "./schemas.ts";

if (skip === false) storeConformance("postgres", () => newStore());
else test("the store suite on PostgreSQL", { skip });
