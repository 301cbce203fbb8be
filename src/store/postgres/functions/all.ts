// What every settle and every add does, as functions inside the database: one round trip each. The rules are those of
// `machine.ts`, `want.ts` and the memory store, said once more; the model test compares them. Functions hold no data: whoever brings a
// store to a layout drops those it has and makes these, so only the tables need steps.
import type { SchemaSql } from "../schema.ts";
import { addJobs, comeToGates } from "./add.ts";
import { endings, look, note, suspend } from "./ask.ts";
import { endWaiting, failAbove, freeKeys, releaseAbove, takeOff } from "./ends.ts";
import { pruneEvents, readEvents } from "./events.ts";
import { followUp, forgetGates, leaveLines, openGates, passGates } from "./gates.ts";
import { restAnew } from "./rest.ts";
import { jsonText, wake, writeRecords } from "./records.ts";
import { choose, settle } from "./settle.ts";
import { stop } from "./stop.ts";

const ends = [freeKeys, endWaiting, takeOff, releaseAbove, failAbove, jsonText, wake, stop];
const gates = [leaveLines, openGates, passGates, followUp, forgetGates, comeToGates];
const verbs = [choose, settle, addJobs, endings, look, note, suspend, writeRecords, restAnew, readEvents, pruneEvents];

/** All functions of the current layout. */
export const functions: SchemaSql = (schema) => [...ends, ...gates, ...verbs].map((sql) => sql(schema)).join("");

// Of every layout there was.
const names =
  "add_jobs choose come_to_gates end_waiting endings fail_above follow_up forget_gates free_keys json_text leave_lines look note open_gates pass_gates release_above " +
  "prune_events read_events rest_anew settle stop suspend take_off wake write_records";

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
