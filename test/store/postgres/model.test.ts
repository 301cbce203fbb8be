// The PostgreSQL store against the model, opened twice on one schema.
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { playModel } from "../model.ts";
import { newUrl, skip } from "./schemas.ts";

playModel(
  "postgres",
  async () => {
    const url = newUrl();
    return [await postgresStore(url), await postgresStore(url)];
  },
  25,
  skip,
);
