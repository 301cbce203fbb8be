// The SQLite store against the model, its file open twice.
import { sqliteStore } from "../../src/store/index.ts";
import { newPath } from "./files.ts";
import { playModel } from "./model.ts";

playModel(
  "sqlite",
  async () => {
    const path = newPath();
    return [await sqliteStore(path, { durability: "normal" }), await sqliteStore(path, { durability: "normal" })];
  },
  100,
);
