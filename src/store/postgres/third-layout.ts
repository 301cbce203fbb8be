// The third layout: events. What writes them is made when they are first asked for; see `functions/events.ts`.
import type { SchemaSql } from "./schema.ts";

const text = 'text COLLATE "C"';

/** The tables of the third layout. */
export const thirdLayout: SchemaSql = (s) => `
  CREATE SEQUENCE ${s}.event_no;
  CREATE TABLE ${s}.event (
    no bigint PRIMARY KEY DEFAULT nextval('${s.replaceAll("'", "''")}.event_no'),
    seq bigint NOT NULL,                               -- the job's
    at double precision NOT NULL,
    id ${text} NOT NULL,
    task ${text} NOT NULL,
    queue ${text} NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL,
    worker ${text}
  );
  CREATE INDEX event_job ON ${s}.event (seq, no);
  ALTER TABLE ${s}.meta
    ADD COLUMN events_kept double precision NOT NULL DEFAULT 0,   -- for how long, in ms; 0: not at all
    ADD COLUMN events_lost bigint NOT NULL DEFAULT 0;             -- the last that is not kept any more
`;
