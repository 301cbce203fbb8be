// What every settle and every add does, as functions inside the database: one round trip each. The rules are those of
// `machine.ts`, `want.ts` and the memory store, said once more; the model test compares them. Functions hold no data: whoever brings a
// store to a layout drops those it has and makes these, so only the tables need steps.
import type { SchemaSql } from "../schema.ts";
import { addJobs } from "./add.ts";
import { endings, look, note, suspend } from "./ask.ts";
import { endWaiting, failAbove, freeKeys, releaseAbove, takeOff } from "./ends.ts";
import { restAnew } from "./rest.ts";
import { jsonText, wake, writeRecords } from "./records.ts";
import { choose, settle } from "./settle.ts";
import { stop } from "./stop.ts";

const ends = [freeKeys, endWaiting, takeOff, releaseAbove, failAbove, jsonText, wake, stop];
const verbs = [choose, settle, addJobs, endings, look, note, suspend, writeRecords, restAnew];

/** All functions of the current layout. */
export const functions: SchemaSql = (schema) => [...ends, ...verbs].map((sql) => sql(schema)).join("");

// Of every layout there was.
const names =
  "add_jobs choose end_waiting endings fail_above free_keys json_text look note release_above rest_anew settle stop suspend take_off wake " +
  "write_records";

/** Drops the functions of whatever layout a schema has, whose arguments may be others. */
export const dropFunctions: SchemaSql = (s) => `
  DO $body$
  DECLARE
    old regprocedure;
  BEGIN
    FOR old IN
      SELECT oid FROM pg_proc WHERE pronamespace = '${s.replaceAll("'", "''")}'::regnamespace AND proname = ANY (string_to_array('${names}', ' '))
    LOOP
      EXECUTE format('DROP FUNCTION %s', old);
    END LOOP;
  END $body$;
`;
