// What every settle and every add does, as functions inside the database: one round trip each. The rules are those of
// `machine.ts`, `want.ts` and the memory store, said once more; the model test compares them. As with the tables, what has been published
// is never edited: a later layout replaces a function by another text.
import type { SchemaSql } from "../schema.ts";
import { addJobs } from "./add.ts";
import { endings, look, note } from "./ask.ts";
import { endWaiting, failAbove, freeKeys, releaseAbove, stop } from "./ends.ts";
import { choose, settle } from "./settle.ts";

/** All functions of the first layout. */
export const functions: SchemaSql = (schema) =>
  [freeKeys, endWaiting, failAbove, releaseAbove, stop, choose, settle, addJobs, endings, look, note]
    .map((sql) => sql(schema))
    .join("");
